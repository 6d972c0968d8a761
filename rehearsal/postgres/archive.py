"""A database's archive in one region: base backups and write-ahead log, and what can be restored from it.

The folder is what an object store would hold: `base/<n>/` (a copy of the data folder), `base/<n>.json`
(written last: the backup is whole), `wal/` (segments, and timelines' histories). Nothing in it ever changes.
"""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from rehearsal.postgres import wal
from rehearsal.postgres.programs import Programs

_MS = timedelta(milliseconds=1)


@dataclass(frozen=True)
class Base:
    """A whole base backup; any moment from `finished` on can be restored with it and the log."""

    folder: Path
    started: datetime
    finished: datetime

    @property
    def marker(self) -> Path:
        """The file that says it is whole."""
        return self.folder.with_suffix(".json")


@dataclass(frozen=True)
class Window:
    """The moments that can be restored, in whole milliseconds (UTC)."""

    earliest: datetime
    latest: datetime


class Archive:
    """Base backups and log of one database in one region."""

    def __init__(self, programs: Programs, folder: Path) -> None:
        self._programs = programs
        self.folder = folder
        self.wal = folder / "wal"
        self.log = folder / "archive.log"
        self._lock = threading.Lock()
        self.prepare()

    def prepare(self) -> None:
        """Make the archive's folders where they are not there."""
        for path in (self.folder, self.folder / "base", self.wal):
            self._programs.make_folder(path)

    def bases(self) -> list[Base]:
        """Whole base backups, oldest first."""
        found = []
        for marker in sorted((self.folder / "base").glob("*.json")):
            data = json.loads(marker.read_text())
            times = (datetime.fromisoformat(data["started"]), datetime.fromisoformat(data["finished"]))
            found.append(Base(marker.with_suffix(""), *times))
        return found

    def take_base(self, sockets: Path, user: str, *, with_log: bool = False) -> Base:
        """Copy a running server's data, as pg_basebackup does it; PostgresError when that fails.

        With the log inside it can be restored without an archive; without, the server waits until all
        that is needed has been archived.
        """
        with self._lock:
            number = len(list((self.folder / "base").glob("*.json"))) + 1
            target = self.folder / "base" / f"{number:05d}"
            part = target.with_name(f"{target.name}.part")
            shutil.rmtree(part, ignore_errors=True)
            started = datetime.now(UTC)
            argv = [str(self._programs.bin / "pg_basebackup"), "--host", str(sockets), "--username", user]
            argv += [f"--wal-method={'fetch' if with_log else 'none'}", "--pgdata", str(part)]
            argv += ["--checkpoint=fast", "--no-sync", "--no-manifest"]
            self._programs.run(argv, cwd=self.folder, log=self.log)
            return self.add_base(part, started, datetime.now(UTC))

    def add_base(self, part: Path, started: datetime, finished: datetime) -> Base:
        """Make a copied data folder (`<n>.part`) a base backup of this archive."""
        target = part.with_suffix("")
        shutil.rmtree(target, ignore_errors=True)
        part.rename(target)
        base = Base(target, started, finished)
        times = {"version": 1, "started": started.isoformat(), "finished": finished.isoformat()}
        self._programs.write(base.marker, json.dumps(times))
        return base

    def window(self) -> Window | None:
        """What can be restored; None while there is no whole backup with a commit after it."""
        bases = self.bases()
        last = self.last_commit()
        if not bases or last is None:
            return None
        earliest, latest = ceil_ms(bases[0].finished), floor_ms(last.at)
        return Window(earliest, latest) if latest >= earliest else None

    def last_commit(self) -> wal.Commit | None:
        """The last transaction's commit in the archived log."""
        return wal.last_commit(self._programs.bin, self.wal)

    def base_for(self, moment: datetime) -> Base:
        """The youngest base backup from which `moment` can be reached; LookupError when there is none."""
        usable = [base for base in self.bases() if base.finished <= moment]
        if not usable:
            raise LookupError(f"no base backup before {moment.isoformat()}")
        return usable[-1]

    def log_files(self) -> Iterator[Path]:
        """Everything whole in the log's folder."""
        try:
            found = sorted(self.wal.iterdir())
        except FileNotFoundError:  # removed
            return
        yield from (path for path in found if not path.name.endswith(".part"))

    def remove(self) -> None:
        """Delete the archive."""
        shutil.rmtree(self.folder, ignore_errors=True)


def floor_ms(moment: datetime) -> datetime:
    """The whole millisecond at or before: AWS's API gives times in milliseconds."""
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


def ceil_ms(moment: datetime) -> datetime:
    """The whole millisecond at or after."""
    down = floor_ms(moment)
    return down if down == moment else down + _MS
