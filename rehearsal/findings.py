"""What a rehearsal found: measured by customers, by name servers, and by the lost database's own log."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from recovery import continuity, reports
from recovery.engine import record as records
from recovery.engine import standing
from recovery.errors import LifeboatError
from recovery.reports import Observations, Tick
from recovery.stacks import Changes, Place, Stack
from rehearsal import measures
from rehearsal.company import EDGE, STANDBY, Platform
from rehearsal.forecast import Seen, forecast
from rehearsal.measures import Loss, Outage, Request
from rehearsal.results import LOST
from rehearsal.world import WorldSettings, fetch

Row = tuple[str, int]
"""A customer and the number of its write."""


@dataclass
class Findings:
    """What was seen, and what did not hold. Moments are epoch seconds of this machine."""

    lost_at: float
    run: str = ""
    exit_code: int = 1
    outage: Outage | None = None
    loss: Loss | None = None
    dns_switch_s: float | None = None
    """From the loss until the last name server and resolver answered with the standby."""
    switched: str = ""
    """Which servers lead customers to the other site, for people."""
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def rpo_s(self) -> float | None:
        """How far the loss reaches back; None when it is not known."""
        if self.loss is None or self.loss.unread:
            return None
        return self.loss.seconds_before(self.lost_at)


def write_lost(file: Path, loss: Loss) -> None:
    """Every lost write, so that the company can tell whom it concerns."""
    with file.open("w", newline="") as out:
        rows = csv.writer(out)
        rows.writerow(["client", "n", "acknowledged_at"])
        for row in sorted(loss.rows, key=lambda r: r.ended):
            rows.writerow([row.client, row.n, datetime.fromtimestamp(row.ended, UTC).isoformat()])


def compare_with_log(platform: Platform, findings: Findings, requests: Iterable[Request]) -> str:
    """Why the loss is not what the lost database's own log says; empty when it is.

    Lost must be exactly those acknowledged writes whose commit follows the recovery point.
    """
    point = _recovery_point(platform, findings.run)
    if point is None or findings.loss is None or findings.loss.unread:
        return "the loss cannot be compared with the lost database's log: no recovery point, or rows unread"
    acknowledged = {(r.client, r.n) for r in requests if r.ok}
    late = _committed_after(platform.settings, point)
    must = acknowledged & late
    lost = {(row.client, row.n) for row in findings.loss.rows}
    if lost == must:
        return ""
    return (
        f"lost are {len(lost)} acknowledged writes, but {len(must)} were committed after the recovery point "
        f"{point.isoformat()}: {len(lost - must)} too many, {len(must - lost)} survived it"
    )


def _recovery_point(platform: Platform, run: str) -> datetime | None:
    steps = records.read(platform.state, run).bound().plan.steps
    found = standing.steps(standing.entries(platform.state, run), [step.id for step in steps])
    for step in found.values():
        if step.fact and "restored_to" in step.fact:
            return datetime.fromisoformat(step.fact["restored_to"])
    return None


def _committed_after(settings: WorldSettings, point: datetime) -> set[Row]:
    from rehearsal.postgres.autopsy import examine

    databases = fetch(settings.home / "feed", "databases") or []
    gone = next(row for row in databases if row["region"] == settings.primary)
    with examine(settings, Path(gone["data"]), "shop") as connection:
        rows = connection.execute(
            "SELECT client, n FROM orders WHERE pg_xact_commit_timestamp(xmin) > %s", [point]
        ).fetchall()
    return {(str(client), int(n)) for client, n in rows}


def start_previews(platform: Platform, run: str, pool: Executor) -> dict[str, Future[Changes]]:
    """Ask every surviving stack at once what is left to change: stack -> what its preview will say."""
    place = Place(
        project=platform.project,
        state=platform.state,
        folder=records.runs_folder(platform.state) / run,
        run=run,
        step="final-preview",
    )
    return {
        name: pool.submit(Stack(name, place).preview, lambda _text, _share: None) for name in (EDGE, STANDBY)
    }


def check_previews(previews: Mapping[str, Future[Changes]], findings: Findings) -> None:
    """Whatever recovery changed, the stacks must know: nothing is left to change."""
    for name, preview in previews.items():
        try:
            changes = preview.result()
        except LifeboatError as error:
            findings.problems.append(f"preview of {name} failed: {error}")
            continue
        if changes.empty:
            findings.notes.append(f"a preview of {name} is empty")
        else:
            findings.problems.append(f"a preview of {name} is not empty: {', '.join(changes.steps[:5])}")


def report(
    platform: Platform, findings: Findings, requests: tuple[Request, ...], wall_s: float
) -> tuple[reports.Report, reports.Story]:
    """The run's report with all that was measured, and the forecast for the cloud."""
    outage = findings.outage
    seen = Observations(
        lost_at=datetime.fromtimestamp(findings.lost_at, UTC),
        rto_s=None if outage is None or outage.seconds is None else round(outage.seconds, 3),
        rpo_s=None if findings.rpo_s is None else round(findings.rpo_s, 3),
        acknowledged_writes=sum(request.ok for request in requests),
        lost_writes=None if findings.loss is None else len(findings.loss.rows),
        failed_requests=sum(not r.ok for r in requests if r.ended >= findings.lost_at),
        dns_switch_s=None if findings.dns_switch_s is None else round(findings.dns_switch_s, 3),
        ticks=tuple(Tick(s.at, s.ok, s.failed) for s in measures.series(requests, zero=findings.lost_at)),
        back_at=None if outage is None or outage.ended is None else outage.ended - findings.lost_at,
        wall_s=wall_s,
        switched=findings.switched,
        lost_file=LOST if findings.loss and findings.loss.rows else "",
        problems=tuple(findings.problems),
        notes=tuple(findings.notes),
    )
    return reports.build(platform.state, findings.run, seen, _forecast(platform, findings))


def _forecast(platform: Platform, findings: Findings) -> reports.Forecast:
    people = continuity.load(platform.project / continuity.FILE)
    recorded = standing.moment(standing.entries(platform.state, findings.run), "recorded")
    began = datetime.fromisoformat(recorded).timestamp() if recorded else findings.lost_at
    seen = Seen(
        waits=platform.settings.home / "waits.jsonl",
        scale=platform.settings.scale,
        database_gb=people.database_gb,
        rpo_s=findings.rpo_s,
        started_after_s=began - findings.lost_at,
        switched_after_s=findings.dns_switch_s,
    )
    return forecast(platform.state, findings.run, seen)
