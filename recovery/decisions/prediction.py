"""How long a plan would take: each step from measured runs where there are any, else as declared. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from recovery.plans import graph
from recovery.plans.loading import Bound

UNKNOWN_SECONDS = 60.0
"""For a step that was never measured and declares nothing."""


@dataclass(frozen=True)
class Estimate:
    """Seconds a step takes; `runs` is how many measured runs that rests on (0: the plan's word)."""

    low: float
    likely: float
    high: float
    runs: int = 0


@dataclass(frozen=True)
class Prediction:
    """Seconds until service is back, and the steps that decide it."""

    low: float
    likely: float
    high: float
    path: tuple[str, ...]
    runs: int
    """Measured runs behind the least known step of the path."""


def estimate(measured: Sequence[float], declared: float | None, previewed: float | None) -> Estimate:
    """From measurements if there are any; else the plan's `estimate`, then the action's own expectation."""
    if measured:
        ordered = sorted(measured)
        return Estimate(_share(ordered, 0.1), _share(ordered, 0.5), _share(ordered, 0.9), len(ordered))
    for value in (declared, previewed):
        if value is not None:
            return Estimate(value * 0.8, value, value * 1.5)
    return Estimate(UNKNOWN_SECONDS * 0.5, UNKNOWN_SECONDS, UNKNOWN_SECONDS * 2)


def predict(bound: Bound, estimates: Mapping[str, Estimate]) -> Prediction:
    """Until the last critical step is over; steps that are left out take no time."""
    critical = [step.id for step in bound.plan.steps if step.critical]
    after = {name: tuple(a for a in bound.after[name] if a in critical) for name in critical}
    left_out = {step.id for step in bound.plan.steps if not step.when}

    def seconds(which: str) -> dict[str, float]:
        return {name: 0.0 if name in left_out else getattr(estimates[name], which) for name in critical}

    ends = {
        which: max(slot.end for slot in graph.schedule(after, seconds(which)).values())
        for which in ("low", "likely", "high")
    }
    path = graph.critical_path(after, seconds("likely"))
    return Prediction(**ends, path=path, runs=min((estimates[name].runs for name in path), default=0))


def _share(ordered: Sequence[float], share: float) -> float:
    """The value below which that share of the measurements lies, between neighbours."""
    place = share * (len(ordered) - 1)
    low = int(place)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (place - low)
