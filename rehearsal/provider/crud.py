"""Create, Read, Update, Delete of any type that the tables hold."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import jmespath
from botocore.exceptions import ClientError

from rehearsal.provider import shapes
from rehearsal.provider.checks import diff
from rehearsal.provider.kinds import Context, error_code, modelled, taken
from rehearsal.provider.wire import UNKNOWN, Props

IN_USE = ("DependencyViolation", "ResourceInUse", "ResourceInUseException", "DeleteConflict")
NOT_FOUND = ("NotFound", "NoSuch", "DoesNotExist", "ResourceNotFoundException")


@dataclass
class PartialFailureError(Exception):
    """It was made, but what has to follow went wrong: the engine keeps it and says so."""

    id: str
    state: Props
    reason: str


@dataclass(frozen=True)
class Found:
    """A resource as AWS has it; id is empty when there is none."""

    id: str
    inputs: Props
    state: Props


def create(ctx: Context) -> tuple[str, Props]:
    """Make it, wait until AWS is done with it, read it back. PartialFailureError once it has an id."""
    kind = ctx.kind
    ctx.tags = ctx.tagging.wanted(ctx.inputs)
    extra = kind.tags.create(ctx.tags) if kind.tags and kind.tags.create and ctx.tags else {}
    answer = ctx.run(kind.create, extra)
    ctx.id = str(ctx.value(kind.id[1:]) if kind.id.startswith("$") else jmespath.search(kind.id, answer))
    try:
        for call in kind.follow:
            if call.on in ("both", "create") and (
                call.when is None or any(p in ctx.inputs for p in call.when)
            ):
                ctx.run(call)
        if kind.tags and not kind.tags.create and kind.tags.put and ctx.tags:
            _read_into_state(ctx)
            kind.tags.put(ctx, ctx.tags)
        if kind.settle:
            kind.settle(ctx)
        found = read(ctx)
    except Exception as error:
        raise PartialFailureError(ctx.id, {**ctx.inputs, **ctx.state}, str(error)) from error
    if not found.id:
        raise PartialFailureError(
            ctx.id, dict(ctx.inputs), f"{kind.token} {ctx.id} was made, and AWS does not know it"
        )
    return ctx.id, found.state


def read(ctx: Context) -> Found:
    """What AWS has now; inputs are the old ones corrected by it, or (import) all it tells."""
    live = _live(ctx)
    if live is None:
        return Found("", {}, {})
    kind, schema = ctx.kind, ctx.schema
    inputs: Props = {}
    if ctx.inputs:
        for prop, value in ctx.inputs.items():
            inputs[prop] = (
                value if prop in kind.opaque or prop in kind.local else _merged(ctx, prop, value, live)
            )
    else:
        inputs = _imported_inputs(ctx, live)
    own_tags = kind.tags.read(ctx, live) if kind.tags and kind.tags.read else None
    if own_tags is not None:
        own_tags = ctx.tagging.managed(own_tags)
        if not shapes.same(own_tags, ctx.tags or ctx.tagging.wanted(ctx.inputs)):
            inputs["tags"] = own_tags
    state: Props = {p: to_kind(shapes.to_props(v), schema.outputs[p]) for p, v in _named(ctx, live).items()}
    state |= inputs
    if "tagsAll" in schema.outputs:
        state["tagsAll"] = own_tags if own_tags is not None else {**ctx.tags}
    for prop, value in kind.defaults.items():
        state.setdefault(prop, value)
    ctx.state = state
    if kind.outputs:
        state |= {k: v for k, v in kind.outputs(ctx, live).items() if v is not None}
    return Found(ctx.id, inputs, {k: v for k, v in state.items() if v is not None})


def update(ctx: Context) -> Props:
    """Change what differs between `ctx.old_inputs` and `ctx.inputs`."""
    kind = ctx.kind
    ctx.changed = diff(kind, ctx.state, ctx.old_inputs, ctx.inputs).props
    for call in kind.follow:
        if call.on in ("both", "update") and ctx.changed & set(
            call.when or taken(kind, ctx.schema, call, ctx.clients)
        ):
            ctx.run(call)
    before = ctx.state.get("tagsAll") or ctx.tagging.wanted(ctx.old_inputs)
    ctx.tags = ctx.tagging.wanted(ctx.inputs)
    if kind.tags and before != ctx.tags:
        gone = [key for key in before if key not in ctx.tags]
        if gone and kind.tags.drop:
            kind.tags.drop(ctx, gone)
        if ctx.tags and kind.tags.put:
            kind.tags.put(ctx, ctx.tags)
    if kind.settle:
        kind.settle(ctx)
    found = read(ctx)
    if not found.id:
        raise PartialFailureError(ctx.id, dict(ctx.state), f"{kind.token} {ctx.id} is gone")
    return found.state


def planned_update(ctx: Context) -> Props:
    """The state as a preview may promise it: old outputs, new inputs, unknown what the update will decide."""
    changed = diff(ctx.kind, ctx.state, ctx.old_inputs, ctx.inputs).props
    state = {**ctx.state, **ctx.inputs}
    for output, triggers in ctx.kind.unstable.items():
        if changed and (triggers is None or changed & triggers):
            state[output] = UNKNOWN
    return state


def delete(ctx: Context) -> None:
    """Remove it; what is already gone is fine."""
    kind = ctx.kind
    if kind.before_delete:
        kind.before_delete(ctx)
    for call in kind.delete:
        try:
            ctx.retry(partial(ctx.run, call), IN_USE)
        except ClientError as error:
            if not is_gone(ctx, error):
                raise
    if kind.after_delete:
        kind.after_delete(ctx)


def is_gone(ctx: Context, error: ClientError) -> bool:
    """Whether an error says that there is no such thing."""
    code = error_code(error)
    if code == "ValidationError":  # Auto Scaling has no code of its own for it
        return "not found" in str(error)
    return code in ctx.kind.gone or any(word in code for word in NOT_FOUND)


def _live(ctx: Context) -> Props | None:
    live: Props = {}
    for i, call in enumerate(ctx.kind.read):
        try:
            part = ctx.run(call)
        except ClientError as error:
            if not is_gone(ctx, error):
                raise
            part = None
        if part is None or part == []:
            if i == 0:
                return None
            continue
        live |= part
    live.pop("ResponseMetadata", None)
    return live


def _read_into_state(ctx: Context) -> None:
    found = read(ctx)
    ctx.state = found.state


def _merged(ctx: Context, prop: str, value: Any, live: Props) -> Any:
    found = _find(ctx, prop, live)
    if found is None or prop in ("tags", "region"):
        return value
    return shapes.merge(value, found, ctx.kind.renames, prop)


def _find(ctx: Context, prop: str, live: Props) -> Any:
    name = shapes.plain(ctx.kind.renames.get(prop, prop))
    return next((v for k, v in live.items() if shapes.plain(k) == name), None)


def _named(ctx: Context, live: Props) -> Props:
    found = {prop: _find(ctx, prop, live) for prop in ctx.schema.outputs}
    return {k: v for k, v in found.items() if v is not None and k not in ("tags", "tagsAll")}


def _imported_inputs(ctx: Context, live: Props) -> Props:
    inputs: Props = {k: v for k, v in ctx.state.items() if k in ctx.schema.inputs}
    known = modelled(ctx.kind, ctx.schema, ctx.clients)
    for prop, hint in ctx.schema.inputs.items():
        value = _find(ctx, prop, live) if prop in known and prop != "tags" else None
        wanted = not shapes.empty(value) or (value is not None and prop in ctx.schema.required)
        if wanted and fits(shapes.to_props(value), hint):
            inputs[prop] = to_kind(shapes.to_props(value), hint)
    if ctx.kind.imported:
        inputs |= ctx.kind.imported(ctx, live)
    if ctx.kind.regional:
        inputs["region"] = ctx.region
    return {k: v for k, v in inputs.items() if v is not None and v != ctx.kind.defaults.get(k)}


def fits(value: Any, hint: str) -> bool:
    """Whether a value of AWS has the form of a property."""
    if hint in ("list",):
        return isinstance(value, list)
    if hint in ("map", "object"):
        return isinstance(value, dict)
    return not isinstance(value, (dict, list))


def to_kind(value: Any, hint: str) -> Any:
    """A scalar in the property's own type."""
    if hint == "str" and not isinstance(value, (dict, list)) and not hasattr(value, "isoformat"):
        return shapes.text(value)
    if hint == "bool" and isinstance(value, str):
        return value.lower() == "true"
    if hint in ("int", "float") and isinstance(value, str):
        try:
            return int(value) if hint == "int" else float(value)
        except ValueError:
            return value
    return value
