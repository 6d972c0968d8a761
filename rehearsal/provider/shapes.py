"""Pulumi's camelCase properties <-> botocore's shapes.

Names meet when they are equal without case and punctuation (`multiAz`, `MultiAZ`), or after a rename of the
table; values are coerced to what the shape says. A property that no member of the shape matches is an error:
nothing is dropped in silence.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from botocore.model import ListShape, MapShape, Shape, StructureShape

Renames = Mapping[str, str]
"""Dotted property path (without list indices) -> name of the member in AWS's shape."""


class NotModelledError(Exception):
    """The rehearsal does not know this type, property or call; it refuses rather than to pretend."""


def plain(name: str) -> str:
    """A name without case and punctuation."""
    return re.sub(r"[^a-z0-9]", "", name.lower())


def member_for(shape: StructureShape, prop: str, renames: Renames, path: str) -> str | None:
    """The member of the shape that carries a property, or None."""
    if path in renames:
        return renames[path] if renames[path] in shape.members else None
    wanted = plain(prop)
    names = {plain(m): m for m in shape.members}
    for candidate in (wanted, wanted.removesuffix("s"), wanted + "s"):
        if candidate in names:
            return names[candidate]
    return None


def to_api(shape: Shape, value: Any, renames: Renames, path: str) -> Any:
    """A property's value as the shape wants it. Raises NotModelledError for parts the shape lacks."""
    if isinstance(shape, StructureShape):
        return _structure(shape, value, renames, path)
    if isinstance(shape, ListShape):
        if isinstance(value, dict) and _is_pair(shape.member):
            key, val = _pair_names(shape.member)
            return [{key: str(k), val: str(v)} for k, v in value.items()]
        values = value if isinstance(value, list) else [value]
        return [to_api(shape.member, v, renames, path) for v in values]
    if isinstance(shape, MapShape):
        return {str(k): to_api(shape.value, v, renames, path) for k, v in value.items()}
    return _scalar(shape.type_name, value)


def _structure(shape: StructureShape, value: Any, renames: Renames, path: str) -> dict[str, Any]:
    if isinstance(value, list):
        value = value[0] if value else {}
    if not isinstance(value, dict):
        items = [m for m in shape.members if isinstance(shape.members[m], ListShape)]
        raise NotModelledError(
            f"{path}: {value!r} does not fit AWS's {shape.name} ({', '.join(items) or 'a structure'})"
        )
    answer: dict[str, Any] = {}
    for key, item in value.items():
        if item is None:
            continue
        member = member_for(shape, key, renames, f"{path}.{key}")
        if member is None:
            raise NotModelledError(f"{path}.{key} has no counterpart in AWS's {shape.name}")
        answer[member] = to_api(shape.members[member], item, renames, f"{path}.{key}")
    return answer


def _is_pair(shape: Shape) -> bool:
    return isinstance(shape, StructureShape) and {plain(m) for m in shape.members} in (
        {"key", "value"},
        {"tagkey", "tagvalue"},
        {"name", "value"},
    )


def _pair_names(shape: Shape) -> tuple[str, str]:
    assert isinstance(shape, StructureShape)
    key, value = sorted(shape.members, key=lambda m: plain(m).endswith("value"))
    return key, value


def _scalar(kind: str, value: Any) -> Any:
    if kind == "boolean":
        return value if isinstance(value, bool) else str(value).lower() == "true"
    if kind in ("integer", "long"):
        return int(float(value))
    if kind in ("float", "double"):
        return float(value)
    if kind == "string":
        return text(value)
    if kind == "blob" and isinstance(value, str):
        return value.encode()
    return value


def text(value: Any) -> str:
    """A value as AWS writes it in text: documents as JSON, booleans in lower case."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (dict, list)):
        return json.dumps(value)
    return str(value)


def to_props(value: Any) -> Any:
    """An answer of AWS in Pulumi's spelling (`VpcId` -> `vpcId`, `ARN` -> `arn`)."""
    if isinstance(value, dict):
        return {camel(k): to_props(v) for k, v in value.items()}
    if isinstance(value, list):
        if value and all(isinstance(v, dict) and set(v) == {"Key", "Value"} for v in value):
            return {v["Key"]: v["Value"] for v in value}
        return [to_props(v) for v in value]
    return value


def camel(name: str) -> str:
    """`DBSubnetGroupName` -> `dbSubnetGroupName`."""
    head = re.match(r"[A-Z]+(?=[A-Z][a-z]|$)|[A-Z]", name)
    return name[: head.end()].lower() + name[head.end() :] if head else name


def same(old: Any, new: Any) -> bool:
    """Whether two values mean the same to AWS: number or text, order of sets, layout of JSON documents."""
    if old == new or (empty(old) and empty(new)):
        return True
    if isinstance(old, dict) and isinstance(new, dict):
        return all(same(old.get(k), new.get(k)) for k in {*old, *new})
    if isinstance(old, list) and isinstance(new, list):
        return _same_set(old, new)
    scalars = (str, int, float)
    return isinstance(old, scalars) and isinstance(new, scalars) and _same_text(text(old), text(new))


def _same_set(old: list[Any], new: list[Any]) -> bool:
    if len(old) != len(new):
        return False
    return all(map(same, old, new)) or sorted(map(_key, old)) == sorted(map(_key, new))


def _same_text(old: str, new: str) -> bool:
    return old == new or (old[:1] in "{[" and new[:1] in "{[" and _document(old) == _document(new))


def empty(value: Any) -> bool:
    """Nothing, as far as a configuration goes: Terraform's zero values count as not given."""
    return value is None or value is False or (not isinstance(value, bool) and value in ([], {}, "", 0))


def _key(value: Any) -> str:
    return json.dumps(value, sort_keys=True, default=str)


def _document(value: str) -> Any:
    try:
        return _unordered(json.loads(value))
    except ValueError:
        return value


def _unordered(value: Any) -> Any:
    """IAM documents: a list of one is its element, and lists are sets."""
    if isinstance(value, dict):
        return {k: _unordered(v) for k, v in value.items()}
    if isinstance(value, list):
        return _unordered(value[0]) if len(value) == 1 else sorted((_unordered(v) for v in value), key=_key)
    return value


def merge(old: Any, live: Any, renames: Renames, path: str) -> Any:
    """`old` as the program wrote it, corrected by what AWS says now; equal in meaning stays as written.

    Keys are those of `old`: what the program does not manage is not drift.
    """
    if isinstance(old, list) and isinstance(live, dict) and len(old) == 1:
        return [merge(old[0], live, renames, path)]
    if isinstance(old, dict):
        if isinstance(live, list) and len(live) == 1:
            live = live[0]
        if not isinstance(live, dict):
            return old if live is None else to_props(live)
        names = {plain(k): v for k, v in live.items()}
        merged = {}
        for key, value in old.items():
            at = f"{path}.{key}"
            name = plain(renames.get(at, key))
            found = next((names[n] for n in (name, name.removesuffix("s"), name + "s") if n in names), None)
            merged[key] = value if found is None else merge(value, found, renames, at)
        return merged
    if isinstance(old, list) and isinstance(live, list) and len(old) == len(live):
        if sorted(map(_key, old)) == sorted(map(_key, live)):
            return old
        if all(isinstance(v, dict) for v in old):
            return [merge(a, b, renames, path) for a, b in zip(old, live, strict=True)]
    return old if same(old, live) else to_props(live)
