"""All DB servers of a world, the replication of their backups, and what losing a region does to them."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

from psycopg import Error as SqlError

from rehearsal.aws.rds.backups import Replication
from rehearsal.aws.rds.jobs import Outages
from rehearsal.aws.rds.server import Server
from rehearsal.aws.rds.snapshots import stamp
from rehearsal.log import log
from rehearsal.postgres.cluster import make_template
from rehearsal.postgres.interlock import sweep_interlocks
from rehearsal.postgres.programs import PostgresError, Programs
from rehearsal.world import World

if TYPE_CHECKING:
    from rehearsal.aws.rds.instance import DBInstance

_ROLES = """
CREATE ROLE rds_superuser NOLOGIN;

GRANT pg_monitor, pg_signal_backend, pg_checkpoint, pg_create_subscription TO rds_superuser WITH ADMIN OPTION;

"""


class Fleet:
    """Everything of RDS that is not an API."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.programs = Programs(world.settings, world.spawn)
        sweep_interlocks()
        self.servers: list[Server] = []
        """Servers that exist, and those whose automated backups were kept."""
        self.replications: list[Replication] = []
        self.lock = threading.RLock()
        self.outages = Outages(world)
        self._template = threading.Lock()
        threading.Thread(target=self.template, daemon=True, name="rds-template").start()
        world.on_loss(self._lost)
        world.on_return(self._returned)
        world.on_end(self._ended)
        scale = world.settings.scale
        pulse = world.cloud_seconds("rds.log-upload") / 2 / scale
        world.every(max(0.5, pulse), self._heartbeat, name="rds-heartbeat")
        lag = world.cloud_seconds("rds.replication") / scale
        world.every(min(1.0, max(0.1, lag / 20)), self._replicate, name="rds-replication")

    # --- places ----------------------------------------------------------------------------------------

    def template(self) -> Path:
        """What new servers are copied from."""
        with self._template:
            return make_template(self.programs, self.world.settings.home / "rds" / "template", _ROLES)

    def socket_folder(self, resource_id: str) -> Path:
        """A short path, since a socket's may have 107 bytes only."""
        return self.world.settings.home / "s" / resource_id[-8:].lower()

    # --- servers ---------------------------------------------------------------------------------------

    def add(self, database: DBInstance) -> Server:
        """A server for a new DB instance; it has nothing to do yet."""
        server = Server(self, database)
        with self.lock:
            self.servers.append(server)
        return server

    def forget(self, server: Server) -> None:
        """A server that left nothing behind; its automated snapshots go with its archive."""
        listed = server.database.backend.database_snapshots
        with self.lock:
            for name, snapshot in list(listed.items()):
                if snapshot.snapshot_type == "automated" and snapshot.dbi_resource_id == server.id:
                    listed.pop(name, None)
            self.servers.remove(server)

    def by_arn(self, arn: str) -> Server | None:
        """The server of an existing DB instance."""
        with self.lock:
            return next((each for each in self.servers if each.database.arn == arn and not each.gone), None)

    def using_parameter_group(self, region: str, name: str) -> list[Server]:
        """Servers whose instance has that parameter group."""
        with self.lock:
            found = [each for each in self.servers if each.region == region and not each.gone]
        return [each for each in found if each.database.db_parameter_groups()[0].name == name.lower()]

    def publish(self) -> None:
        """Tell what there is: feed section `databases`, for whoever looks at a world from outside."""
        with self.lock:
            rows = [
                {
                    "region": each.region,
                    "identifier": each.database.db_instance_identifier,
                    "resource_id": each.id,
                    "address": each.database.address,
                    "port": each.database.port,
                    "data": str(each.cluster.data),
                    "archive": str(each.archive.folder),
                }
                for each in self.servers
                if not each.gone
            ]
        self.world.publish("databases", rows)

    def note_backup(self, server: Server) -> None:
        """List a base backup among the automated snapshots."""
        database = server.database
        name = stamp(database)
        with self.lock:
            if name not in database.backend.database_snapshots:  # names have minutes; ours come faster
                snapshot: Any = database.backend.create_auto_snapshot(database.db_instance_identifier, name)
                snapshot.base = server.archive.bases()[-1]

    # --- controllers -----------------------------------------------------------------------------------

    def _heartbeat(self) -> None:
        """RDS writes a row of its own now and then, so that the log goes on when nobody writes."""
        for server in list(self.servers):
            if not server.serving or self.world.is_lost(server.region):
                continue
            try:
                server.resume()  # RDS restarts what crashed
                server.cluster.sql("SELECT pg_current_xact_id()")
            except (SqlError, OSError, PostgresError) as error:
                if server.serving and not self.world.is_lost(server.region):
                    log.warning("no heartbeat", instance=server.id, error=str(error))

    def _replicate(self) -> None:
        for replication in list(self.replications):
            replication.copy_due()

    # --- regions ---------------------------------------------------------------------------------------

    def _lost(self, region: str) -> None:
        self.outages.begin(region)
        for server in list(self.servers):
            if server.region == region:
                server.cluster.kill()

    def _returned(self, region: str) -> None:
        for server in list(self.servers):
            if server.region == region:
                try:
                    server.resume()
                except PostgresError:
                    log.exception("server did not come back", instance=server.database.db_instance_identifier)
        self.outages.end(region)

    def _ended(self) -> None:
        for server in list(self.servers):
            server.serving = False
            server.cluster.kill()
