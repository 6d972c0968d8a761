"""How AWS's services take tags."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rehearsal.provider.kinds import Context, Tags
from rehearsal.provider.wire import Props


def pairs(tags: dict[str, str], key: str = "Key", value: str = "Value") -> list[dict[str, str]]:
    """A tag map as AWS's list."""
    return [{key: k, value: v} for k, v in tags.items()]


def unpaired(found: Any, key: str = "Key", value: str = "Value") -> dict[str, str]:
    """AWS's list as a map, without AWS's own tags."""
    return {t[key]: t[value] for t in found or [] if not t[key].startswith("aws:")}


def ec2(resource_type: str) -> Tags:
    """EC2: TagSpecifications at creation, CreateTags later."""
    return Tags(
        create=lambda tags: {"TagSpecifications": [{"ResourceType": resource_type, "Tags": pairs(tags)}]},
        put=lambda ctx, tags: ctx.call("CreateTags", {"Resources": [ctx.id], "Tags": pairs(tags)}),
        drop=lambda ctx, keys: ctx.call(
            "DeleteTags", {"Resources": [ctx.id], "Tags": [{"Key": k} for k in keys]}
        ),
        read=lambda _, live: unpaired(live.get("Tags")),
    )


def by_arn(  # noqa: PLR0913 - one word for each way in which the services differ
    put: str,
    drop: str,
    member: str,
    *,
    names: str = "TagKeys",
    listing: str = "",
    found: str = "Tags",
    value: Callable[[Context], Any] | None = None,
    at_creation: bool = True,
    key: str = "Key",
    val: str = "Value",
) -> Tags:
    """Services with calls of their own for tags, which name the resource by `member`."""

    def target(ctx: Context) -> Any:
        return value(ctx) if value else ctx.state.get("arn") or ctx.id

    def read(ctx: Context, live: Props) -> dict[str, str] | None:
        if not listing:
            return unpaired(live[found], key, val) if found in live else None
        ctx.state = {**ctx.state, **({"arn": _arn(live)} if _arn(live) and not ctx.state.get("arn") else {})}
        answer = ctx.call(listing, {member: target(ctx)})
        if "TagDescriptions" in answer:
            return unpaired(answer["TagDescriptions"][0]["Tags"]) if answer["TagDescriptions"] else {}
        return unpaired(answer.get(found), key, val)

    return Tags(
        create=(lambda tags: {"Tags": pairs(tags, key, val)}) if at_creation else None,
        put=lambda ctx, tags: ctx.call(put, {member: target(ctx), "Tags": pairs(tags, key, val)}),
        drop=lambda ctx, keys: ctx.call(drop, {member: target(ctx), names: keys}),
        read=read,
    )


def _arn(live: Props) -> Any:
    return next((v for k, v in live.items() if k.lower().endswith("arn") and isinstance(v, str)), None)
