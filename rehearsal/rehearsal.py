"""`dr rehearse region-loss`: a platform comes up, customers write, its region disappears, Lifeboat brings it back.

Everything is measured from outside: by customers, and by an observer of name servers. The run itself is `dr run`
in a process of its own, as a person would start it.
"""

from __future__ import annotations

import csv
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from recovery import continuity, reports
from recovery.engine import record as records
from recovery.engine import standing
from recovery.errors import LifeboatError
from recovery.reports import Observations, Tick
from rehearsal import company, measures
from rehearsal.company import EDGE, PRIMARY, STANDBY, Platform
from rehearsal.customers import Customers
from rehearsal.forecast import Seen, forecast
from rehearsal.measures import Loss, Outage
from rehearsal.observer import Observer
from rehearsal.steering import Steering
from rehearsal.story import Story

_WRITES_BEFORE_S = 4.0
_BACKUPS_WITHIN_S = 90.0
_SERVED_WITHIN_S = 60.0


@dataclass
class Watch:
    """Those who look from outside, for the length of a rehearsal."""

    customers: Customers
    observer: Observer

    def start(self) -> None:
        """Begin to write and to watch."""
        self.observer.start()
        self.customers.start()

    def stop(self) -> None:
        """End both."""
        self.customers.stop()
        self.observer.stop()


@dataclass
class Findings:
    """What was seen, and what did not hold."""

    lost_at: float
    run: str = ""
    exit_code: int = 1
    outage: Outage | None = None
    loss: Loss | None = None
    dns_switch_s: float | None = None
    """From the latch until the last server was right; 0 when health checks were faster."""
    switched_after_s: float | None = None
    """The same from the loss."""
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def rpo_s(self) -> float | None:
        """How far the loss reaches back; None when it is not known."""
        if self.loss is None or self.loss.unread:
            return None
        return self.loss.seconds_before(self.lost_at)


class Rehearsal:
    """One rehearsal of the loss of the primary region, on a platform that stands."""

    def __init__(self, platform: Platform, story: Story, *, scenario: str, out: Path) -> None:
        self._platform = platform
        self._story = story
        self._scenario = scenario
        self._out = out
        self._settings = platform.settings
        edge = platform.edge()
        self._watch = Watch(
            Customers(self._settings, edge.service_name, out=out / "requests.jsonl"),
            Observer(
                self._settings,
                service=edge.service_name,
                failover_name=edge.failover_name,
                out=out / "names.jsonl",
            ),
        )

    def carry_out(self) -> tuple[reports.Report, reports.Story, Findings]:
        """Lose the region and come back. LifeboatError when it cannot even begin."""
        began = time.monotonic()
        self._watch.start()
        try:
            self._before()
            findings = self._lose()
            self._recover(findings)
            self._afterwards(findings)
        finally:
            self._watch.stop()
        return *self._report(findings, time.monotonic() - began), findings

    # --- before ------------------------------------------------------------------------------------------

    def _before(self) -> None:
        """Customers write until the standby's replicated backups hold some of it."""
        started = time.time()
        customers = self._watch.customers
        if not customers.wait_until_served(patience=_SERVED_WITHIN_S):
            raise LifeboatError("customers are not served", means=self._last_failure())
        rds = self._platform.client("rds", self._settings.standby)
        until = time.monotonic() + _BACKUPS_WITHIN_S
        while time.monotonic() < until:
            found = rds.describe_db_instance_automated_backups()["DBInstanceAutomatedBackups"]
            latest = [b["RestoreWindow"]["LatestTime"] for b in found if b.get("RestoreWindow", {}).get("LatestTime")]
            if latest and max(latest).timestamp() > started + _WRITES_BEFORE_S:
                break
            time.sleep(0.2)
        else:
            raise LifeboatError("the standby's replicated backups do not get younger", means=f"latest: {latest}")
        clients = len({request.client for request in customers.requests()})
        self._story.tell(
            "customers",
            f"{clients} clients writing to https://{self._platform.edge().service_name} through 2 resolvers"
            f"        {customers.acknowledged()} writes acknowledged",
            acknowledged=customers.acknowledged(),
        )

    def _last_failure(self) -> str:
        failed = [request for request in self._watch.customers.requests() if not request.ok]
        return f"{failed[-1].why} at {failed[-1].address or 'no address'}" if failed else "no request ended"

    # --- the incident ------------------------------------------------------------------------------------

    def _lose(self) -> Findings:
        region = self._settings.primary
        lost_at = time.time()
        Steering(self._settings).lose(region)
        self._story.blank()
        self._story.tell("lost", f"{region} is gone  (servers, databases, APIs)", region=region)
        self._story.blank()
        return Findings(lost_at)

    def _recover(self, findings: Findings) -> None:
        people = continuity.load(self._platform.project / continuity.FILE)
        since = datetime.fromtimestamp(findings.lost_at, UTC).isoformat()
        command = [sys.executable, "-m", "recovery.cli", "run", self._scenario, "--confirm", self._scenario]
        owner = people.holders(people.owner)[0].id
        command += ["--since", since, "--no-wait", "--by", owner, "--approve", f"cutover={owner}"]
        if self._story.as_json:
            command.append("--json")
        before = set(records.names(self._platform.state))
        child = subprocess.Popen(
            command, cwd=self._platform.project, env=dict(self._platform.environment), stdin=subprocess.DEVNULL
        )
        try:
            findings.exit_code = child.wait()
        except BaseException:
            child.terminate()
            child.wait(10)
            raise
        runs = [name for name in records.names(self._platform.state) if name not in before]
        if not runs:
            raise LifeboatError(
                f"`dr run {self._scenario}` did not begin a run (exit code {findings.exit_code})",
                means="what it said is above",
            )
        findings.run = runs[-1]
        if findings.exit_code != 0:
            findings.problems.append(f"dr run ended with exit code {findings.exit_code}")

    def _afterwards(self, findings: Findings) -> None:
        customers, observer = self._watch.customers, self._watch.observer
        if not customers.wait_until_served(patience=10 if findings.exit_code else _SERVED_WITHIN_S):
            findings.problems.append(f"customers are not served: {self._last_failure()}")
        self._watch.stop()
        findings.outage = measures.outage(customers.requests(), since=findings.lost_at)
        switched = observer.switched(self._settings.standby, since=findings.lost_at)
        late = [server for server, seconds in switched.items() if seconds is None]
        if late:
            findings.problems.append(f"the name was not switched on {', '.join(late)}")
        else:
            findings.switched_after_s = max(value for value in switched.values() if value is not None)
            latch = self._latch_at(findings) - findings.lost_at
            findings.dns_switch_s = max(0.0, findings.switched_after_s - latch)
        findings.loss = customers.read_back()
        for client in findings.loss.unread:
            findings.problems.append(f"the rows of {client} could not be read back")
        self._write_lost(findings.loss)
        self._previews(findings)

    def _latch_at(self, findings: Findings) -> float:
        """When the latch was engaged; the loss itself when that step did not get so far."""
        steps = standing.steps(standing.entries(self._platform.state, findings.run), ["fence"])
        started = steps["fence"].started_at
        return datetime.fromisoformat(started).timestamp() if started else findings.lost_at

    def _write_lost(self, loss: Loss) -> None:
        with (self._out / "lost.csv").open("w", newline="") as file:
            rows = csv.writer(file)
            rows.writerow(["client", "n", "acknowledged_at"])
            for row in sorted(loss.rows, key=lambda r: r.ended):
                rows.writerow([row.client, row.n, datetime.fromtimestamp(row.ended, UTC).isoformat()])

    def _previews(self, findings: Findings) -> None:
        """Whatever recovery changed, the stacks must know (design, idea 10)."""
        from recovery.stacks import Place, Stack

        place = Place(
            project=self._platform.project,
            state=self._platform.state,
            folder=records.runs_folder(self._platform.state) / findings.run,
            run=findings.run,
            step="final-preview",
        )
        for name in (EDGE, STANDBY):
            try:
                changes = Stack(name, place).preview(lambda _text, _share: None)
            except LifeboatError as error:
                findings.problems.append(f"preview of {name} failed: {error}")
                continue
            if changes.empty:
                findings.notes.append(f"a preview of {name} is empty")
            else:
                findings.problems.append(f"a preview of {name} is not empty: {', '.join(changes.steps[:5])}")

    # --- the report --------------------------------------------------------------------------------------

    def _report(self, findings: Findings, wall_s: float) -> tuple[reports.Report, reports.Story]:
        state, run = self._platform.state, findings.run
        people = continuity.load(self._platform.project / continuity.FILE)
        recorded = standing.moment(standing.entries(state, run), "recorded")
        after = datetime.fromisoformat(recorded).timestamp() - findings.lost_at if recorded else 0.0
        predicted = forecast(
            state,
            run,
            Seen(
                waits=self._settings.home / "waits.jsonl",
                scale=self._settings.scale,
                database_gb=people.database_gb,
                rpo_s=findings.rpo_s,
                started_after_s=after,
                switched_after_s=findings.switched_after_s,
            ),
        )
        requests = self._watch.customers.requests()
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
            problems=tuple(findings.problems),
            notes=tuple(findings.notes),
        )
        return reports.build(state, run, seen, predicted)


def rehearse(
    platform: Platform, story: Story, *, scenario: str, out: Path, at_end: Callable[[], None] = lambda: None
) -> bool:
    """Bring the platform up if need be, lose its region, write the report to `out`; whether all of it held."""
    out.mkdir(parents=True, exist_ok=True)
    if not company.is_up(platform):
        company.bring_up(platform, story)
    report, readable, findings = Rehearsal(platform, story, scenario=scenario, out=out).carry_out()
    _, page = reports.write(out, report, readable)
    story.blank()
    for line in reports.summary(report, readable).splitlines():
        story.line(line)
    for problem in findings.problems:
        story.tell("problem", problem)
    story.line(f"report: {page}")
    if story.as_json:
        story.line(report.as_json())
    at_end()
    return report.outcome == "recovered" and report.kept() and not findings.problems


__all__ = ["PRIMARY", "Rehearsal", "rehearse"]
