"""`dr rehearse region-loss`: customers write, the primary region disappears, Lifeboat brings it back.

Everything is measured from outside, by customers and an observer of name servers. The run itself is `dr run`
in a process of its own, as a person would start it who has taken the recovery role.
"""

from __future__ import annotations

import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from recovery import continuity, reports
from recovery.engine import record as records
from recovery.errors import LifeboatError
from rehearsal import company, findings, measures, ready
from rehearsal.company import Platform
from rehearsal.customers import Customers
from rehearsal.findings import Findings
from rehearsal.observer import Observer
from rehearsal.processes import run_ours
from rehearsal.results import LOST, NAMES, REQUESTS
from rehearsal.steering import Steering
from rehearsal.story import Story

_WRITES_BEFORE_S = 1.0
_SERVED_WITHIN_S = 60.0
_APPROVED_STEP = "cutover"


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
        """End both; again is fine."""
        self.customers.stop()
        self.observer.stop()


class Rehearsal:
    """One rehearsal of the loss of the primary region, on a platform that stands."""

    def __init__(self, platform: Platform, story: Story, *, scenario: str, out: Path) -> None:
        self._platform = platform
        self._story = story
        self._scenario = scenario
        self._out = out
        self._settings = platform.settings
        edge = platform.edge()
        names = (edge.service_name, edge.failover_name)
        self._watch = Watch(
            Customers(self._settings, names[0], out=out / REQUESTS),
            Observer(self._settings, service=names[0], failover_name=names[1], out=out / NAMES),
        )

    def carry_out(self, began: float) -> tuple[reports.Report, reports.Story, Findings]:
        """Lose the region and come back. `began` (monotonic): when all of it was started.

        LifeboatError when it cannot even begin; what does not hold later is in the findings.
        """
        self._watch.start()
        try:
            self._before()
            found = self._lose()
            self._recover(found)
            self._afterwards(found)
        finally:
            self._watch.stop()
        requests = self._watch.customers.requests()
        report, readable = findings.report(self._platform, found, requests, time.monotonic() - began)
        return report, readable, found

    def _before(self) -> None:
        """Customers write until the standby's replicated backups hold some of it."""
        started = time.time()
        customers = self._watch.customers
        if not customers.wait_until_served(patience=_SERVED_WITHIN_S):
            raise LifeboatError("customers are not served", means=self._last_failure())
        ready.wait_for_backups(self._platform, started + _WRITES_BEFORE_S)
        clients = len({request.client for request in customers.requests()})
        self._story.tell(
            "customers",
            f"{clients} clients writing to https://{self._platform.edge().service_name} through 2 resolvers"
            f"        {customers.acknowledged():,} writes acknowledged",
            acknowledged=customers.acknowledged(),
        )

    def _last_failure(self) -> str:
        failed = [request for request in self._watch.customers.requests() if not request.ok]
        return f"{failed[-1].why} at {failed[-1].address or 'no address'}" if failed else "no request ended"

    def _lose(self) -> Findings:
        region = self._settings.primary
        lost_at = time.time()
        Steering(self._settings).lose(region)
        self._story.blank()
        self._story.tell("lost", f"{region} is gone  (servers, databases, APIs)", region=region)
        self._story.blank()
        return Findings(lost_at)

    def _recover(self, found: Findings) -> None:
        before = set(records.names(self._platform.state))
        found.exit_code = run_ours(
            self._command(found.lost_at),
            patience_s=10,  # whoever ends the world ends it too
            cwd=self._platform.project,
            env=self._platform.as_recovery(),
        )
        runs = [name for name in records.names(self._platform.state) if name not in before]
        if not runs:
            raise LifeboatError(
                f"`dr run {self._scenario}` did not begin a run (exit code {found.exit_code})",
                means="what it said is above",
            )
        found.run = runs[-1]
        if found.exit_code != 0:
            found.problems.append(f"dr run ended with exit code {found.exit_code}")

    def _command(self, lost_at: float) -> list[str]:
        people = continuity.load(self._platform.project / continuity.FILE)
        who = people.holders(people.owner)[0].id
        since = datetime.fromtimestamp(lost_at, UTC).isoformat()
        command = [sys.executable, "-m", "recovery.cli", "run", self._scenario, "--confirm", self._scenario]
        command += ["--since", since, "--no-wait", "--no-closing"]
        command += ["--by", who, "--approve", f"{_APPROVED_STEP}={who}"]
        return [*command, "--json"] if self._story.as_json else command

    def _afterwards(self, found: Findings) -> None:
        """Ask everybody what they saw, and hold it against what must be; previews run meanwhile."""
        with ThreadPoolExecutor(2) as pool:
            previews = findings.start_previews(self._platform, found.run, pool)
            self._ask_customers(found)
            findings.check_previews(previews, found)

    def _ask_customers(self, found: Findings) -> None:
        customers = self._watch.customers
        if not customers.wait_until_served(patience=5 if found.exit_code else _SERVED_WITHIN_S):
            found.problems.append(f"customers are not served: {self._last_failure()}")
        self._watch.stop()
        found.outage = measures.outage(customers.requests(), since=found.lost_at)
        self._names(found)
        found.loss = customers.read_back(patience=5 if found.exit_code else _SERVED_WITHIN_S)
        for client in found.loss.unread:
            found.problems.append(f"the rows of {client} could not be read back")
        findings.write_lost(self._out / LOST, found.loss)
        if wrong := findings.compare_with_log(self._platform, found, customers.requests()):
            found.problems.append(wrong)
        else:
            found.notes.append("lost are exactly the writes that the lost database committed too late")

    def _names(self, found: Findings) -> None:
        switched = self._watch.observer.switched(self._settings.standby, since=found.lost_at)
        late = [server for server, seconds in switched.items() if seconds is None]
        if late:
            found.problems.append(f"the name was not switched on {', '.join(late)}")
            return
        found.dns_switch_s = max(value for value in switched.values() if value is not None)
        resolvers = sum(server in self._settings.resolver_addresses() for server in switched)
        found.switched = f"on {len(switched) - resolvers} name servers and {resolvers} resolvers"


def rehearse(platform: Platform, story: Story, *, scenario: str, out: Path, began: float) -> bool:
    """Bring the platform up if need be, lose its region, write the report; whether all of it held.

    `began` (monotonic): when all of it was started, the world too.
    """
    if not company.is_up(platform):
        company.bring_up(platform, story)
    report, readable, found = Rehearsal(platform, story, scenario=scenario, out=out).carry_out(began)
    _, page = reports.write(out, report, readable)
    story.blank()
    story.line(reports.summary(report, readable))
    story.line(f"           report: {page}")
    story.report(report.as_json())
    return report.outcome == "recovered" and report.kept() and not found.problems
