"""Processes as the kernel shows them (proc(5)): who still runs, and who carries a mark.

Linux only. Elsewhere nobody is found.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

_STATE, _PARENT, _SESSION, _STARTED = 0, 1, 3, 19
"""Places in /proc/pid/stat behind the program's name, which may hold spaces (fields 3, 4, 6 and 22)."""


def start_time(pid: int) -> int | None:
    """Clock ticks after boot at which a process started, which tells it from a later one of the same id.

    None when there is no such process, or only its zombie.
    """
    fields = _fields(pid)
    return None if not fields or fields[_STATE] in "ZX" else int(fields[_STARTED])


def of_session(leader: int) -> list[int]:
    """Processes of the session that this one leads or led; its children may have groups of their own."""
    return [pid for pid in _all() if (fields := _fields(pid)) and int(fields[_SESSION]) == leader]


def marked(variable: str, value: str) -> Iterator[int]:
    """Processes that were started with `variable=value` in their environment, as far as we may look."""
    wanted = f"{variable}={value}".encode()
    for pid in _all():
        with contextlib.suppress(OSError):  # another user's, or gone meanwhile
            if wanted in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0"):
                yield pid


def name(pid: int) -> str:
    """The program's name, cut to 15 characters; empty when the process is gone."""
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return ""


def ourselves() -> set[int]:
    """This process and those that it descends from."""
    pids, pid = set(), os.getpid()
    while pid > 1:
        pids.add(pid)
        fields = _fields(pid)
        pid = int(fields[_PARENT]) if fields else 0
    return pids


def _all() -> Iterator[int]:
    return (int(path.name) for path in Path("/proc").glob("[0-9]*"))


def _fields(pid: int) -> list[str]:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []
