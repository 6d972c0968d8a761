"""Children of a run that outlived it: found by the mark they carry, or by recorded id and start time."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

from recovery import procfs
from recovery.procfs import start_time

MARK = "LIFEBOAT_RUN"
"""Environment variable that every child of a run carries; its value is the run's id."""

_ENGINE = "pulumi"


def record(folder: Path, pid: int, what: str) -> None:
    """Note a child in the run's folder, so that it can be ended should this process die first."""
    children = folder / "children"
    children.mkdir(exist_ok=True)
    note = {"version": 1, "pid": pid, "started": start_time(pid), "what": what}
    (children / f"{pid}.json").write_text(json.dumps(note))


def end_leftovers(folder: Path, run: str, patience: float = 5.0, grace: float = 60.0) -> list[str]:
    """End every process that an earlier one of this run left behind; says which. Never ends ourselves.

    Pulumi is asked first, and given `grace` seconds to record what its providers are just making: what it
    does not record would be made a second time. `patience` is what each of the others gets.
    """
    ended = []
    left = {**dict(_recorded(folder)), **{pid: procfs.name(pid) for pid in procfs.marked(MARK, run)}}
    engines = {pid: what for pid, what in left.items() if what == _ENGINE}
    for pid in engines:
        _interrupt(pid)
    until = time.monotonic() + grace
    while any(start_time(pid) for pid in engines) and time.monotonic() < until:
        time.sleep(0.05)
    for pid, what in left.items():
        if pid not in procfs.ourselves() and _end(pid, patience):
            ended.append(f"{what} ({pid})")
    for note in (folder / "children").glob("*.json"):
        note.unlink(missing_ok=True)
    return ended


def kill_session(leader: int) -> None:
    """End whatever is left of the session that this process led; its children may have other groups."""
    for pid in procfs.of_session(leader):
        with contextlib.suppress(OSError):
            os.kill(pid, signal.SIGKILL)


def _interrupt(pid: int) -> None:
    with contextlib.suppress(OSError):
        os.kill(pid, signal.SIGINT)


def _recorded(folder: Path) -> Iterator[tuple[int, str]]:
    for path in (folder / "children").glob("*.json"):
        try:
            note = json.loads(path.read_text())
        except (OSError, ValueError):
            continue
        if note["started"] is not None and start_time(note["pid"]) == note["started"]:
            yield note["pid"], str(note["what"])


def _end(pid: int, patience: float) -> bool:
    """Ask politely, then not; the start time guards against an id that was given to another meanwhile."""
    born = start_time(pid)
    for sign, seconds in ((signal.SIGTERM, patience), (signal.SIGKILL, 2.0)):
        if born is None or start_time(pid) != born:
            return True
        with contextlib.suppress(OSError):
            os.kill(pid, sign)
        until = time.monotonic() + seconds
        while start_time(pid) == born and time.monotonic() < until:
            time.sleep(0.02)
    return start_time(pid) != born
