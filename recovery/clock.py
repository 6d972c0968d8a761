"""Time, ids and chance, injected: nothing in `recovery/` asks the system for them anywhere else."""

from __future__ import annotations

import random
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    """What tells the time. All moments are aware and in UTC; all durations are seconds."""

    def now(self) -> datetime:
        """The moment, aware, in UTC."""
        ...

    def monotonic(self) -> float:
        """Seconds that never go back; only differences mean anything."""
        ...

    def sleep(self, seconds: float) -> None:
        """Wait that long."""
        ...


class SystemClock:
    """The machine's own clock."""

    def now(self) -> datetime:
        """See Clock."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """See Clock."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """See Clock."""
        time.sleep(seconds)


@dataclass
class FakeClock:
    """A clock that stands still until someone sleeps; for tests of deadlines and polling."""

    moment: datetime = datetime(2026, 11, 21, 14, 2, 0, tzinfo=UTC)
    slept: list[float] = field(default_factory=list)

    def now(self) -> datetime:
        """See Clock."""
        return self.moment

    def monotonic(self) -> float:
        """See Clock."""
        return self.moment.timestamp()

    def sleep(self, seconds: float) -> None:
        """Let that much time pass at once, and remember it."""
        self.slept.append(seconds)
        self.moment += timedelta(seconds=seconds)


def run_id(scenario: str, clock: Clock, chance: random.Random | None = None) -> str:
    """A run's id, unique to the second plus a suffix: `region-loss-20261121-140211-k3f`.

    It becomes part of tags, client tokens and user agents, hence lower-case letters, digits and dashes only.
    """
    suffix = "".join((chance or random.SystemRandom()).choices("bcdfghjkmnpqrstvwxz23456789", k=3))
    return f"{scenario}-{clock.now():%Y%m%d-%H%M%S}-{suffix}"


def iso(moment: datetime) -> str:
    """A moment as it stands in files: ISO 8601 in UTC with milliseconds and `Z`."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
