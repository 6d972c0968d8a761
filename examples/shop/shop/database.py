"""The shop's database: connections that are kept, and found anew when the database has moved.

Where it is and with which password comes from the region's secret, read again whenever connecting fails:
after a recovery the same secret names another host. The database may not be there yet; callers meet
`Unavailable`.
"""

from __future__ import annotations

import queue
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from shop import secrets
from shop.secrets import Unavailable
from shop.settings import Settings

if TYPE_CHECKING:
    import psycopg

_KEPT = 4
_READ_AGAIN_S = 0.5
_LOCK = 7_316_884  # any number; the same in all servers
_SCHEMA = Path(__file__).parents[1] / "schema.sql"


class Database:
    """Thread-safe."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._idle: queue.LifoQueue[Any] = queue.LifoQueue()
        self._lock = threading.Lock()
        self._place: dict[str, Any] | None = None
        self._read_at = 0.0

    @contextmanager
    def transaction(self) -> Iterator[psycopg.Connection[Any]]:
        """A connection in a transaction that is committed at the end. Raises Unavailable, psycopg.Error."""
        import psycopg

        connection = self._take()
        try:
            with connection.transaction():
                yield connection
        except psycopg.OperationalError as error:
            connection.close()
            self._forget()
            raise Unavailable(str(error)) from error
        except BaseException:
            connection.close()
            raise
        if self._idle.qsize() < _KEPT:
            self._idle.put(connection)
        else:
            connection.close()

    def prepare(self) -> None:
        """Make the tables; waits for a database for as long as it takes."""
        while True:
            with suppress(Exception):
                with self.transaction() as connection:
                    connection.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])
                    connection.execute(_SCHEMA.read_bytes())
                return
            time.sleep(_READ_AGAIN_S)

    def _take(self) -> psycopg.Connection[Any]:
        with suppress(queue.Empty):
            while True:
                connection = self._idle.get_nowait()
                if not connection.broken:
                    return connection
        return self._connect()

    def _connect(self) -> psycopg.Connection[Any]:
        import psycopg

        place = self._where()
        try:
            return psycopg.connect(
                host=place["host"],
                port=int(place.get("port") or 5432),
                dbname=place["dbname"],
                user=place["username"],
                password=place["password"],
                sslmode="require",
                connect_timeout=3,
                tcp_user_timeout=5000,
                options="-c statement_timeout=5000",
                application_name=f"shop/{self._settings.instance}",
                autocommit=True,
            )
        except (psycopg.Error, KeyError) as error:
            self._forget()
            raise Unavailable(str(error)) from error

    def _where(self) -> dict[str, Any]:
        with self._lock:
            if self._place is None:
                if time.monotonic() - self._read_at < _READ_AGAIN_S:
                    raise Unavailable("the database was not there a moment ago")
                self._read_at = time.monotonic()
                place = secrets.read(self._settings.secret, self._settings.region)
                if not place.get("host"):
                    raise Unavailable("the secret names no database yet")
                self._place = place
            return self._place

    def _forget(self) -> None:
        """Whatever was known of the database is in doubt."""
        with self._lock:
            self._place = None
        with suppress(queue.Empty):
            while True:
                self._idle.get_nowait().close()


def say(text: str) -> None:
    """A line for the machine's console."""
    print(text, file=sys.stderr, flush=True)
