"""What the measured run would have taken in the cloud: waits at full length, data at the company's size.

The world notes every wait it imposed, with the run and step that caused it (`waits.jsonl`). A step's forecast
is what was really local, plus those waits with the scale undone, plus what grows with the database. The
critical path is then searched anew, because another one may decide. People are not in it: approvals were
given beforehand.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from recovery.engine import record as records
from recovery.engine import standing
from recovery.engine.standing import StepRecord
from recovery.plans import graph
from recovery.reports import Forecast
from rehearsal.durations import BESIDE, DATA_TERMS

Span = tuple[float, float]


@dataclass(frozen=True)
class Seen:
    """What the forecast needs besides the run's own record. Seconds of wall time here."""

    waits: Path
    scale: float
    database_gb: float
    rpo_s: float | None
    """Loss here; it is made of scaled upload and replication lags only."""
    started_after_s: float
    """From the loss until the run was recorded."""
    switched_after_s: float | None
    """From the loss until the last resolver was right: check intervals and TTL, all of them scaled."""


def forecast(state: Path, run: str, seen: Seen) -> Forecast:
    """The forecast for a run; InputError when there is no such run."""
    bound = records.read(state, run).bound()
    steps = standing.steps(standing.entries(state, run), [step.id for step in bound.plan.steps])
    critical = {step.id for step in bound.plan.steps if step.critical}
    after = {
        name: [e for e in bound.after[name] if e in critical] for name in bound.after if name in critical
    }
    waits = spans(seen.waits, run)
    seconds = {
        name: unscaled(steps[name], waits.get(name, []), seen.scale)
        + data_seconds(bound.plan.step(name).uses, seen.database_gb)
        for name in after
    }
    slots = graph.schedule(after, seconds)
    end = max((slot.end for slot in slots.values()), default=0.0)
    back = seen.started_after_s + end
    if seen.switched_after_s is not None:
        # the name moves by itself, by health checks or the latch; service is back when both are done
        back = max(back, seen.switched_after_s * seen.scale)
    return Forecast(
        rto_s=round(back, 1),
        rpo_s=None if seen.rpo_s is None else round(seen.rpo_s * seen.scale, 1),
        scale=seen.scale,
        database_gb=seen.database_gb,
    )


def unscaled(step: StepRecord, waits: Iterable[Span], scale: float) -> float:
    """Seconds that the step would take with its waits at full length. 0 for a step that did not run."""
    if step.started_at is None or step.ended_at is None:
        return step.seconds
    span = (_seconds(step.started_at), _seconds(step.ended_at))
    waited = covered(waits, span)
    return max(0.0, span[1] - span[0] - waited) + waited * scale


def covered(spans: Iterable[Span], within: Span) -> float:
    """Seconds of `within` during which at least one span lasts."""
    total, reached = 0.0, within[0]
    for first, last in sorted(spans):
        start, end = max(first, reached), min(last, within[1])
        if end > start:
            total += end - start
            reached = end
    return total


def data_seconds(action: str, database_gb: float) -> float:
    """What an action takes longer because the database is that large (rehearsal/durations.py)."""
    term = DATA_TERMS.get(action)
    return 0.0 if term is None else database_gb * 1000 * term.share / term.megabytes_per_s


def spans(waits: Path, run: str) -> Mapping[str, list[Span]]:
    """Waits that the run's steps caused and had to sit out: step -> (start, end) in seconds of the epoch."""
    found: dict[str, list[Span]] = {}
    marker = f"lifeboat/{run}/"
    for line in waits.read_text().splitlines():
        row = json.loads(line)
        cause = str(row["cause"])
        if marker in cause and row["what"] not in BESIDE:
            step = cause.split(marker, 1)[1].split(maxsplit=1)[0].split("/", maxsplit=1)[0]
            found.setdefault(step, []).append((row["started"], row["ended"]))
    return found


def _seconds(moment: str) -> float:
    return datetime.fromisoformat(moment).timestamp()
