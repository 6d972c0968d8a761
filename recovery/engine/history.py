"""Earlier runs: how long steps took, and when a scenario was last seen to work."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from recovery.engine import database, record, standing
from recovery.engine.journal import Journal
from recovery.engine.record import Account, RunRecord
from recovery.errors import InputError

_LOOK_BACK = 20


@dataclass(frozen=True)
class PastRun:
    """A run that is over."""

    record: RunRecord
    outcome: str
    finished: datetime
    seconds: Mapping[str, float]
    """Step -> wall time from its beginning to its end."""


def past_runs(state: Path, scenario: str, accounts: tuple[Account, ...] | None = None) -> list[PastRun]:
    """Finished runs of the scenario, newest first, 20 at most; at these endpoints, where given."""
    found: list[PastRun] = []
    engine = database.connect(state)
    try:
        Journal.create(engine)
        for name in reversed(record.names(state)):
            try:
                earlier = record.read(state, name)
            except InputError:
                continue  # written by another version; its journal still stands
            if earlier.scenario != scenario or (accounts is not None and earlier.accounts != accounts):
                continue
            run = _past(earlier, Journal(engine, name))
            if run:
                found.append(run)
            if len(found) == _LOOK_BACK:
                break
    finally:
        engine.dispose()
    return found


def measured(runs: list[PastRun], step: str, uses: str) -> list[float]:
    """What that step took in runs that recovered; only where it used the same action."""
    return [
        run.seconds[step]
        for run in runs
        if run.outcome == "recovered"
        and step in run.seconds
        and any(s["id"] == step and s["uses"] == uses for s in run.record.plan["steps"])
    ]


def _past(earlier: RunRecord, journal: Journal) -> PastRun | None:
    entries = journal.entries()
    outcome, finished = standing.outcome(entries), standing.moment(entries, "finished")
    if outcome is None or finished is None:
        return None
    steps = standing.steps(entries, [step["id"] for step in earlier.plan["steps"]])
    seconds = {
        name: (
            datetime.fromisoformat(step.ended_at) - datetime.fromisoformat(step.started_at)
        ).total_seconds()
        for name, step in steps.items()
        if step.started_at and step.ended_at and step.status == "ok"
    }
    return PastRun(earlier, outcome, datetime.fromisoformat(finished), seconds)
