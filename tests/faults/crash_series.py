"""Carries out a run, dies as kill -9 would at a given place, takes it up again; prints what each trial left.

Run as a program of its own: it forks before the engine starts any thread. A place is `<step>:<where>` (inside
an action) or `commit:<n>` / `committed:<n>`: before or after the n-th commit in the engine's database.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
from pathlib import Path
from typing import Any

import dbos
import sqlalchemy as sa

from recovery.engine import inbox, journal, runner, standing, workflow
from recovery.engine.record import Answer, RunRecord
from tests.fakes import engine as fake

STEPS = """\
  - {id: look, uses: find}
  - {id: left, uses: use, after: [look], with: {fail: 1}, retry: {wait: 10ms}}
  - {id: right, uses: note, after: [look]}
  - {id: both, uses: note, after: [left, right], approval: {any-of: [cto]}}
  - {id: later, uses: note, class: non-critical}
"""
__all__ = ["dbos", "inbox", "workflow"]  # imported here so that trials start with them


def carry(folder: Path, record: RunRecord, place: str, *, resumed: bool) -> int:
    """One process's part of a trial; returns its exit status as the system gives it."""
    child = os.fork()
    if child == 0:
        if place.startswith("commit"):
            die_at_commit(*place.split(":"))
        else:
            os.environ["CRASH"] = place
        office = runner.Office(folder / "state", fake.Nowhere(folder), lambda event: None, hasty=True)
        outcome = runner.carry_out(office, record, resumed=resumed)
        os._exit(int(outcome.exit_code))
    return os.waitpid(child, 0)[1]


def die_at_commit(when: str, number: str) -> None:
    """Die before (`commit`) or after (`committed`) the n-th commit."""
    count = 0

    def before(_connection: sa.Connection) -> None:
        nonlocal count
        count += 1
        if count == int(number) and when == "commit":
            os.kill(os.getpid(), signal.SIGKILL)
        if count == int(number) + 1 and when == "committed":  # the n-th is on disk, the next is not
            os.kill(os.getpid(), signal.SIGKILL)

    sa.event.listen(sa.Engine, "commit", before)


def trial(folder: Path, place: str) -> dict[str, Any]:
    """Crash there, then take the run up; what came of it."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    record = fake.record(folder, STEPS, answers=(Answer(kind="approve", step="both", by="ada"),))
    crashed = carry(folder, record, place, resumed=False)
    resumed = carry(folder, record, "", resumed=True)
    entries = standing.entries(folder / "state", record.id)
    made = (folder / "made").read_text().split()
    steps = standing.steps(entries, ["look", "left", "right", "both", "later"])
    return {
        "place": place,
        "crashed": os.WIFSIGNALED(crashed),
        "exit": os.waitstatus_to_exitcode(resumed),
        "made": sorted(made),
        "outcome": standing.outcome(entries),
        "statuses": {name: step.status for name, step in steps.items()},
        "verified": journal.verify(entries).verified,
        "entries": len(entries),
    }


if __name__ == "__main__":
    for where in sys.argv[2:]:
        print(json.dumps(trial(Path(sys.argv[1]), where)), flush=True)
