"""Commits in write-ahead log, read by PostgreSQL's own pg_waldump."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path

SEGMENT = re.compile(r"^[0-9A-F]{24}$")
_COMMIT = re.compile(
    r"tx:\s+(\d+), lsn: (\S+),.*desc: COMMIT (?:PREPARED )?(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d+)?) UTC"
)


@dataclass(frozen=True)
class Commit:
    """A transaction's commit record; `at` has microseconds, as PostgreSQL writes it."""

    xid: int
    lsn: str
    at: datetime


def segments(folder: Path) -> list[Path]:
    """The whole segments in a folder, oldest first (of one timeline after the other)."""
    try:
        return sorted(path for path in folder.iterdir() if SEGMENT.match(path.name))
    except FileNotFoundError:
        return []


def commits(pg_bin: Path, first: Path, last: Path | None = None) -> Iterator[Commit]:
    """Commits from one segment, or from `first` to `last` of the same folder, in the log's order.

    What cannot be read (a record that goes on in a segment that is not there) ends the reading quietly:
    the end of a log always looks like that.
    """
    argv = [str(pg_bin / "pg_waldump"), "--rmgr=Transaction", "--path", str(first.parent), first.name]
    if last is not None and last != first:
        argv.append(last.name)
    done = subprocess.run(argv, capture_output=True, text=True, check=False, env={"TZ": "UTC", "LC_ALL": "C"})
    for found in _COMMIT.finditer(done.stdout):
        yield Commit(int(found[1]), found[2], datetime.fromisoformat(found[3]).replace(tzinfo=UTC))


def last_commit(pg_bin: Path, folder: Path) -> Commit | None:
    """The last commit in a folder of archived segments; None when there is none."""
    for segment in reversed(segments(folder)):
        found = _last_in(pg_bin, segment)
        if found is not None:
            return found
    return None


@lru_cache(maxsize=4096)
def _last_in(pg_bin: Path, segment: Path) -> Commit | None:
    # an archived segment never changes, so it is read once; only the file itself, since a record that
    # goes on in the next segment is not whole here and counts when that one has come
    last = None
    for last in commits(pg_bin, segment, segment):  # noqa: B007
        pass
    return last
