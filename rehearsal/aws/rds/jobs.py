"""What is done to a DB instance, one thing after the other, surviving the loss of its region.

A job that a lost region interrupts is done again when the region is back, so each can be repeated.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from psycopg import Error as SqlError

from rehearsal.log import log
from rehearsal.postgres.programs import PostgresError
from rehearsal.world import RegionLostError, World

if TYPE_CHECKING:
    from rehearsal.aws.rds.instance import DBInstance

_STAY = frozenset({"deleting", "stopped", "failed"})
_IDLE = frozenset({"available", "stopped"})


class Outages:
    """How often each region has been lost, and when what it had is running again."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._counts = dict.fromkeys(world.regions, 0)
        self._back = {region: threading.Event() for region in world.regions}
        for event in self._back.values():
            event.set()

    def count(self, region: str) -> int:
        """Outages so far, a present one included."""
        return self._counts[region]

    def since(self, count: int, region: str) -> bool:
        """Whether the region is or was lost since there had been `count` outages."""
        return self._world.is_lost(region) or self._counts[region] != count

    def begin(self, region: str) -> None:
        """The region is lost. Call before anything in it is killed."""
        self._back[region].clear()
        self._counts[region] += 1

    def end(self, region: str) -> None:
        """What it had is running again."""
        self._back[region].set()

    def wait_for_return(self, region: str) -> None:
        """Until `end`."""
        while self._world.is_lost(region):  # perhaps so recently that nobody has called `begin`
            time.sleep(0.02)
        self._back[region].wait()


@dataclass(frozen=True)
class Job:
    """The state shown meanwhile, what to do, and the user agent of whoever asked for it."""

    status: str
    do: Callable[[str], None]
    cause: str


class Jobs:
    """The queue of one DB instance, and the thread that works on it."""

    def __init__(self, world: World, database: DBInstance, outages: Outages) -> None:
        self._world = world
        self._database = database
        self._region: str = database.region
        self._outages = outages
        self._queue: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._open = 0
        threading.Thread(target=self._work, daemon=True, name=f"rds-{database.dbi_resource_id}").start()

    def submit(self, status: str, do: Callable[[str], None], cause: str) -> None:
        """Do this after what was asked before; the instance is `available` when nothing is left to do.

        `deleting` is told at once, and to the end.
        """
        with self._lock:
            self._open += 1
            if self._database.status in _IDLE or status == "deleting":
                self._database.status = status
        self._queue.put(Job(status, do, cause))

    def end(self) -> None:
        """No more jobs."""
        self._queue.put(None)

    def meanwhile(self, what: str, cause: str, do: Callable[[], Any]) -> None:
        """Do something real while the cloud takes its own time for the whole of it."""
        with ThreadPoolExecutor(1) as pool:
            cloud = pool.submit(self._world.wait, what, self._region, cause=cause)
            do()
            cloud.result()

    def _work(self) -> None:
        while (job := self._queue.get()) is not None:
            self._finish(job)
            with self._lock:
                self._open -= 1
                if not self._open and self._database.status not in _STAY:
                    self._database.status = "available"

    def _finish(self, job: Job) -> None:
        if self._database.status == "failed" and job.status != "deleting":
            return
        while True:
            with self._lock:
                if self._database.status != "deleting":
                    self._database.status = job.status
            before = self._outages.count(self._region)
            try:
                job.do(job.cause)
            except (RegionLostError, PostgresError, SqlError, OSError, LookupError) as error:
                name = self._database.db_instance_identifier
                if not isinstance(error, RegionLostError) and not self._outages.since(before, self._region):
                    log.exception("RDS job failed", instance=name, job=job.status)
                    self._database.status = "failed"
                    return
                log.info("RDS job interrupted", instance=name, job=job.status, error=str(error))
                self._outages.wait_for_return(self._region)
            else:
                return
