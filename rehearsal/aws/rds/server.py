"""What is behind a DB instance: its PostgreSQL server, its archive, and what can be done to them."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

from psycopg import sql

from rehearsal import pki
from rehearsal.aws.rds.backups import new_backup_arn
from rehearsal.aws.rds.jobs import Jobs
from rehearsal.postgres.archive import Archive, Base
from rehearsal.postgres.cluster import SUPERUSER, Cluster, Recovery, Shape

if TYPE_CHECKING:
    from rehearsal.aws.rds.fleet import Fleet
    from rehearsal.aws.rds.instance import DBInstance

_OF_THE_CLASS = frozenset(
    {"shared_buffers", "max_connections", "effective_cache_size", "work_mem", "maintenance_work_mem"}
)
"""Parameters that follow the memory of an instance class; a laptop has its own."""


class Server:
    """One DB instance's data plane."""

    def __init__(self, fleet: Fleet, database: DBInstance) -> None:
        self.fleet = fleet
        self.world = fleet.world
        self.database = database
        self.region: str = database.region
        self.id: str = database.dbi_resource_id
        self.backup_arn = new_backup_arn(self.region, database.account_id)
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
        self._resuming = threading.Lock()
        self.jobs = Jobs(self.world, database, fleet.outages)
        database.server = self

    @property
    def address(self) -> str:
        """Where it listens; follows the instance's identifier, as a DNS name does at AWS."""
        return self.world.address(self.region, f"rds/{self.database.db_instance_identifier}")

    # --- life ------------------------------------------------------------------------------------------

    def create(self, password: str, cause: str) -> None:
        """Make it new."""
        self._begin("rds.create", lambda: self._make_new(password), cause)

    def restore(self, base: Base, recovery: Recovery | None, cause: str) -> None:
        """Make it from backups."""
        self._begin("rds.restore", lambda: self._recover(base, recovery), cause)

    def _begin(self, what: str, make: Callable[[], None], cause: str) -> None:
        def work(why: str) -> None:
            self.jobs.meanwhile(what, why, make)
            self.open()

        self.jobs.submit("creating", work, cause)
        if self.database.backup_retention_period:
            self.jobs.submit("backing-up", self.back_up, cause)
        if self.database.multi_az:
            self.take_time("modifying", cause, lambda: None, what="rds.multi-az-create")

    def _make_new(self, password: str) -> None:
        database = self.database
        self.cluster.make_new(self.fleet.template())
        self.cluster.configure(self.shape())
        self.cluster.start(None, database.port)
        user, owner = sql.Identifier(database.master_username), sql.Literal(password)
        statements = [
            sql.SQL("CREATE ROLE {} LOGIN CREATEROLE CREATEDB PASSWORD {}").format(user, owner),
            sql.SQL("GRANT rds_superuser TO {} WITH ADMIN OPTION").format(user),
            sql.SQL("ALTER DATABASE postgres OWNER TO {}").format(user),
        ]
        if database.db_name and database.db_name != "postgres":
            name = sql.Identifier(database.db_name)
            statements.append(sql.SQL("CREATE DATABASE {} OWNER {}").format(name, user))
        with self.cluster.connect() as connection:
            for statement in statements:
                connection.execute(statement)
        self.cluster.stop()

    def _recover(self, base: Base, recovery: Recovery | None) -> None:
        self.cluster.make_from(base, recovery, self.shape())
        self.cluster.start(None, self.database.port)
        self.cluster.stop()

    def open(self) -> None:
        """Let clients in."""
        self.cluster.configure(self.shape())
        self.cluster.start(self.address, self.database.port)
        self.serving = True
        self.database.published = (self.address, self.database.port)
        self.database.pending_reboot = False
        self.fleet.publish()

    def close(self) -> None:
        """Shut it down in order."""
        self.serving = False
        self.cluster.stop()

    def back_up(self, cause: str) -> None:
        """Take a base backup into the region's own archive."""
        self.jobs.meanwhile(
            "rds.backing-up", cause, lambda: self.archive.take_base(self.cluster.sockets, SUPERUSER)
        )
        self.fleet.note_backup(self)

    def resume(self) -> None:
        """Start a server that should be up from what is on its disk: its region is back, or it crashed."""
        with self._resuming:
            if self.serving and not self.cluster.running and not self.world.is_lost(self.region):
                self.open()

    # --- what is asked of it ---------------------------------------------------------------------------

    def take_time(
        self, status: str, cause: str, then: Callable[[], None], *, what: str = "rds.modify"
    ) -> None:
        """Show a state for as long as AWS takes, then do it."""

        def work(why: str) -> None:
            self.world.wait(what, self.region, cause=why)
            then()

        self.jobs.submit(status, work, cause)

    def reboot(self, *, failover: bool, cause: str) -> None:
        """Restart it; with failover, as its standby in the other zone."""
        self.jobs.submit("rebooting", self._fail_over if failover else self._restart, cause)

    def _restart(self, cause: str) -> None:
        self.close()
        self.jobs.meanwhile("rds.reboot", cause, self.open)

    def _fail_over(self, cause: str) -> None:
        self.serving = False
        self.cluster.kill()
        self.world.wait("rds.failover", self.region, cause=cause)
        self.database.swap_zones()
        self.open()

    def halt(self, cause: str) -> None:
        """Stop it, as StopDBInstance does."""

        def work(why: str) -> None:
            self.jobs.meanwhile("rds.stop", why, self.close)
            self.database.status = "stopped"

        self.jobs.submit("stopping", work, cause)

    def delete(self, *, keep_backups: bool, cause: str) -> None:
        """End it for good; its archive goes too, unless it is kept."""

        def work(why: str) -> None:
            self.jobs.meanwhile("rds.delete", why, self.close)
            self.gone = True
            with self.fleet.lock:
                self.database.backend.databases.pop(self.database.db_instance_identifier, None)
            self.cluster.remove()
            if not keep_backups or not self.database.backup_retention_period:
                self.archive.remove()
                self.fleet.forget(self)
            self.fleet.publish()
            self.jobs.end()

        self.jobs.submit("deleting", work, cause)

    # --- configuration ---------------------------------------------------------------------------------

    def shape(self) -> Shape:
        """How the server is to be configured now, from its parameter group and its backups."""
        settings, wal = self.world.settings, self.archive.wal
        tls = pki.issue(settings.home, [], [self.address])
        command = f"cp --sparse=always %p {wal}/%f.part && mv {wal}/%f.part {wal}/%f"
        parameters = self.parameters()
        return Shape(
            archive_command=command if self.database.backup_retention_period else "true",
            archive_timeout_s=max(1, round(self.world.cloud_seconds("rds.log-upload") / settings.scale)),
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
        group = self.database.db_parameter_groups()[0].parameters.items()
        return {name: str(row["ParameterValue"]) for name, row in group if "ParameterValue" in row}

    def reconfigure(self) -> None:
        """Take over what its parameter group says now, as far as that needs no restart."""
        if self.serving and self.cluster.running:
            self.cluster.configure(self.shape())
            (pending,) = self.cluster.sql("SELECT count(*) FROM pg_settings WHERE pending_restart")
            self.database.pending_reboot = bool(pending[0])
