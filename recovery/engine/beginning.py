"""From a plan's name to a run's record: inputs, sites, what is lost, whose account. Touches nothing."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from recovery import continuity
from recovery.actions.base import Context, Need
from recovery.clock import Clock, SystemClock, run_id
from recovery.continuity import Continuity
from recovery.documents import read_source
from recovery.engine import lease, standing, surroundings
from recovery.engine import record as records
from recovery.engine.attempts import Moment, Surroundings
from recovery.engine.record import Account, Answer, RunRecord
from recovery.errors import InputError
from recovery.plans import checks, loading
from recovery.plans.loading import Bound

_SITES = ("source", "target")
_REGION = re.compile(r"[a-z]{2}(-[a-z]+)+-\d+")


@dataclass(frozen=True)
class Order:
    """What a person asked for."""

    plan: str
    """Name of a file in `plans/`, or a path."""
    by: str = ""
    target: str = ""
    """Stack or region of the site that takes over, instead of the plan's."""
    inputs: Mapping[str, Any] = field(default_factory=dict)
    lost: tuple[str, ...] = ()
    """Regions that are gone besides those the plan names."""
    since: datetime | None = None
    confirmed: str = ""
    answers: tuple[Answer, ...] = ()


@dataclass(frozen=True)
class Draft:
    """A checked order, not yet on record."""

    project: Path
    company: Continuity
    bound: Bound
    record: RunRecord

    def irreversible(self) -> list[str]:
        """Steps that cannot be undone, and why."""
        found = []
        for step in self.bound.plan.steps:
            action = self.bound.action(step.id)
            if action and action.irreversible and step.when:
                found.append(f"{step.id}: {action.irreversible}")
        return found


def refuse_second(draft: Draft, state: Path) -> None:
    """InputError when a run of the same scenario and target is not finished: two would build all twice."""
    for name in records.names(state):
        known = records.read(state, name)
        same = (known.scenario, known.target) == (draft.record.scenario, draft.record.target)
        if not same or standing.outcome(standing.entries(state, name)) is not None:
            continue
        who = lease.holder(records.runs_folder(state) / name)
        raise InputError(
            f"run {name} is not finished: {f'{who} carries it out' if who else 'it waits'}",
            means="a second one beside it would make everything twice; nothing was touched",
            cure=f"go on with it: dr resume {name}   or end it first: dr abort {name}",
        )


def plan_file(project: Path, name: str) -> Path:
    """`plans/<name>.yaml`, or the path itself; InputError when there is neither, with the plans there are."""
    for path in (project / "plans" / f"{name}.yaml", Path(name)):
        if path.is_file():
            return path
    known = ", ".join(sorted(path.stem for path in (project / "plans").glob("*.yaml")))
    raise InputError(
        f"there is no plan `{name}`", cure=f"the plans are: {known or 'none yet (plans/*.yaml)'}"
    )


def draft(
    project: Path, order: Order, accounts: tuple[Account, ...] | None = None, clock: Clock | None = None
) -> Draft:
    """Check the order; InputError with file and line of what is wrong.

    Reads files only, unless `accounts` is None: then the provider is asked who we are.
    """
    clock = clock or SystemClock()
    company = continuity.load(project / continuity.FILE)
    path = plan_file(project, order.plan)
    inputs = dict(order.inputs)
    if order.target:
        inputs["target"] = site_named(company, order.target)
    bound = loading.load(path, inputs)
    checks.refuse_strangers(bound, company)
    checks.refuse_answers(bound, company, order.answers)
    source, target = _sites(path, bound, company)
    lost = _lost(path, bound, company, order.lost)
    if accounts is None:
        accounts = surroundings.accounts(surroundings.site(project, target))
    engine_version = surroundings.engine_version(project, target)
    now = clock.now()
    record = RunRecord(
        id=run_id(bound.plan.scenario, clock),
        scenario=bound.plan.scenario,
        plan=bound.plan.frozen(),
        inputs=dict(bound.inputs),
        places=dict(bound.places),
        digest=bound.digest,
        source=source,
        target=target,
        lost=lost,
        accounts=accounts,
        continuity=company.model_dump(mode="json", by_alias=True),
        since=order.since or now,
        recorded=now,
        by=order.by,
        confirmed=order.confirmed,
        engine_version=engine_version,
        answers=order.answers,
    )
    return Draft(project, company, bound, record)


def needs(draft: Draft, around: Surroundings) -> dict[str, tuple[Need, ...]]:
    """What each step depends on."""
    return {step: action.needs(context) for step, (action, context) in asked(draft, around).items()}


def refuse_lost(draft: Draft, around: Surroundings) -> dict[str, tuple[Need, ...]]:
    """What each step depends on; InputError when a critical one depends on what is lost."""
    found = needs(draft, around)
    checks.refuse_lost(draft.bound, found, frozenset(draft.record.lost))
    return found


def asked(draft: Draft, around: Surroundings) -> dict[str, tuple[Any, Context]]:
    """Each step's action with a context to ask it in; facts are not known yet."""
    found: dict[str, tuple[Any, Context]] = {}
    for step in draft.bound.plan.steps:
        action = draft.bound.action(step.id)
        if action is None:
            continue
        moment = Moment(
            run=draft.record.id,
            step=step.id,
            attempt=0,
            with_=draft.bound.with_(step.id),
            facts={},
            deadline=draft.record.recorded + timedelta(seconds=step.timeout),
            cancelled=lambda: False,
            progress=lambda _text, _share: None,
        )
        found[step.id] = (action(), around.context(draft.record, moment))
    return found


def site_named(company: Continuity, name: str) -> str:
    """The stack that is called so or stands in that region; InputError when there is none."""
    for stack, site in company.sites.items():
        if name in (stack, site.region):
            return stack
    known = ", ".join(f"{stack} ({site.region})" for stack, site in company.sites.items())
    raise InputError(f"there is no site `{name}`", cure=f"the sites are: {known}")


def _sites(path: Path, bound: Bound, company: Continuity) -> tuple[str, str]:
    """The stacks of the site that is lost and of the one that takes over."""
    source, target = (_placed(path, ("inputs", name), _site, bound, company, name) for name in _SITES)
    if source == target:
        raise InputError(
            f"{target} cannot take over from itself",
            means="nothing was touched",
            cure=f"name another site: {', '.join(name for name in company.sites if name != source)}",
        )
    return source, target


def _lost(path: Path, bound: Bound, company: Continuity, further: Iterable[str]) -> tuple[str, ...]:
    """Regions that the plan's scenario takes away, and those that a person knows to be gone besides."""
    lost = {
        _placed(path, ("loses", number), _region, bound, company, name)
        for number, name in enumerate(bound.plan.loses)
    }
    return tuple(sorted(lost | {_region(bound, company, name) for name in further}))


def _placed(path: Path, where: tuple[str | int, ...], find: Callable[..., str], *args: Any) -> str:
    """What `find` finds; its InputError says where in the plan it stands."""
    try:
        return find(*args)
    except InputError as error:
        error.what = f"{read_source(path).at(*where)}: {error.what}"
        raise


def _site(bound: Bound, company: Continuity, name: str) -> str:
    value = bound.inputs.get(name) or company.stack("primary" if name == "source" else "standby")
    return site_named(company, str(value))


def _region(bound: Bound, company: Continuity, name: str) -> str:
    """`loses:` names an input that is a site, a site, or a region."""
    value = str(
        bound.inputs.get(name) or (_site(bound, company, name) if name in ("source", "target") else name)
    )
    if value not in company.sites and not _REGION.fullmatch(value):
        raise InputError(
            f"`{value}` is to be lost, and is neither a site nor a region",
            means="nothing was touched",
            cure=f"write `source`, a region as eu-central-1, or a site: {', '.join(company.sites)}",
        )
    return company.sites[value].region if value in company.sites else value
