"""What is done to a DB instance, one thing after the other, surviving the loss of its region.

A job that a lost region interrupts is done again when the region is back, so each can be repeated.
"""

from __future__ import annotations

import queue
import threading
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


@dataclass(frozen=True)
class Job:
    """The state shown meanwhile, what to do, and the user agent of whoever asked for it."""

    status: str
    do: Callable[[str], None]
    cause: str


class Jobs:
    """The queue of one DB instance, and the thread that works on it."""

    def __init__(self, world: World, database: DBInstance, wait_for_return: Callable[[str], None]) -> None:
        self._world = world
        self._database = database
        self._region: str = database.region
        self._wait_for_return = wait_for_return
        self._queue: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._open = 0
        threading.Thread(target=self._work, daemon=True, name=f"rds-{database.dbi_resource_id}").start()

    def submit(self, status: str, do: Callable[[str], None], cause: str) -> None:
        """Do this after what was asked before; the instance is `available` when nothing is left to do."""
        with self._lock:
            self._open += 1
            if self._database.status in _IDLE:
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
        while True:
            self._database.status = job.status
            try:
                job.do(job.cause)
            except (RegionLostError, PostgresError, SqlError, OSError, LookupError) as error:
                name = self._database.db_instance_identifier
                if not self._world.is_lost(self._region):
                    log.exception("RDS job failed", instance=name, job=job.status)
                    self._database.status = "failed"
                    return
                log.info("RDS job interrupted", instance=name, job=job.status, error=str(error))
                self._wait_for_return(self._region)
            else:
                return
