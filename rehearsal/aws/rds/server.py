"""What is behind a DB instance: its PostgreSQL server, its archive, and what is being done to it.

Everything that takes AWS time is a job; a server does one after the other. A job that a lost region
interrupts is done again when the region is back, so each can be repeated.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from psycopg import Error as SqlError
from psycopg import sql

from rehearsal import pki
from rehearsal.aws.rds.backups import new_backup_arn
from rehearsal.log import log
from rehearsal.postgres.archive import Archive, Base
from rehearsal.postgres.cluster import SUPERUSER, Cluster, Recovery, Shape
from rehearsal.postgres.programs import PostgresError
from rehearsal.world import RegionLostError

if TYPE_CHECKING:
    from rehearsal.aws.rds.fleet import Fleet
    from rehearsal.aws.rds.instance import DBInstance

_OF_THE_CLASS = frozenset({"shared_buffers", "max_connections", "effective_cache_size", "work_mem", "maintenance_work_mem"})
_ENDED = frozenset({"deleting", "stopped", "failed"})


@dataclass(frozen=True)
class Job:
    """Something that is done to a server: the state shown meanwhile, and who asked for it (a user agent)."""

    status: str
    do: Callable[[str], None]
    cause: str


class Server:
    """One DB instance's data plane."""

    def __init__(self, fleet: Fleet, database: DBInstance) -> None:
        self.fleet = fleet
        self.world = fleet.world
        self.database = database
        self.region: str = database.region
        self.id: str = database.dbi_resource_id
        database.server = self
        home = self.world.settings.home
        self.archive = Archive(fleet.programs, home / "backups" / self.region / self.id)
        self.cluster = Cluster(
            fleet.programs,
            home / "rds" / self.region / self.id,
            fleet.socket_folder(self.id),
            may_run=lambda: not self.world.is_lost(self.region),
        )
        self.serving = False
        """Whether its server should be up."""
        self.gone = False
        """Whether its DB instance was deleted; its automated backups may have been kept."""
        self.backup_arn = new_backup_arn(self.region, database.account_id)
        self._jobs: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._waiting = 0
        threading.Thread(target=self._work, daemon=True, name=f"rds-{database.db_instance_identifier}").start()

    # --- jobs ------------------------------------------------------------------------------------------

    def submit(self, status: str, do: Callable[[str], None], cause: str) -> None:
        """Do this after what was asked before; the instance is `available` when nothing is left to do."""
        self._waiting += 1
        if self.database.status in ("available", "stopped"):
            self.database.status = status
        self._jobs.put(Job(status, do, cause))

    def end(self) -> None:
        """No more jobs."""
        self._jobs.put(None)

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            self._finish(job)
            self._waiting -= 1
            if not self._waiting and self.database.status not in _ENDED:
                self.database.status = "available"

    def _finish(self, job: Job) -> None:
        while True:
            self.database.status = job.status
            try:
                job.do(job.cause)
            except (RegionLostError, PostgresError, SqlError, OSError, LookupError) as error:
                if not self.world.is_lost(self.region):
                    log.exception("RDS job failed", instance=self.database.db_instance_identifier, job=job.status)
                    self.database.status = "failed"
                    return
                log.info("RDS job interrupted", instance=self.id, job=job.status, error=str(error))
                self.fleet.wait_for_return(self.region)
            else:
                return

    def _meanwhile(self, what: str, cause: str, do: Callable[[], Any]) -> None:
        """Do something real while the cloud takes its own time for the whole of it."""
        with ThreadPoolExecutor(1) as pool:
            cloud = pool.submit(self.world.wait, what, self.region, cause=cause)
            do()
            cloud.result()

    # --- life ------------------------------------------------------------------------------------------

    def create(self, password: str, cause: str) -> None:
        """Make it new."""
        self.submit("creating", lambda why: self._bring_up("rds.create", why, lambda: self._make_new(password)), cause)
        self._settle(cause)

    def restore(self, base: Base, recovery: Recovery, cause: str) -> None:
        """Make it from backups."""
        work = lambda: self._recover(base, recovery)  # noqa: E731
        self.submit("creating", lambda why: self._bring_up("rds.restore", why, work), cause)
        self._settle(cause)

    def _settle(self, cause: str) -> None:
        if self.database.backup_retention_period:
            self.submit("backing-up", self.back_up, cause)
        if self.database.multi_az:
            self.submit("modifying", lambda why: self.world.wait("rds.multi-az-create", self.region, cause=why), cause)

    def _bring_up(self, what: str, cause: str, make: Callable[[], None]) -> None:
        self._meanwhile(what, cause, make)
        self.open()

    def _make_new(self, password: str) -> None:
        database = self.database
        self.cluster.make_new(self.fleet.template())
        self.cluster.configure(self.shape())
        self.cluster.start(None, database.port)
        user = sql.Identifier(database.master_username)
        with self.cluster.connect() as connection:
            connection.execute(
                sql.SQL("CREATE ROLE {} LOGIN CREATEROLE CREATEDB PASSWORD {} IN ROLE rds_superuser").format(
                    user, sql.Literal(password)
                )
            )
            connection.execute(sql.SQL("GRANT rds_superuser TO {} WITH ADMIN OPTION").format(user))
            connection.execute(sql.SQL("ALTER DATABASE postgres OWNER TO {}").format(user))
            if database.db_name and database.db_name != "postgres":
                name = sql.Identifier(database.db_name)
                connection.execute(sql.SQL("CREATE DATABASE {} OWNER {}").format(name, user))
        self.cluster.stop()

    def _recover(self, base: Base, recovery: Recovery) -> None:
        self.cluster.make_from(base, recovery, self.shape())
        self.cluster.start(None, self.database.port)
        self.cluster.stop()
        self.cluster.configure(self.shape())

    def open(self) -> None:
        """Let clients in."""
        address = self.world.address(self.region, f"rds/{self.database.db_instance_identifier}")
        self.cluster.configure(self.shape())
        self.cluster.start(address, self.database.port)
        self.serving = True
        self.database.published = (address, self.database.port)
        self.fleet.publish()

    def close(self) -> None:
        """Shut it down in order."""
        self.serving = False
        self.cluster.stop()

    def back_up(self, cause: str) -> None:
        """Take a base backup into the region's own archive."""
        self._meanwhile("rds.backing-up", cause, lambda: self.archive.take_base(self.cluster.sockets, SUPERUSER))
        self.fleet.note_backup(self)

    def reboot(self, *, failover: bool, cause: str) -> None:
        """Restart it; with failover, as its standby in the other zone."""
        self.submit("rebooting", self._fail_over if failover else self._restart, cause)

    def halt(self, cause: str) -> None:
        """Stop it, as StopDBInstance does."""

        def work(why: str) -> None:
            self._meanwhile("rds.stop", why, self.close)
            self.database.status = "stopped"

        self.submit("stopping", work, cause)

    def delete(self, *, keep_backups: bool, cause: str) -> None:
        """End it for good; its archive goes too, unless it is kept."""

        def work(why: str) -> None:
            self._meanwhile("rds.delete", why, self.close)
            self.gone = True
            self.database.backend.databases.pop(self.database.db_instance_identifier, None)
            self.cluster.remove()
            if not keep_backups or not self.database.backup_retention_period:
                self.archive.remove()
                self.fleet.forget(self)
            self.fleet.publish()
            self.end()

        self.database.status = "deleting"
        self.submit("deleting", work, cause)

    def _restart(self, cause: str) -> None:
        self.close()
        self._meanwhile("rds.reboot", cause, self.open)

    def _fail_over(self, cause: str) -> None:
        self.serving = False
        self.cluster.kill()
        self.world.wait("rds.failover", self.region, cause=cause)
        self.database.swap_zones()
        self.open()

    # --- configuration ---------------------------------------------------------------------------------

    def shape(self) -> Shape:
        """How the server is to be configured now, from its parameter group and its backups."""
        address = self.world.address(self.region, f"rds/{self.database.db_instance_identifier}")
        tls = pki.issue(self.world.settings.home, [], [address])
        wal: Path = self.archive.wal
        command = f"cp --sparse=always %p {wal}/%f.part && mv {wal}/%f.part {wal}/%f"
        parameters = self.parameters()
        return Shape(
            archive_command=command if self.database.backup_retention_period else "true",
            archive_timeout_s=max(1, round(self.world.cloud_seconds("rds.log-upload") / self.world.settings.scale)),
            certificate=tls.cert,
            key=tls.key,
            force_tls=parameters.pop("rds.force_ssl", "1") == "1",
            parameters={
                name: value
                for name, value in parameters.items()
                if not name.startswith("rds.") and name not in _OF_THE_CLASS and "{" not in value
            },
        )

    def parameters(self) -> dict[str, str]:
        """What its parameter group sets."""
        group = self.database.db_parameter_groups()[0]
        return {
            name: str(values["ParameterValue"]) for name, values in group.parameters.items() if "ParameterValue" in values
        }

    def reconfigure(self) -> None:
        """Take over what its parameter group says now, as far as that needs no restart."""
        if self.serving and self.cluster.running:
            self.cluster.configure(self.shape())

    # --- regions ---------------------------------------------------------------------------------------

    def resume(self) -> None:
        """The region is back: the server starts from what is on its disk."""
        if self.serving and not self.cluster.running:
            self.open()
