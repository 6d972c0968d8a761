"""One process carries out a run at a time: a lock that the system gives back when its holder dies."""

from __future__ import annotations

import fcntl
import json
import os
import platform
from pathlib import Path

from recovery.errors import Refusal
from recovery.procfs import start_time


class Lease:
    """Holds `lease` in the run's folder. A stopped process keeps it: nobody works beside it unknowingly."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "lease"
        self._file = self._path.open("a+")
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            who = holder(folder)
            self._file.close()
            raise Refusal(
                f"run {folder.name} is being carried out by {who or 'another process'}",
                means="two at once would do steps twice",
                cure="wait for it, or end that process and try again",
            ) from error
        self._file.truncate(0)
        self._file.write(
            json.dumps(
                {
                    "version": 1,
                    "pid": os.getpid(),
                    "started": start_time(os.getpid()),
                    "host": platform.node(),
                }
            )
        )
        self._file.flush()

    def release(self) -> None:
        """Give it back."""
        self._file.close()


def holder(folder: Path) -> str | None:
    """Who carries out the run now (`process 4711 on host`); None when nobody does."""
    try:
        with (folder / "lease").open("r") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                try:
                    data = json.loads(file.read())
                except ValueError:
                    return "another process"
                return f"process {data['pid']} on {data['host']}"
    except OSError:
        return None
    return None
