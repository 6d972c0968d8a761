"""Run PostgreSQL's programs as the user that the world's servers run as."""

from __future__ import annotations

import os
import shutil
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from rehearsal.processes import Child

if TYPE_CHECKING:
    from rehearsal.world import WorldSettings

_LOG_LINES = 12


class PostgresError(RuntimeError):
    """One of PostgreSQL's programs failed; the message ends with what it said last."""


class Spawn(Protocol):
    """`World.spawn`, or that of a `Spawner` of one's own."""

    def __call__(self, argv: list[str], *, cwd: Path, env: dict[str, str], log: Path) -> Child:
        """Start an unprivileged child."""


class Programs:
    """PostgreSQL's programs, and the files that they own."""

    def __init__(self, settings: WorldSettings, spawn: Spawn) -> None:
        self._spawn = spawn
        self.bin = settings.postgres
        self.uid = settings.uid

    def environment(self) -> dict[str, str]:
        """All that a PostgreSQL program of the world sees; nothing of the user's own."""
        path = f"{self.bin}:{os.defpath}:/usr/sbin"
        return {"PATH": path, "LC_ALL": "C.UTF-8", "TZ": "UTC", "HOME": "/nonexistent"}

    def start(self, argv: list[str], *, cwd: Path, log: Path) -> Child:
        """Start a server that dies with the world."""
        return self._spawn(argv, cwd=cwd, env=self.environment(), log=log)

    def run(self, argv: list[str], *, cwd: Path, log: Path) -> None:
        """Run a program to its end; PostgresError when it fails."""
        child = self.start(argv, cwd=cwd, log=log)
        if child.process.wait() != 0:
            raise PostgresError(f"{Path(argv[0]).name} ended with {child.process.returncode}: {tail(log)}")

    def make_folder(self, path: Path) -> Path:
        """A folder that PostgreSQL's user owns, and nobody else reads."""
        path.mkdir(parents=True, exist_ok=True)
        path.chmod(0o700)
        self.give(path)
        return path

    def give(self, path: Path) -> None:
        """Hand a file or folder to PostgreSQL's user."""
        if self.uid is not None:
            os.chown(path, self.uid, self.uid)

    def write(self, path: Path, content: str | bytes, *, mode: int = 0o600) -> None:
        """Write a file of PostgreSQL's; whoever reads it meanwhile sees the old one or the new one, whole."""
        part = path.with_name(f"{path.name}.{threading.get_ident()}.part")
        part.write_bytes(content.encode() if isinstance(content, str) else content)
        part.chmod(mode)
        self.give(part)
        part.replace(path)

    def copy_folder(self, source: Path, target: Path, *, log: Path) -> None:
        """Copy a folder of PostgreSQL's whole, or not at all; the target appears at once."""
        part = target.with_name(f"{target.name}.part")
        shutil.rmtree(part, ignore_errors=True)
        self.run(["cp", "-a", "--sparse=always", str(source), str(part)], cwd=target.parent, log=log)
        shutil.rmtree(target, ignore_errors=True)
        part.rename(target)


def tail(log: Path) -> str:
    """The last lines of a log, for an error message."""
    try:
        return " | ".join(log.read_text(errors="replace").splitlines()[-_LOG_LINES:])
    except OSError:
        return "(no log)"
