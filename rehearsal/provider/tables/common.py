"""What several tables use."""

from __future__ import annotations

from typing import Any

from rehearsal.provider.kinds import Context
from rehearsal.provider.wire import Props

MANAGED = "Managed by Pulumi"


def arn(kind: str) -> Any:
    """`arn` and `ownerId` of an EC2 resource."""

    def outputs(ctx: Context, live: Props) -> Props:
        owner = live.get("OwnerId") or ctx.call("GetCallerIdentity", {}, service="sts")["Account"]
        return {"ownerId": owner, "arn": f"arn:aws:ec2:{ctx.region}:{owner}:{kind}/{ctx.id}"}

    return outputs


def fields(base: str, *names: str, **renamed: str) -> str:
    """JMESPath: the members `names` of `base`, and others under new names; null when there is no `base`."""
    members = [f"{n}: {n}" for n in names] + [f"{new}: {path}" for new, path in renamed.items()]
    return f"{base}.{{{', '.join(members)}}}"
