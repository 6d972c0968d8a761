"""Children of a run that outlived it: found by the mark they carry, or by recorded id and start time."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

MARK = "LIFEBOAT_RUN"
"""Environment variable that every child of a run carries; its value is the run's id."""

_ENGINE = "pulumi"


def started_at(pid: int) -> str | None:
    """When the process started, in the kernel's ticks; None when there is none (proc(5), stat field 22)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return None


def record(folder: Path, pid: int, what: str) -> None:
    """Note a child in the run's folder, so that it can be ended should this process die first."""
    children = folder / "children"
    children.mkdir(exist_ok=True)
    note = {"version": 1, "pid": pid, "started": started_at(pid), "what": what}
    (children / f"{pid}.json").write_text(json.dumps(note))


def end_leftovers(folder: Path, run: str, patience: float = 5.0, grace: float = 60.0) -> list[str]:
    """End every process that an earlier one of this run left behind; says which. Never ends ourselves.

    Pulumi is asked first, and given `grace` seconds to record what its providers are just making: what it
    does not record would be made a second time. `patience` is what each of the others gets.
    """
    ended = []
    left = {**dict(_recorded(folder)), **dict(_marked(run))}
    engines = {pid: what for pid, what in left.items() if what == _ENGINE}
    for pid in engines:
        _interrupt(pid)
    until = time.monotonic() + grace
    while any(started_at(pid) and not _zombie(pid) for pid in engines) and time.monotonic() < until:
        time.sleep(0.05)
    for pid, what in left.items():
        if pid in _ourselves():
            continue
        if _end(pid, patience):
            ended.append(f"{what} ({pid})")
    for note in (folder / "children").glob("*.json"):
        note.unlink(missing_ok=True)
    return ended


def kill_session(leader: int) -> None:
    """End whatever is left of the session that this process led; its children may have other groups."""
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            session = int(path.read_text().rpartition(")")[2].split()[3])
        except (OSError, IndexError, ValueError):
            continue
        if session == leader:
            with contextlib.suppress(OSError):
                os.kill(int(path.parent.name), signal.SIGKILL)


def _interrupt(pid: int) -> None:
    with contextlib.suppress(OSError):
        os.kill(pid, signal.SIGINT)


def _recorded(folder: Path) -> Iterator[tuple[int, str]]:
    for path in (folder / "children").glob("*.json"):
        try:
            note = json.loads(path.read_text())
        except (OSError, ValueError):
            continue
        if note["started"] is not None and started_at(note["pid"]) == note["started"]:
            yield note["pid"], str(note["what"])


def _marked(run: str) -> Iterator[tuple[int, str]]:
    wanted = f"{MARK}={run}".encode()
    for path in Path("/proc").glob("[0-9]*/environ"):
        try:
            if wanted in path.read_bytes().split(b"\0"):
                yield int(path.parent.name), (path.parent / "comm").read_text().strip()
        except OSError:
            continue  # another user's, or gone meanwhile


def _ourselves() -> set[int]:
    pids, pid = set(), os.getpid()
    while pid > 1:
        pids.add(pid)
        try:
            pid = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
        except (OSError, IndexError, ValueError):
            break
    return pids


def _end(pid: int, patience: float) -> bool:
    """Ask politely, then not; the start time guards against an id that was given to another meanwhile."""
    born = started_at(pid)
    for sign, seconds in ((signal.SIGTERM, patience), (signal.SIGKILL, 2.0)):
        try:
            os.kill(pid, sign)
        except OSError:
            return True
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            if started_at(pid) != born or _zombie(pid):
                return True
            time.sleep(0.02)
    return False


def _zombie(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except (OSError, IndexError):
        return True
