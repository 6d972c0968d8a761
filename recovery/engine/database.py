"""The engine's database: SQLite in the state folder, with what DBOS needs to run on it; or another by URL."""

from __future__ import annotations

import os
import sqlite3
import time
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from recovery.errors import Refusal


def url(state: Path) -> str:
    """LIFEBOAT_ENGINE_URL (PostgreSQL, for several operators), or SQLite in the state folder."""
    return os.environ.get("LIFEBOAT_ENGINE_URL") or f"sqlite:///{state / 'engine.sqlite'}"


def connect(state: Path) -> sa.Engine:
    """The one place that knows about backends. Creates nothing but the file and our own tables."""
    where = url(state)
    if not where.startswith("sqlite"):
        engine = sa.create_engine(where, pool_size=10, pool_pre_ping=True)
    else:
        state.mkdir(parents=True, exist_ok=True)
        engine = sa.create_engine(where, pool_size=10)
        sa.event.listen(engine, "connect", _prepare)
    return engine


def _prepare(connection: Any, _record: object) -> None:
    if sqlite3.sqlite_version_info < (3, 42):
        # Debian 12 and Ubuntu 22.04 know no unixepoch('subsec'), without which DBOS cannot launch.
        connection.create_function("unixepoch", -1, lambda *a: time.time() if a else int(time.time()))
    try:
        for pragma in ("busy_timeout=30000", "foreign_keys=ON", "journal_mode=WAL", "synchronous=FULL"):
            connection.execute(f"PRAGMA {pragma}")
    except sqlite3.OperationalError:
        raise  # locked, or the disk is full: not the file's fault
    except sqlite3.DatabaseError as error:
        raise Refusal(
            f"the engine's database (engine.sqlite in the state folder) cannot be read: {error}",
            means="runs cannot be taken up from here; what they made in the cloud is untouched, and carries "
            "the tag lifeboat-run",
            cure="put a copy of the file back; or move it away with the folder runs/, and begin a new run",
        ) from error
    connection.isolation_level = "IMMEDIATE"  # DBOS relies on this; a custom engine must set it itself
