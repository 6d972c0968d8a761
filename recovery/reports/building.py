"""Makes a run's report from its record, its journal, and what customers saw."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from recovery.engine import journal as journals
from recovery.engine import record as records
from recovery.engine import standing
from recovery.engine.journal import Entry, Verdict
from recovery.engine.record import RunRecord
from recovery.engine.standing import StepRecord
from recovery.plans import graph
from recovery.plans.loading import Bound
from recovery.reports.model import Forecast, JournalLine, Measured, Promised, Report, StepLine


@dataclass(frozen=True)
class Tick:
    """What customers saw in a short span of time that ends `at` seconds after the loss (before: negative)."""

    at: float
    ok: int
    failed: int


@dataclass(frozen=True)
class Observations:
    """What was measured from outside; None where nobody did. `lost_at` is the moment of the loss."""

    lost_at: datetime | None = None
    rto_s: float | None = None
    rpo_s: float | None = None
    acknowledged_writes: int | None = None
    lost_writes: int | None = None
    failed_requests: int | None = None
    dns_switch_s: float | None = None
    switched: str = ""
    """Which servers lead customers to the other site."""
    lost_file: str = ""
    """Name of the file with every lost write."""
    ticks: tuple[Tick, ...] = ()
    back_at: float | None = None
    """Seconds after the loss at which service was back for customers."""
    wall_s: float | None = None
    problems: tuple[str, ...] = ()
    """Verifications that did not hold; any makes the outcome `failed`."""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Bar:
    """A step in the picture of the run: seconds from the beginning of the picture."""

    step: StepLine
    start: float | None
    end: float | None
    critical: bool
    """On the measured critical path."""
    after: tuple[str, ...]
    text: str


@dataclass(frozen=True)
class Story:
    """All that the readable report shows besides the report itself."""

    run: str
    company: str
    source: str
    target: str
    lost: tuple[str, ...]
    began: datetime
    """Zero of the picture: the loss, or the order to run."""
    recorded_s: float
    bars: tuple[Bar, ...]
    path: tuple[str, ...]
    entries: tuple[Entry, ...]
    seen: Observations = field(default_factory=Observations)


NO_FORECAST = Forecast(rto_s=None, rpo_s=None, scale=None, database_gb=None)


def build(
    state: Path, run: str, seen: Observations | None = None, forecast: Forecast | None = None
) -> tuple[Report, Story]:
    """The report of a run and its story; InputError when there is no such run."""
    record = records.read(state, run)
    return assemble(record, standing.entries(state, run), seen or Observations(), forecast or NO_FORECAST)


def assemble(
    record: RunRecord, journal: Sequence[Entry], seen: Observations, forecast: Forecast
) -> tuple[Report, Story]:
    """As `build`, from a record and a journal at hand. Pure."""
    bound = record.bound()
    steps = standing.steps(journal, [step.id for step in bound.plan.steps])
    verdict = journals.verify(journal)
    began = seen.lost_at or record.since
    recorded = standing.moment(journal, "recorded")
    recorded_at = datetime.fromisoformat(recorded) if recorded else record.recorded
    path = measured_path(bound, steps)
    ends = [datetime.fromisoformat(entry.at) for entry in journal]
    wall = seen.wall_s if seen.wall_s is not None else (max(ends, default=began) - began).total_seconds()
    report = Report(
        scenario=record.scenario,
        outcome="recovered" if _recovered(journal) and not seen.problems and verdict.verified else "failed",
        measured=_measured(steps, path, recorded_at, seen),
        forecast=forecast,
        promised=Promised(rto_s=bound.plan.promise.rto, rpo_s=bound.plan.promise.rpo),
        steps=tuple(_line(bound, record) for record in steps.values()),
        journal=_journal(verdict),
        wall_s=round(wall, 3),
    )
    story = Story(
        run=record.id,
        company=record.people().company,
        source=record.source,
        target=record.target,
        lost=record.lost,
        began=began,
        recorded_s=(recorded_at - began).total_seconds(),
        bars=tuple(_bars(bound, steps, report.steps, path, began)),
        path=path,
        entries=tuple(journal),
        seen=seen,
    )
    return report, story


def measured_path(bound: Bound, steps: Mapping[str, StepRecord]) -> tuple[str, ...]:
    """The critical path as it was: back from the critical step that was over last; empty before any is."""
    ended = {
        name: datetime.fromisoformat(step.ended_at).timestamp()
        for name, step in steps.items()
        if step.ended_at and bound.plan.step(name).critical
    }
    if not ended:
        return ()
    return graph.last_to_finish(bound.after, ended, max(ended, key=lambda name: ended[name]))


def _recovered(journal: Sequence[Entry]) -> bool:
    return standing.moment(journal, "recovered") is not None and standing.outcome(journal) != "aborted"


def _measured(
    steps: Mapping[str, StepRecord], path: tuple[str, ...], recorded: datetime, seen: Observations
) -> Measured:
    work = sum(steps[name].seconds for name in path)
    last = steps[path[-1]].ended_at if path else None
    passed = (datetime.fromisoformat(last) - recorded).total_seconds() if last else None
    return Measured(
        rto_s=seen.rto_s,
        rpo_s=seen.rpo_s,
        acknowledged_writes=seen.acknowledged_writes,
        lost_writes=seen.lost_writes,
        failed_requests=seen.failed_requests,
        critical_path_s=round(work, 3) if path else None,
        overhead_ratio=round(passed / work, 4) if passed is not None and work > 0 else None,
        dns_switch_s=seen.dns_switch_s,
    )


def _line(bound: Bound, found: StepRecord) -> StepLine:
    step = bound.plan.step(found.id)
    return StepLine(
        id=step.id,
        uses=step.uses,
        owner=step.owner,
        **{"class": step.class_},
        status=found.status,
        started_at=found.started_at,
        seconds=round(found.seconds, 3) if found.ended_at else None,
        attempts=found.attempts,
    )


def _journal(verdict: Verdict) -> JournalLine:
    return JournalLine(entries=verdict.entries, head=verdict.head, verified=verdict.verified)


def _bars(
    bound: Bound,
    steps: Mapping[str, StepRecord],
    lines: Sequence[StepLine],
    path: tuple[str, ...],
    began: datetime,
) -> list[Bar]:
    after = graph.reduced(bound.after)
    bars = []
    for line in lines:
        step = steps[line.id]
        start, end = (
            (datetime.fromisoformat(at) - began).total_seconds() if at else None
            for at in (step.started_at, step.ended_at)
        )
        text = step.says or (step.error or {}).get("what", "")
        bars.append(Bar(line, start, end, line.id in path, after[line.id], text))
    return bars
