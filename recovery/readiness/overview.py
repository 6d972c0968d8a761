"""`dr status`: the whole company at a glance."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from recovery import continuity, sites
from recovery.clock import Clock
from recovery.continuity import Continuity
from recovery.engine import beginning, dryrun, history, lease, record, standing, surroundings
from recovery.engine.surroundings import Clouds
from recovery.errors import LifeboatError
from recovery.readiness.sites import NO_SERVERS, UNKNOWN, SiteFacts, observe
from recovery.sites.ports import Health
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
        latched = pool.submit(_latched, project, company)
        facts = tuple(pool.map(lambda stack: _site(project, company, stack, now), company.sites))
    facts = tuple(_fenced(site) for site in facts) if latched.result() else facts
    plans = sorted((project / "plans").glob("*.yaml"))
    found = (_scenario(project, state, path, facts, now) for path in plans)
    scenarios = tuple(scenario for scenario in found if scenario is not None)
    return Overview(company, facts, scenarios, tuple(_unfinished(state)))


def _latched(project: Path, company: Continuity) -> bool:
    """Whether the latch keeps customers from the primary; what cannot be told counts as no."""
    try:
        edge = surroundings.edge(project, company.edge)
        return sites.connect("lifeboat/status", brief=True).latch(edge).engaged() is True
    except LifeboatError:
        return False


def _fenced(site: SiteFacts) -> SiteFacts:
    """How a primary is shown that the latch keeps customers from, and that answers again."""
    if site.role != "primary" or site.state in (UNKNOWN, Health.UNHEALTHY):
        return site
    if site.serves != "yes" and site.web == NO_SERVERS:
        return replace(site, state="fenced")
    loose = "it is back, and may write to its old database and run jobs: dr run quarantine"
    return replace(site, state="fenced", serves="nobody: latch", problems=(loose, *site.problems))


def _site(project: Path, company: Continuity, stack: str, now: datetime) -> SiteFacts:
    declared = company.sites[stack]
    try:
        contract = surroundings.site(project, stack)
        return observe(sites.connect("lifeboat/status", brief=True).of(contract), now)
    except LifeboatError as error:
        return SiteFacts(stack, declared.role, declared.region, problems=(error.what,))


def _scenario(
    project: Path, state: Path, path: Path, facts: Sequence[SiteFacts], now: datetime
) -> Scenario | None:
    """None for a plan under which nothing is lost: an errand like `quarantine` is no scenario."""
    try:
        draft = beginning.draft(project, beginning.Order(plan=str(path)), accounts=())
        if not draft.record.lost:
            return None
        dry = dryrun.dry_run(draft, Clouds(project, state), state, ask=False)
    except LifeboatError as error:
        return Scenario(path.stem, None, None, "cannot run", error.what.splitlines()[0])
    target = next((site for site in facts if site.stack == draft.record.target), None)
    verified = _verified(state, draft, target, now)
    if target and target.serves == "yes":
        trouble = f"{target.stack} serves already, and no other site stands by for it"
        return Scenario(draft.record.scenario, None, None, verified, trouble)
    if target and target.state == Health.UNHEALTHY:
        return Scenario(draft.record.scenario, None, None, verified, f"{target.stack} could not take over")
    loss = None
    if target and target.restorable_to:
        loss = max(0.0, (now - target.restorable_to).total_seconds())
    return Scenario(draft.record.scenario, dry.prediction.likely, loss, verified)


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
