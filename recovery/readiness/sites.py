"""What one site looks like now. Probes never raise and never guess: what cannot be told is `unknown`."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime

from infra.outputs import SiteContract
from recovery.sites.ports import Backups, Group, Health, Instance, Site, Targets
from recovery.units import human

UNKNOWN = "unknown"
NO_SERVERS = "0, ready"


@dataclass(frozen=True)
class SiteFacts:
    """A site's line in `dr status`."""

    stack: str
    role: str
    region: str
    state: str = UNKNOWN
    """healthy, degraded, pilot, fenced (by the latch), unhealthy or unknown. Unknown is never healthy."""
    database: str = UNKNOWN
    web: str = UNKNOWN
    artefact: str = UNKNOWN
    serves: str = UNKNOWN
    restorable_to: datetime | None = None
    """The latest moment that this site can restore the database to."""
    engine_version: str | None = None
    problems: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Seen:
    health: Health
    instance: Instance | None
    backups: tuple[Backups, ...] | None
    group: Group | None
    targets: Targets | None
    holding: bool | None
    problems: tuple[str, ...]


def observe(site: Site, now: datetime) -> SiteFacts:
    """Ask a site's parts side by side; takes as long as the slowest probe's time-out."""
    seen = _look(site)
    contract = site.contract
    facts = SiteFacts(
        stack=contract.stack,
        role=contract.role,
        region=contract.region,
        database=_database(contract, seen, now),
        web=_web(seen),
        artefact=contract.web.artefact_version or "none",
        serves={None: UNKNOWN, True: "holding page", False: "yes"}[seen.holding],
        restorable_to=_restorable(seen),
        engine_version=_engine(seen),
        problems=seen.problems,
    )
    return replace(facts, state=_state(contract, seen))


def _look(site: Site) -> _Seen:
    problems: list[str] = []

    def guarded[T](what: str, probe: Callable[[], T]) -> T | None:
        try:
            return probe()
        except Exception as error:
            problems.append(f"{what}: {error}".splitlines()[0])
            return None

    findings = guarded("control planes", site.probe) or ()
    health = Health.UNKNOWN
    if findings:
        states = {finding.health for finding in findings}
        health = (
            states.pop() if len(states) == 1 else Health.UNHEALTHY if Health.UNHEALTHY in states else health
        )
    if health is Health.UNHEALTHY:
        return _Seen(health, None, None, None, None, None, tuple(f"{f.path}: {f.detail}" for f in findings))
    identifier = site.contract.database.identifier
    with ThreadPoolExecutor(6) as pool:
        instance = pool.submit(guarded, "database", lambda: site.database.find(identifier))
        backups = pool.submit(guarded, "backups", lambda: tuple(site.database.backups()))
        group = pool.submit(guarded, "web servers", site.web.group)
        targets = pool.submit(guarded, "targets", site.web.targets)
        holding = pool.submit(guarded, "holding page", site.web.holding_page)
        gone = pool.submit(guarded, "what recovery needs", site.lacking)
        problems.extend(gone.result() or ())
        return _Seen(
            health,
            instance.result(),
            backups.result(),
            group.result(),
            targets.result(),
            holding.result(),
            tuple(problems),
        )


def _state(contract: SiteContract, seen: _Seen) -> str:
    if seen.health is not Health.HEALTHY:
        return seen.health.value
    if seen.group is None or seen.targets is None or seen.backups is None:
        return UNKNOWN
    if contract.footprint == "pilot" and seen.group.desired == 0:
        return "degraded" if seen.problems else "pilot"
    whole = seen.targets.healthy >= contract.web.capacity_full and seen.instance is not None
    return "healthy" if whole and not seen.problems else "degraded"


def _database(contract: SiteContract, seen: _Seen, now: datetime) -> str:
    if seen.instance is not None:
        zones = "multi-AZ" if seen.instance.multi_az else "single-AZ"
        return f"{seen.instance.identifier} {seen.instance.engine_version} {zones}, {seen.instance.status}"
    latest = _restorable(seen)
    if latest is not None:
        return f"restorable to {latest:%H:%M} (-{human(max(0.0, (now - latest).total_seconds()))})"
    if seen.backups is None:
        return UNKNOWN
    return "missing" if contract.database.present else "no backups here"


def _web(seen: _Seen) -> str:
    if seen.group is None or seen.targets is None:
        return UNKNOWN
    if seen.group.desired == 0:
        return NO_SERVERS
    return f"{seen.targets.healthy} of {seen.group.desired}"


def _restorable(seen: _Seen) -> datetime | None:
    found = [backups.latest for backups in seen.backups or ()]
    if seen.instance is not None and seen.instance.latest_restorable is not None:
        found.append(seen.instance.latest_restorable)
    return max(found, default=None)


def _engine(seen: _Seen) -> str | None:
    if seen.instance is not None:
        return seen.instance.engine_version
    return seen.backups[0].engine_version if seen.backups else None
