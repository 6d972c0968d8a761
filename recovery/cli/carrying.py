"""Carries out a run in this process and shows it: what `dr run` and `dr resume` share."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from recovery import reports
from recovery.cli import common, watching
from recovery.cli.ending import tell
from recovery.engine import processes, runner, standing
from recovery.engine.attempts import Surroundings
from recovery.engine.record import RunRecord, runs_folder
from recovery.errors import ExitCode, LifeboatError
from recovery.terminal import redraws

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@dataclass(frozen=True)
class View:
    """How a run is shown."""

    json: bool
    wait: bool | None
    """Stay when a person is awaited; None: in a terminal."""
    closing: bool = True
    """Say at the end where the report is; False when whoever started this has a better one."""


def carry(state: Path, record: RunRecord, around: Surroundings, *, resumed: bool, view: View) -> ExitCode:
    """Carry the run out, show it, export its journal; returns the exit code."""
    stay = view.wait if view.wait is not None else sys.stdin.isatty() and sys.stdout.isatty()
    listener = watching.listener(record.bound(), record.since, json=view.json)
    office = runner.Office(
        state=state, surroundings=around, listener=listener, hasty=True, patient=lambda: stay
    )
    if not view.json:
        common.show(f"run {record.id}   {record.source} → {record.target}")
    try:
        with _interruptible(state, record):
            outcome = runner.carry_out(office, record, resumed=resumed)
    finally:
        watching.close(listener)
    _end(state, record, outcome, view)
    return outcome.exit_code


def _end(state: Path, record: RunRecord, outcome: runner.Outcome, view: View) -> None:
    """Say what a person needs to know; the journal and the report are in the run's folder."""
    awaiting = _awaiting(state, record, outcome)
    if not view.json:
        for step, now in awaiting.items():
            common.show(f"waits for a person: {step}   {now}")
    try:
        verdict = runner.export_journal(state, record.id)
        report, story = reports.build(state, record.id)
        _, page = reports.write(runs_folder(state) / record.id, report, story)
    except Exception as error:  # what the run came to stands, whatever the disk or the report say
        trouble = LifeboatError(
            f"the report of {record.id} was not written: {type(error).__name__}: {error}",
            means="the run itself is on record",
            cure=f"dr report {record.id}",
        )
        tell(trouble, as_json=view.json)
        return
    how = outcome.outcome or "waiting"
    if view.json and view.closing:
        common.show_json(
            {
                "event": "report",
                "run": record.id,
                "outcome": how,
                "awaiting": awaiting,
                "report": report.model_dump(by_alias=True),
            }
        )
    elif view.closing:
        chain = "chain verified" if verdict.verified else f"CHAIN BROKEN at entry {verdict.broken_at}"
        common.show(f"{how}   journal {verdict.entries} entries, {chain} · report: {page}")


def _awaiting(state: Path, record: RunRecord, outcome: runner.Outcome) -> dict[str, str]:
    """Steps that wait for a person, and the command that answers."""
    undecided = standing.undecided(state, record.id) if outcome.awaiting else []
    return {
        step: f"dr resume {record.id}" if step in undecided else f"dr approve {record.id} {step}"
        for step in outcome.awaiting
    }


@contextmanager
def _interruptible(state: Path, record: RunRecord) -> Iterator[None]:
    """Ctrl-C, `kill` and a closed terminal end this process and its children as a crash would.

    Nothing half-done stays: Pulumi may finish what it is just making. A second signal ends it at once.
    """

    def stop(number: int, _frame: FrameType | None) -> None:
        again = runner.closing.is_set()
        runner.closing.set()
        grace = 0.0 if again else 60.0 if number == signal.SIGINT else 6.0
        if not again:
            with contextlib.suppress(OSError):  # the terminal may be gone
                sys.stderr.write(
                    "\nending what is under way, so that nothing is made twice; Ctrl-C: at once\n"
                )
                sys.stderr.flush()
        folder = runs_folder(state) / record.id
        processes.end_leftovers(folder, record.id, patience=2.0, grace=grace)
        # past the live view, which would put it above its table and hides the cursor
        cursor = "\x1b[?25h" if redraws(sys.stdout) else ""
        with contextlib.suppress(OSError):
            os.write(2, f"{cursor}\ninterrupted; what is done is kept: dr resume {record.id}\n".encode())
        os._exit(128 + number)

    before = {number: signal.signal(number, stop) for number in _SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
