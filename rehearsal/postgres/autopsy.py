"""What a database that was lost really held: its data folder, copied, recovered from its crash and asked.

This is how a rehearsal knows which acknowledged writes committed after the recovery point: the lost
database's own write-ahead log says so, not a client's clock.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rehearsal import pki
from rehearsal.postgres.cluster import Cluster, Shape
from rehearsal.postgres.programs import Programs
from rehearsal.processes import Spawner
from rehearsal.world import WorldSettings

if TYPE_CHECKING:
    import psycopg


@contextmanager
def examine(
    settings: WorldSettings, data: Path, database: str
) -> Iterator[psycopg.Connection[tuple[Any, ...]]]:
    """A superuser's connection to a copy of `data` (feed section `databases`), as it would come back.

    `track_commit_timestamp` is on, so `pg_xact_commit_timestamp(xmin)` tells when a row was committed.
    Works from any process of the rehearsal. Raises PostgresError when the copy does not start.
    """
    spawner = Spawner(settings.uid)
    programs = Programs(settings, spawner.spawn)
    folder = Path(tempfile.mkdtemp(prefix="autopsy-", dir=settings.home))
    programs.give(folder)
    cluster = Cluster(programs, folder, folder / "s")
    try:
        programs.copy_folder(data, cluster.data, log=cluster.log)
        tls = pki.issue(settings.home, ["autopsy"])
        cluster.configure(Shape("true", 0, tls.cert, tls.key, force_tls=True))
        cluster.start(None, 5432)
        with cluster.connect(database) as connection:
            yield connection
    finally:
        cluster.kill()
        shutil.rmtree(folder, ignore_errors=True)
