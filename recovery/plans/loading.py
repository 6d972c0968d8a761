"""Reads a plan, puts sub-plans and inputs in their places, and refuses what cannot be carried out."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from pydantic import BaseModel, Field, ValidationError

from recovery.actions import registry
from recovery.actions.base import Action, Fact, With
from recovery.documents import Source, complaints, kebab, read_source, validated
from recovery.errors import InputError
from recovery.plans import graph
from recovery.plans.model import MANUAL, Plan, Step

_OF_A_SUB_PLAN = {"id", "uses", "with_", "after", "class_", "when"}
_INPUT = re.compile(r"\$\{inputs\.([a-z][a-z0-9-]*)\}")


class ManualWith(With):
    """`with:` of a manual step."""

    message: str
    done_when: str = Field(alias="done-when")


@dataclass(frozen=True)
class Bound:
    """A checked plan with its inputs filled in: every `with` is typed, every taken fact has its giver."""

    plan: Plan
    """Sub-plans expanded, inputs substituted, steps in an order that respects `after`."""
    inputs: Mapping[str, Any]
    places: Mapping[str, str]
    """Step -> `file:line:column`."""
    givers: Mapping[str, Mapping[str, str]]
    """Step -> name of the fact type -> the step that gives it."""
    digest: str
    """SHA-256 of the plan as it will run."""

    @cached_property
    def after(self) -> dict[str, tuple[str, ...]]:
        """The graph as it runs: non-critical steps wait for all critical ones."""
        critical = tuple(step.id for step in self.plan.steps if step.critical)
        return {
            s.id: s.after if s.critical else tuple(dict.fromkeys((*s.after, *critical)))
            for s in self.plan.steps
        }

    def action(self, step_id: str) -> type[Action] | None:
        """The step's action; None for a manual step."""
        step = self.plan.step(step_id)
        return None if step.manual else registry.find(step.uses)

    def with_(self, step_id: str, changed: Mapping[str, Any] | None = None) -> With:
        """The step's typed `with`, some values changed; pydantic.ValidationError when they do not fit."""
        step = self.plan.step(step_id)
        return with_model(step).model_validate({**step.with_, **(changed or {})})


def with_model(step: Step) -> type[With]:
    """The model of the step's `with:`; InputError when there is no such action."""
    return ManualWith if step.uses == MANUAL else registry.find(step.uses).With


def load(path: Path, inputs: Mapping[str, Any] | None = None, *, within: tuple[Path, ...] = ()) -> Bound:
    """The plan in the file, checked; InputError that names file, line and column of every mistake.

    `within`: the plans that use this one, the outermost first.
    """
    source = read_source(path)
    plan = validated(source, Plan)
    values = _inputs(source, plan, inputs or {})
    mistakes: list[str] = []
    steps, places = _expand(source, plan, values, mistakes, (*within, path.resolve()))
    for step in steps:
        mistakes += _check_step(step, {s.id: s for s in steps}, places[step.id])
    _raise(mistakes)
    return bind(plan.model_copy(update={"steps": tuple(steps)}), values, places)


def bind(plan: Plan, inputs: Mapping[str, Any], places: Mapping[str, str]) -> Bound:
    """Order the steps and bind every fact to its giver; InputError with the place of what cannot be."""
    after = {step.id: step.after for step in plan.steps}
    try:
        ordered = graph.order(after)
    except graph.Cycle as ring:
        raise InputError(
            f"{places[ring.ring[0]]}: steps wait for each other: {ring}",
            cure="take one `after` out of the ring",
        ) from ring
    plan = plan.model_copy(update={"steps": tuple(plan.step(step) for step in ordered)})
    givers: dict[str, dict[str, str]] = {}
    mistakes: list[str] = []
    for step in plan.steps:
        givers[step.id] = _givers(plan, step, after, places[step.id], mistakes)
    _raise(mistakes)
    digest = hashlib.sha256(plan.model_dump_json(by_alias=True).encode()).hexdigest()
    return Bound(plan, dict(inputs), dict(places), givers, digest)


def _inputs(source: Source, plan: Plan, given: Mapping[str, Any]) -> dict[str, Any]:
    unknown = sorted(set(given) - set(plan.inputs))
    if unknown:
        raise InputError(
            f"{source.at('inputs')}: the plan has no input `{unknown[0]}`",
            cure=f"its inputs are: {', '.join(plan.inputs) or 'none'}",
        )
    return {name: given.get(name, spec.value) for name, spec in plan.inputs.items()}


def _expand(
    source: Source, plan: Plan, values: Mapping[str, Any], mistakes: list[str], within: tuple[Path, ...]
) -> tuple[list[Step], dict[str, str]]:
    """Steps with sub-plans in place (`<step>.<its step>`), inputs filled in, and where each stands."""
    steps: list[Step] = []
    places: dict[str, str] = {}
    ends: dict[str, tuple[str, ...]] = {}
    for number, step in enumerate(plan.steps):
        place = source.at("steps", number)
        filled = _fill(step, values, source, number, mistakes)
        if not step.uses.startswith("plan/"):
            if step.id in places:
                mistakes.append(f"{source.at('steps', number, 'id')}: there is another step `{step.id}`")
            steps.append(filled)
            places[step.id] = place
            continue
        inner, last = _sub_plan(source, filled, values, place, within)
        ends[step.id] = last
        for each in inner:
            steps.append(each)
            places[each.id] = place
    replaced = [
        s.model_copy(update={"after": tuple(x for a in s.after for x in ends.get(a, (a,)))}) for s in steps
    ]
    return replaced, places


def _sub_plan(
    source: Source, step: Step, values: Mapping[str, Any], place: str, within: tuple[Path, ...]
) -> tuple[list[Step], tuple[str, ...]]:
    """The steps of `uses: plan/<name>`, named `<step>.<id>`, and those of them that end it."""
    path = source.path.parent / f"{step.uses.removeprefix('plan/')}.yaml"
    if path.resolve() in within:
        ring = " → ".join(each.name for each in (*within[within.index(path.resolve()) :], path))
        raise InputError(f"{place}: a plan cannot use itself ({ring})", cure="take this step out")
    wanted = read_source(path) if path.is_file() else None
    if wanted is None:
        raise InputError(
            f"{place}: there is no plan {path.name} beside {source.path.name}", cure="check `uses:`"
        )
    if strange := sorted(step.model_fields_set - _OF_A_SUB_PLAN):
        raise InputError(
            f"{place}: step `{step.id}` is a plan of its own, and takes no `{kebab(strange[0])}`",
            means="it would be passed over without a word; nothing was touched",
            cure=f"write it at the steps of {path.name} that it is for",
        )
    known = validated(wanted, Plan).inputs
    if unknown := sorted(set(step.with_) - set(known)):
        raise InputError(
            f"{place}: step `{step.id}` with: {path.name} has no input `{unknown[0]}`",
            means="nothing was touched",
            cure=f"its inputs are: {', '.join(known) or 'none'}",
        )
    taken = {name: value for name, value in values.items() if name in known}
    inner = load(path, {**taken, **step.with_}, within=within).plan
    renamed = [
        each.model_copy(
            update={
                "id": f"{step.id}.{each.id}",
                "after": tuple(f"{step.id}.{a}" for a in each.after) or step.after,
                "class_": each.class_ if step.critical else "non-critical",
                "when": each.when and step.when,
            }
        )
        for each in inner.steps
    ]
    waited_for = {a for each in renamed for a in each.after}
    return renamed, tuple(each.id for each in renamed if each.id not in waited_for)


def _fill(step: Step, values: Mapping[str, Any], source: Source, number: int, mistakes: list[str]) -> Step:
    """The step with `${inputs.x}` replaced; only whole values are, there is no expression language."""

    def value(raw: Any, *where: str | int) -> Any:
        if isinstance(raw, str) and "${" in raw:
            match = _INPUT.fullmatch(raw.strip())
            if match is None or match[1] not in values:
                known = ", ".join(f"${{inputs.{name}}}" for name in values) or "none"
                mistakes.append(
                    f"{source.at('steps', number, *where)}: `{raw}` is no input of this plan; "
                    f"only a whole value can be one (there are: {known})"
                )
                return raw
            return values[match[1]]
        if isinstance(raw, dict):
            return {key: value(inner, *where, key) for key, inner in raw.items()}
        if isinstance(raw, list):
            return [value(inner, *where, at) for at, inner in enumerate(raw)]
        return raw

    when = value(step.when, "when")
    if not isinstance(when, bool):
        mistakes.append(
            f"{source.at('steps', number, 'when')}: `when` must be true or false, or an input that is"
        )
        when = True
    return step.model_copy(update={"with_": value(dict(step.with_), "with"), "when": when})


def _check_step(step: Step, steps: Mapping[str, Step], place: str) -> list[str]:
    """Mistakes of one step: unknown neighbours or action, an unfit `with`, waiting for the less urgent."""
    found = []
    for earlier in step.after:
        if earlier not in steps:
            found.append(f"{place}: step `{step.id}` comes after `{earlier}`, which is no step of this plan")
        elif step.critical and not steps[earlier].critical:
            found.append(
                f"{place}: critical step `{step.id}` comes after non-critical `{earlier}`, "
                "which runs when service is back; make that one critical too, or drop the `after`"
            )
    try:
        with_model(step).model_validate(step.with_)
    except ValidationError as error:
        found += [f"{place}: step `{step.id}` with: {line}" for line in _with_complaints(error)]
    except InputError as error:
        found.append(f"{place}: step `{step.id}`: {error.what}; {error.cure}")
    return found


def _with_complaints(error: ValidationError) -> list[str]:
    return [line.split(": ", 1)[1] for line in complaints(Source(Path(), {}), error)]


def _givers(plan: Plan, step: Step, after: graph.Edges, place: str, mistakes: list[str]) -> dict[str, str]:
    if step.manual:
        return {}
    before = graph.ancestors(after, step.id)
    found = {}
    for fact in registry.find(step.uses).takes:
        givers = [s.id for s in plan.steps if s.id in before and s.when and _gives(s) is fact]
        if len(givers) == 1:
            found[fact.__name__] = givers[0]
        elif not givers:
            possible = [s.id for s in plan.steps if _gives(s) is fact]
            hint = f"add `{possible[0]}` to its `after`" if possible else "add the step that gives it"
            mistakes.append(
                f"{place}: step `{step.id}` takes {fact.__name__}, which no step before it gives; {hint}"
            )
        else:
            mistakes.append(
                f"{place}: step `{step.id}` takes {fact.__name__}, which several give: {', '.join(givers)}"
            )
    return found


def _gives(step: Step) -> type[Fact] | None:
    return None if step.manual else registry.find(step.uses).gives


def _raise(mistakes: list[str]) -> None:
    if mistakes:
        raise InputError("\n".join(mistakes), means="nothing was touched", cure="mend the plan and try again")


def schema() -> dict[str, Any]:
    """The JSON Schema of plans, with each action's own `with:`; editors complete from it."""
    document = Plan.model_json_schema(by_alias=True)
    definitions = document["$defs"]
    rules = []
    models: dict[str, type[BaseModel]] = {name: registry.find(name).With for name in registry.names()}
    models[MANUAL] = ManualWith
    for name, model in models.items():
        shape = model.model_json_schema(by_alias=True)
        definitions |= shape.pop("$defs", {})
        definitions[f"with:{name}"] = shape
        then = {"properties": {"with": {"$ref": f"#/$defs/with:{name}"}}}
        rules.append({"if": {"properties": {"uses": {"const": name}}}, "then": then})
    definitions["Step"]["allOf"] = rules
    definitions["Step"]["properties"]["uses"]["examples"] = [*models, "plan/<name>"]
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "A Lifeboat plan", **document}
