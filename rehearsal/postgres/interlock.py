"""What a PostgreSQL server has outside of its data folder: its children, and a System V segment.

The segment (of one header's size) keeps two servers out of one data folder. A server that is killed leaves it
behind, where it would outlive the world.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import time
from pathlib import Path

from recovery.procfs import start_time
from rehearsal.processes import Child

_BYTES = 56  # sizeof(PGShmemHeader)
_GONE_WITHIN_S = 5.0


def end_family(postmaster: Child) -> None:
    """Kill a server and its backends at once; when this returns, none of them writes any more.

    PostgreSQL's children have process groups of their own, and would only notice in their own time. The
    postmaster is stopped first, so that it starts no more of them.
    """
    with contextlib.suppress(ProcessLookupError):
        os.kill(postmaster.pid, signal.SIGSTOP)
    backends = children(postmaster.pid)
    for pid in backends:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    postmaster.kill()
    until = time.monotonic() + _GONE_WITHIN_S
    while any(start_time(pid) for pid in backends) and time.monotonic() < until:
        time.sleep(0.002)


def children(pid: int) -> list[int]:
    """Processes whose parent it is (proc_pid_stat(5): the fourth field); empty when there is none."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError, IndexError, ValueError):
            if int(stat.read_text().rpartition(")")[2].split()[1]) == pid:
                found.append(int(stat.parent.name))
    return found


def release_interlock(data: Path) -> None:
    """Remove the System V segment of a server that was killed; it would outlive the world.

    Its id is the second word of the seventh line of postmaster.pid (storage/pidfile.h).
    """
    try:
        segment = int((data / "postmaster.pid").read_text().splitlines()[6].split()[1])
    except (OSError, IndexError, ValueError):
        return
    remove_segment(segment)


def sweep_interlocks() -> None:
    """Remove the interlocks that servers of a world left which was itself killed.

    Only segments of PostgreSQL's size that nobody is attached to and whose maker is dead, and that are ours
    to remove. Source: proc_sysvipc(5) /proc/sysvipc/shm: key shmid perms size cpid lpid nattch ...
    """
    try:
        lines = Path("/proc/sysvipc/shm").read_text().splitlines()[1:]
    except OSError:
        return
    for fields in (line.split() for line in lines):
        size, maker, attached = int(fields[3]), int(fields[4]), int(fields[6])
        if size == _BYTES and not attached and not Path(f"/proc/{maker}").exists():
            remove_segment(int(fields[1]))


def remove_segment(segment: int) -> None:
    """shmctl(IPC_RMID); a segment that is not there, or not ours, is left alone."""
    ctypes.CDLL(None, use_errno=True).shmctl(segment, 0, None)
