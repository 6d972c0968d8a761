"""DB snapshots: base backups with their log inside, which can be restored without an archive."""

from __future__ import annotations

import threading
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from moto.rds import exceptions

from rehearsal.aws.rds import checks
from rehearsal.postgres.archive import Archive
from rehearsal.postgres.cluster import SUPERUSER
from rehearsal.world import RegionLostError

if TYPE_CHECKING:
    from rehearsal.aws.rds.backend import Backend
    from rehearsal.aws.rds.instance import DBInstance


def create(backend: Backend, database: DBInstance, snapshot: Any, cause: str) -> None:
    """Fill a manual snapshot that moto has just listed."""
    snapshot.status = "creating"
    server = database.server
    archive = _archive(backend, snapshot)

    def work(why: str) -> None:
        def take() -> None:
            snapshot.base = archive.take_base(server.cluster.sockets, SUPERUSER, with_log=True)

        server.jobs.meanwhile("rds.backing-up", why, take)
        snapshot.status = "available"

    server.jobs.submit("backing-up", work, cause)


def copy(backend: Backend, source: Any, target: Any, cause: str) -> None:
    """Fill the copy of a snapshot, which may be in another region."""
    if getattr(source, "base", None) is None or source.snapshot_type == "automated":
        raise NotImplementedError("the rehearsal copies manual snapshots only")
    fleet, archive = backend.fleet, _archive(backend, target)
    target.status, target.base = "creating", None
    what = "rds.backing-up" if source.region == target.region else "rds.snapshot-copy"

    def work() -> None:
        try:
            fleet.world.wait(what, target.region, cause=cause)
        except RegionLostError:
            return
        if fleet.world.is_lost(source.region):
            target.status = "failed"
            return
        part = archive.folder / "base" / "00001.part"
        fleet.programs.copy_folder(source.base.folder, part, log=archive.log)
        target.base = archive.add_base(part, source.base.started, source.base.finished)
        target.status = "available"

    threading.Thread(target=work, daemon=True, name="rds-snapshot-copy").start()


def remove(backend: Backend, snapshot: Any) -> None:
    """Delete what a snapshot stored."""
    if snapshot.snapshot_type != "automated":
        _archive(backend, snapshot).remove()


def restorable(backend: Backend, name: str) -> Any:
    """The snapshot of that name or ARN in this region, whole."""
    name = backend.extract_snapshot_name_from_arn(name) if name.startswith("arn:") else name
    found = backend.database_snapshots.get(name)
    if found is None:
        raise exceptions.DBSnapshotNotFoundFault(name)
    if found.status != "available" or getattr(found, "base", None) is None:
        raise checks.refuse("InvalidDBSnapshotState", f"Snapshot {name} is not available.")
    return found


def _archive(backend: Backend, snapshot: Any) -> Archive:
    home = backend.fleet.world.settings.home
    stamp = f"{snapshot.db_snapshot_identifier}-{snapshot.created:%H%M%S%f}"
    return Archive(backend.fleet.programs, home / "snapshots" / snapshot.region / stamp)


def stamp(database: DBInstance) -> str:
    """Name of an automated snapshot taken now."""
    return f"rds:{database.db_instance_identifier}-{datetime.now(UTC):%Y-%m-%d-%H-%M}"
