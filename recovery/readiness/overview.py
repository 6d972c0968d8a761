"""`dr status`: the whole company at a glance."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from recovery import continuity, sites
from recovery.clock import Clock
from recovery.continuity import Continuity
from recovery.engine import beginning, dryrun, history, lease, record, standing, surroundings
from recovery.engine.surroundings import Clouds
from recovery.errors import LifeboatError
from recovery.readiness.sites import SiteFacts, observe
from recovery.units import human


@dataclass(frozen=True)
class Scenario:
    """One plan: what would happen now, and when it was last seen to work."""

    name: str
    rto_s: float | None
    loss_s: float | None
    verified: str
    """`12 days ago ✓`, `never`, or `STALE (why)`."""
    trouble: str = ""


@dataclass(frozen=True)
class Overview:
    """All that `dr status` shows."""

    company: Continuity
    sites: tuple[SiteFacts, ...]
    scenarios: tuple[Scenario, ...]
    runs: tuple[str, ...]
    """Runs that are not finished, in words."""


def look(project: Path, state: Path, clock: Clock) -> Overview:
    """Ask every site; takes a few seconds at most, whatever is out of reach."""
    company = continuity.load(project / continuity.FILE)
    now = clock.now()
    with ThreadPoolExecutor(4) as pool:
        facts = tuple(pool.map(lambda stack: _site(project, company, stack, now), company.sites))
    plans = sorted((project / "plans").glob("*.yaml"))
    scenarios = tuple(_scenario(project, state, path, facts, now) for path in plans)
    return Overview(company, facts, scenarios, tuple(_unfinished(state)))


def _site(project: Path, company: Continuity, stack: str, now: datetime) -> SiteFacts:
    declared = company.sites[stack]
    try:
        contract = surroundings.site(project, stack)
        return observe(sites.connect("lifeboat/status").of(contract), now)
    except LifeboatError as error:
        return SiteFacts(stack, declared.role, declared.region, problems=(error.what,))


def _scenario(project: Path, state: Path, path: Path, facts: Sequence[SiteFacts], now: datetime) -> Scenario:
    try:
        draft = beginning.draft(project, beginning.Order(plan=str(path)), accounts=())
        dry = dryrun.dry_run(draft, Clouds(project, state), state, ask=False)
    except LifeboatError as error:
        return Scenario(path.stem, None, None, "cannot run", error.what.splitlines()[0])
    target = next((site for site in facts if site.stack == draft.record.target), None)
    loss = (now - target.restorable_to).total_seconds() if target and target.restorable_to else None
    return Scenario(draft.record.scenario, dry.prediction.likely, loss, _verified(state, draft, target, now))


def _verified(state: Path, draft: beginning.Draft, target: SiteFacts | None, now: datetime) -> str:
    runs = [run for run in history.past_runs(state, draft.record.scenario) if run.outcome == "recovered"]
    if not runs:
        return "never"
    last = runs[0]
    age = human((now - last.finished).total_seconds())
    was, is_ = last.record.engine_version, target.engine_version if target else None
    if was and is_ and was != is_:
        return f"STALE (database engine changed {was} → {is_} since the last test, {age} ago)"
    if last.record.digest != draft.record.digest:
        return f"STALE (the plan changed since the last test, {age} ago)"
    return f"{age} ago ✓"


def _unfinished(state: Path) -> list[str]:
    found = []
    for name in record.names(state)[-20:]:
        journal = standing.entries(state, name)
        if standing.outcome(journal) is not None:
            continue
        who = lease.holder(record.runs_folder(state) / name)
        found.append(
            f"{name}: {who} carries it out" if who else f"{name}: nobody carries it out; dr resume {name}"
        )
    return found
