"""One PostgreSQL server: made new or from a backup, started, asked, stopped, or killed as by a power cut."""

from __future__ import annotations

import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, LiteralString

from rehearsal.postgres.archive import Archive, Base
from rehearsal.postgres.interlock import end_family, release_interlock
from rehearsal.postgres.programs import PostgresError, Programs, tail
from rehearsal.processes import Child

if TYPE_CHECKING:
    import psycopg

SUPERUSER = "rdsadmin"
"""The provider's own superuser; reachable only by the socket, whose folder nobody else enters."""
_SETTINGS = {
    # a laptop's share of memory; what RDS derives from the instance class is not rehearsed
    "shared_buffers": "16MB",
    "max_connections": "100",
    "max_wal_size": "64MB",
    "min_wal_size": "2MB",
    "max_wal_senders": "3",
    "max_worker_processes": "4",
    "jit": "off",
    "huge_pages": "off",
    # shared memory in the data folder: a killed server leaves nothing behind outside of the world's home
    "dynamic_shared_memory_type": "mmap",
    # the world's power cut kills processes, not the kernel: what was written to a file stays written
    "fsync": "off",
    "password_encryption": "scram-sha-256",
    "track_commit_timestamp": "on",
    "wal_level": "replica",
    "archive_mode": "on",
    "hot_standby": "off",  # nobody reads from a database that is still being restored
    "timezone": "UTC",
    "log_timezone": "UTC",
    "logging_collector": "off",
    "ssl": "on",
    "cluster_name": "",
}
_PATIENCE_S = 60.0
_PROMPT_S = 10.0


@dataclass(frozen=True)
class Recovery:
    """Where a server that is made from a backup gets its log, and where it stops.

    `target` is one of PostgreSQL's recovery targets: a parameter's name and value.
    """

    archive: Archive
    target: tuple[str, str]

    @classmethod
    def until(cls, archive: Archive, moment: datetime) -> Recovery:
        """All that had committed by `moment`.

        A moment after the last commit is never reached, which PostgreSQL holds for an error; then the last
        commit itself is the target, whatever is archived meanwhile. LookupError when nothing ever committed.
        """
        last = archive.last_commit()
        if last is None:
            raise LookupError(f"no commit in {archive.wal}")
        if last.at <= moment:
            return cls(archive, ("recovery_target_lsn", last.lsn))
        return cls(archive, ("recovery_target_time", moment.strftime("%Y-%m-%d %H:%M:%S.%f+00")))

    @classmethod
    def of_the_backup(cls, archive: Archive) -> Recovery:
        """The moment at which the base backup was finished."""
        return cls(archive, ("recovery_target", "immediate"))

    def settings(self) -> dict[str, str]:
        """What postgresql.conf says about it."""
        name, value = self.target
        return {
            name: value,
            "restore_command": f"cp {self.archive.wal}/%f %p",
            "recovery_target_timeline": "current",
            "recovery_target_inclusive": "on",
            "recovery_target_action": "promote",
        }


@dataclass(frozen=True)
class Shape:
    """How a server is configured from outside: its archive, TLS files, and the user's parameters."""

    archive_command: str
    archive_timeout_s: int
    certificate: Path
    key: Path
    force_tls: bool
    parameters: Mapping[str, str] = field(default_factory=dict)


class Cluster:
    """A server's data folder and, while it runs, its process."""

    def __init__(
        self, programs: Programs, folder: Path, sockets: Path, *, may_run: Callable[[], bool] = lambda: True
    ) -> None:
        self._programs = programs
        self.folder = folder
        self.data = folder / "data"
        self.log = folder / "postgres.log"
        self.sockets = sockets
        self._may_run = may_run
        self._child: Child | None = None
        self._lock = threading.Lock()
        programs.make_folder(folder)
        programs.make_folder(sockets)

    # --- making ----------------------------------------------------------------------------------------

    def make_new(self, template: Path) -> None:
        """Data of a server that was never started before."""
        self._programs.copy_folder(template, self.data, log=self.log)

    def make_from(self, base: Base, recovery: Recovery | None, shape: Shape) -> None:
        """Data as of a base backup; the next start recovers it to where `recovery` says.

        Without `recovery`, to the moment at which a base backup with its log inside was finished.
        """
        self._programs.copy_folder(base.folder, self.data, log=self.log)
        self.configure(shape, recovery)
        if recovery is not None:
            self._programs.write(self.data / "recovery.signal", "")

    def configure(self, shape: Shape, recovery: Recovery | None = None) -> None:
        """Write its configuration; a running server takes it over where PostgreSQL can without a restart."""
        settings = {
            **_SETTINGS,
            **shape.parameters,
            "archive_command": shape.archive_command,
            "archive_timeout": f"{shape.archive_timeout_s}s",
            "unix_socket_directories": str(self.sockets),
            **(recovery.settings() if recovery else {}),
        }
        lines = [f"{name} = {_quoted(value)}" for name, value in settings.items()]
        self._programs.write(self.data / "server.crt", shape.certificate.read_bytes())
        self._programs.write(self.data / "server.key", shape.key.read_bytes())
        self._programs.write(self.data / "postgresql.conf", "\n".join(lines) + "\n")
        access = [f"local all {SUPERUSER} trust", f"local replication {SUPERUSER} trust"]
        access.append(f"host all {SUPERUSER} all reject")
        access.append(f"{'hostssl' if shape.force_tls else 'host'} all all all scram-sha-256")
        self._programs.write(self.data / "pg_hba.conf", "\n".join(access) + "\n")
        if self.running:
            self.sql("SELECT pg_reload_conf()")

    # --- running ---------------------------------------------------------------------------------------

    @property
    def running(self) -> bool:
        """Whether its process is there."""
        child = self._child
        return child is not None and child.alive()

    def start(self, listen: str | None, port: int) -> None:
        """Start it and wait until SQL answers; `listen` None: only through the socket.

        Raises PostgresError when it ends instead, or when the place where it runs has gone.
        """
        argv = [str(self._programs.bin / "postgres"), "-D", str(self.data)]
        argv += ["-c", f"listen_addresses={listen or ''}", "-c", f"port={port}"]
        with self._lock:
            if not self._may_run():
                raise PostgresError("the region is gone")
            (self.data / "postmaster.pid").unlink(missing_ok=True)  # of a server that was killed
            self._child = self._programs.start(argv, cwd=self.folder, log=self.log)
            self.port = port
        self._wait_ready(self._child)

    def _wait_ready(self, child: Child) -> None:
        # postmaster.pid's eighth line, as pg_ctl reads it (storage/pidfile.h); recovery may take its time
        status = self.data / "postmaster.pid"
        while True:
            if not child.alive():
                raise PostgresError(f"the server in {self.folder} ended while it started: {tail(self.log)}")
            try:
                lines = status.read_text().splitlines()
            except OSError:
                lines = []
            if len(lines) >= 8 and lines[7].strip() == "ready":
                # a checkpointer that looked before recovery was over sleeps for checkpoint_timeout, blind to
                # archive_timeout: after a clean restart nothing would be archived for five minutes
                child.process.send_signal(signal.SIGHUP)
                return
            time.sleep(0.01)

    def stop(self) -> None:
        """Shut it down in order: connections end, everything is written and archived."""
        with self._lock:
            child, self._child = self._child, None
        if child is None or not child.alive():
            return
        child.process.send_signal(signal.SIGINT)
        try:
            child.process.wait(_PATIENCE_S)
        except subprocess.TimeoutExpired:
            end_family(child)

    def kill(self) -> None:
        """End it as a power cut would."""
        with self._lock:
            child, self._child = self._child, None
            if child is not None:
                end_family(child)
                release_interlock(self.data)

    def remove(self) -> None:
        """Delete what it stored."""
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)
        shutil.rmtree(self.sockets, ignore_errors=True)

    # --- asking ----------------------------------------------------------------------------------------

    def connect(self, database: str = "postgres") -> psycopg.Connection[tuple[Any, ...]]:
        """A superuser's connection through the socket, in autocommit mode."""
        import psycopg

        return psycopg.connect(
            host=str(self.sockets),
            port=self.port,
            user=SUPERUSER,
            dbname=database,
            autocommit=True,
            connect_timeout=int(_PROMPT_S),
        )

    def sql(self, statement: LiteralString, *values: Any) -> list[tuple[Any, ...]]:
        """Run one statement as superuser; psycopg.Error as it comes."""
        with self.connect() as connection:
            cursor = connection.execute(statement, values or None)
            return cursor.fetchall() if cursor.description else []


def make_template(programs: Programs, target: Path, prepare_sql: str) -> Path:
    """A data folder as initdb leaves it, with `prepare_sql` run in it, to copy new servers from."""
    if target.exists():
        return target
    part = target.with_name(f"{target.name}.part")
    programs.make_folder(target.parent)
    log = target.parent / "initdb.log"
    argv = [str(programs.bin / "initdb"), "-D", str(part), "-U", SUPERUSER, "--auth=trust", "--no-sync"]
    argv += ["--no-instructions", "--encoding=UTF8", "--locale=C.UTF-8", "--wal-segsize=1"]
    programs.run(argv, cwd=target.parent, log=log)
    script = target.parent / "prepare.sql"
    programs.write(script, prepare_sql)
    single = f"exec {programs.bin}/postgres --single -j -D {part} -c fsync=off postgres < {script}"
    programs.run(["sh", "-c", single], cwd=target.parent, log=log)
    part.rename(target)
    return target


def _quoted(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"
