"""Check and Diff: what the real provider fills in, refuses, and calls a replacement."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from rehearsal.provider import shapes
from rehearsal.provider.kinds import Autoname, Kind
from rehearsal.provider.schema import Schema
from rehearsal.provider.wire import Props, has_unknown


@dataclass(frozen=True)
class Checked:
    """Inputs as the provider will use them, and property -> reason for each that it refuses."""

    inputs: Props
    failures: dict[str, str]


@dataclass(frozen=True)
class Difference:
    """Changed paths -> kind of change (`add`, `delete`, `update`) and the inputs that force a replacement."""

    paths: dict[str, str]
    replaces: tuple[str, ...]
    delete_first: bool

    @property
    def props(self) -> frozenset[str]:
        """Top-level inputs that changed."""
        return frozenset(re.split(r"[.\[]", path, maxsplit=1)[0] for path in self.paths)


@dataclass(frozen=True)
class Asked:
    """What the engine wants checked: a resource's name, its inputs before and now, and a seed for names."""

    name: str
    region: str
    olds: Props
    news: Props
    seed: bytes


def check(kind: Kind, schema: Schema, known: frozenset[str], asked: Asked) -> Checked:
    """Names, defaults and region filled in; unknown, missing and not modelled inputs refused by name."""
    inputs = {k: v for k, v in asked.news.items() if not k.startswith("__")}
    failures = {prop: f"{kind.token} has no input {prop!r}" for prop in inputs if prop not in schema.inputs}
    for prop in inputs:
        if prop in schema.inputs and prop not in known:
            failures[prop] = (
                f"the rehearsal's AWS does not model {prop!r} of {kind.token}, and ignores nothing"
            )
    for prop, value in kind.fills.items():
        inputs.setdefault(prop, value)
    if kind.regional:
        inputs.setdefault("region", asked.region)
    if kind.autoname:
        _autoname(kind.autoname, asked, inputs, failures)
    for prop in schema.required:
        if prop not in inputs:
            failures[prop] = f"Missing required argument: {prop!r} of {kind.token}"
    if kind.refuse and not failures:
        failures |= kind.refuse(inputs)
    return Checked(inputs, failures)


def _autoname(rule: Autoname, asked: Asked, inputs: Props, failures: dict[str, str]) -> None:
    if inputs.get(rule.prop) is not None or inputs.get(f"{rule.prop}Prefix") is not None:
        return
    if asked.olds.get(rule.prop):
        inputs[rule.prop] = asked.olds[rule.prop]
        return
    made = f"{rule.prefix}{asked.name}{rule.separator}{random.Random(asked.seed).getrandbits(28):07x}"
    if len(made) > rule.length:
        failures[rule.prop] = (
            f"{made!r}, made from the resource's name, is longer than {rule.length} characters"
        )
    inputs[rule.prop] = made.lower() if rule.lower else made


def diff(kind: Kind, olds: Props, old_inputs: Props, news: Props) -> Difference:
    """What changes, and which of it needs a new resource."""
    paths: dict[str, str] = {}
    for prop in sorted(set(old_inputs) | set(news)):
        if prop.startswith("__"):
            continue
        old = old_inputs.get(prop, kind.defaults.get(prop))
        if old is None and prop in news:
            old = olds.get(prop)
        if prop not in news and (prop in kind.computed or prop == "region"):
            continue
        new = news.get(prop, kind.defaults.get(prop))
        if not shapes.same(old, new):
            paths |= dict(_walk(prop, old, new))
    changed = frozenset(re.split(r"[.\[]", path, maxsplit=1)[0] for path in paths)
    replaces = tuple(sorted(p for p in changed if p in kind.replaces or p == "region"))
    return Difference(paths, replaces, bool(replaces) and _name_taken(kind, olds, news))


def _name_taken(kind: Kind, olds: Props, news: Props) -> bool:
    """A fixed name cannot be had twice: the old one has to go first, as Pulumi's bridge decides."""
    if kind.autoname is None or has_unknown(news.get(kind.autoname.prop)):
        return False
    prop = kind.autoname.prop
    return olds.get(prop) is not None and olds.get(prop) == news.get(prop)


def _walk(path: str, old: Any, new: Any) -> Iterator[tuple[str, str]]:
    if isinstance(old, dict) and isinstance(new, dict):
        for key in sorted(set(old) | set(new)):
            if not shapes.same(old.get(key), new.get(key)):
                yield from _walk(
                    f'{path}["{key}"]' if "." in key else f"{path}.{key}", old.get(key), new.get(key)
                )
    elif isinstance(old, list) and isinstance(new, list):
        for i in range(max(len(old), len(new))):
            before, after = (values[i] if i < len(values) else None for values in (old, new))
            if not shapes.same(before, after):
                yield from _walk(f"{path}[{i}]", before, after)
    elif old is None:
        yield path, "add"
    elif new is None:
        yield path, "delete"
    else:
        yield path, "update"
