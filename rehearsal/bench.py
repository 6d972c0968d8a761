"""`dr bench`: what the product costs by itself, as ratios and medians of one sitting on one machine.

Figures of a busy machine mean little, so each is measured several times, and the load is printed beside them.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from recovery.errors import LifeboatError
from rehearsal.processes import run_ours

_NO_OPS = 40


@dataclass(frozen=True)
class Figure:
    """One measured value, with the most that is accepted and the goal."""

    name: str
    value: float
    unit: str
    limit: float
    goal: float

    @property
    def kept(self) -> bool:
        """Whether it is within the limit."""
        return self.value <= self.limit


def help_seconds() -> float:
    """`dr --help`, median of seven: by ./dr where that is what runs us, its own checks included."""
    root = Path(__file__).parent.parent
    set_up = Path(sys.prefix) == root / ".venv"  # else ./dr would begin to set itself up
    command = [str(root / "dr")] if set_up else [sys.executable, "-m", "recovery.cli"]
    return _median(7, lambda: _run([*command, "--help"]))


def step_milliseconds() -> float:
    """What the engine adds to a step that does nothing: a run of many, less a run of one."""
    one, many = (_median(3, lambda n=n: engine_seconds(n)) for n in (1, _NO_OPS + 1))  # type: ignore[misc]
    return (many - one) / _NO_OPS * 1000


def world_name() -> str:
    """The benchmark's own: worlds that run are left alone."""
    return f"bench-{os.getpid()}"


def world_seconds() -> float:
    """A world without stacks, from nothing to answering, median of three."""
    from rehearsal import launch

    def once() -> float:
        started = time.perf_counter()
        with launch.world(world_name()):
            return time.perf_counter() - started

    return statistics.median(once() for _ in range(3))


def quick() -> list[Figure]:
    """All that takes no rehearsal."""
    return [
        Figure("dr --help", help_seconds(), "s", 0.5, 0.25),
        Figure("engine, each no-op step", step_milliseconds(), "ms", 10.0, 10.0),
        Figure("empty world up", world_seconds(), "s", 5.0, 3.0),
    ]


@dataclass(frozen=True)
class Timed:
    """A rehearsal on a world of its own, timed from outside, start of the programs included."""

    up_s: float
    """World and stacks, from nothing until the service answers."""
    rehearsed_s: float
    """The rehearsal on that running world."""
    report: dict[str, Any]


def rehearsed() -> Timed:
    """Bring a world up with its stacks, then rehearse on it; the world is gone afterwards.

    LifeboatError when any of it failed, since figures of a failed rehearsal mean nothing.
    """
    from rehearsal import launch

    name = world_name()
    with tempfile.TemporaryDirectory() as folder:
        try:
            up = _timed("world", "up", "--name", name)
            run = _timed("rehearse", "region-loss", "--world", name, "--out", folder)
        finally:
            launch.down(name)
        return Timed(up, run, json.loads((Path(folder) / "report.json").read_text()))


def of_rehearsal(timed: Timed) -> list[Figure]:
    """Figures of a rehearsal: its two budgets, and what its report measured."""
    measured, promised = timed.report["measured"], timed.report["promised"]["rto_s"]
    return [
        Figure("rehearsal from nothing", timed.up_s + timed.rehearsed_s, "s", 150.0, 75.0),
        Figure("rehearsal on a running world", timed.rehearsed_s, "s", 60.0, 30.0),
        Figure("overhead ratio of the run", measured["overhead_ratio"], "", 1.10, 1.05),
        Figure("downtime here", measured["rto_s"], "s", promised, 30.0),
        Figure("downtime forecast", timed.report["forecast"]["rto_s"], "s", promised, 2400.0),
    ]


def _timed(*arguments: str) -> float:
    started = time.perf_counter()
    code = run_ours([sys.executable, "-m", "rehearsal.cli", *arguments], patience_s=30, stdout=sys.stderr)
    if code != 0:
        raise LifeboatError(
            f"`dr {' '.join(arguments[:2])}` failed (exit code {code})",
            means="there is nothing to measure; what it said is above",
        )
    return time.perf_counter() - started


def load() -> str:
    """How busy the machine was, in words."""
    return f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}"


def _median(times: int, measure: Callable[[], float]) -> float:
    return statistics.median(measure() for _ in range(times))


def _run(command: list[str]) -> float:
    started = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - started


def engine_seconds(steps: int) -> float:
    """Seconds of a run of no-op steps in a process of its own, its start-up not counted."""
    command = [sys.executable, "-m", "rehearsal.bench", str(steps)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return float(json.loads(done.stdout.splitlines()[-1])["seconds"])


def _no_ops(steps: int) -> float:
    """Carry out a chain of steps that do nothing, and time it."""
    from recovery.actions import registry
    from recovery.actions.base import Action, Context, Fact, Need, Preview
    from recovery.engine import runner

    class Nothing(Action):
        """Does nothing."""

        name = "nothing"
        summary = "nothing"

        def needs(self, ctx: Context) -> tuple[Need, ...]:  # noqa: ARG002
            return ()

        def preview(self, ctx: Context) -> Preview:  # noqa: ARG002
            return Preview()

        def perform(self, ctx: Context) -> Fact | None:  # noqa: ARG002
            return None

        def verify(self, ctx: Context, fact: Fact | None) -> None:
            """Nothing to see."""

        def by_hand(self, ctx: Context) -> str:  # noqa: ARG002
            return ""

    registry.add(Nothing)
    with tempfile.TemporaryDirectory() as temporary:
        state = Path(temporary)
        record = _record(state, steps)
        # hasty, as `dr run` is: the engine's own end takes up to a second, which is no cost of a step
        office = runner.Office(state, _Nowhere(state), lambda _event: None, hasty=True)
        started = time.perf_counter()
        outcome = runner.carry_out(office, record, resumed=False)
        seconds = time.perf_counter() - started
    if outcome.outcome != "recovered":
        raise RuntimeError(f"the run of no-op steps ended as {outcome}")
    return seconds


def _record(state: Path, steps: int) -> Any:
    from recovery import continuity
    from recovery.engine.record import Account, RunRecord
    from recovery.plans import loading

    lines = ["version: 1", "scenario: bench", "promise: {rto: 60m, rpo: 30m, at: 1GB}", "steps:"]
    for n in range(steps):
        after = f", after: [s{n - 1}]" if n else ""
        lines.append(f"  - {{id: s{n}, uses: nothing, owner: ops{after}}}")
    plan = state / "bench.yaml"
    plan.write_text("\n".join(lines) + "\n")
    bound = loading.load(plan)
    now = datetime.now(UTC)
    company = continuity.load(continuity.project_root() / continuity.FILE)
    return RunRecord(
        id="bench-1",
        scenario="bench",
        plan=bound.plan.frozen(),
        inputs=dict(bound.inputs),
        places=dict(bound.places),
        digest=bound.digest,
        source="prod",
        target="dr-aws",
        lost=(),
        accounts=(Account(provider="aws", account="123456789012", endpoint="bench"),),
        continuity=company.model_dump(mode="json", by_alias=True),
        since=now,
        recorded=now,
        by="bench",
    )


class _Nowhere:
    """Surroundings without a cloud."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def over(self, *_: Any) -> None:
        """Nobody waits for a benchmark."""

    def alert(self, *_: Any) -> str:
        """Nobody is told of a benchmark."""
        return ""

    def context(self, record: Any, moment: Any) -> Any:
        """What a step that does nothing may use."""
        from recovery.actions.base import Context
        from recovery.clock import SystemClock

        nothing: Any = None
        return Context(
            run=moment.run,
            step=moment.step,
            attempt=moment.attempt,
            with_=moment.with_,
            lost=frozenset(),
            target=nothing,
            source=nothing,
            edge=nothing,
            continuity=record.people(),
            sites=nothing,
            clock=SystemClock(),
            folder=self._folder,
            project=self._folder,
            deadline=moment.deadline,
            cancelled=moment.cancelled,
            progress=moment.progress,
        )


if __name__ == "__main__":
    print(json.dumps({"seconds": _no_ops(int(sys.argv[1]))}), flush=True)
    os._exit(0)  # the engine was not ended
