"""The journal: what happened in a run, in order, chained by hash, so that a change afterwards shows.

A table in the engine's database, written inside recorded steps only; a second writing of the same event of
the same attempt is ignored, so a step that is carried out again after a crash leaves one trace. Exported as
JSONL that anyone can check without Lifeboat: `hash` is the SHA-256 of the line's other members as JSON with
sorted keys and no spaces; `previous` is the hash of the line before (64 zeros for the first).
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa
import stamina

from recovery.clock import iso
from recovery.errors import of_the_disk

_PASSES = (sa.exc.OperationalError, sa.exc.IntegrityError)
GENESIS = "0" * 64
_META = sa.MetaData()
_TABLE = sa.Table(
    "lifeboat_journal",
    _META,
    sa.Column("run", sa.String, primary_key=True),
    sa.Column("seq", sa.Integer, primary_key=True),
    sa.Column("at", sa.String, nullable=False),
    sa.Column("step", sa.String, nullable=False),
    sa.Column("attempt", sa.Integer, nullable=False),
    sa.Column("event", sa.String, nullable=False),
    sa.Column("data", sa.Text, nullable=False),
    sa.Column("previous", sa.String, nullable=False),
    sa.Column("hash", sa.String, nullable=False),
    sa.UniqueConstraint("run", "step", "attempt", "event"),
)
_HEAD = sa.Table(
    "lifeboat_journal_head",
    _META,
    sa.Column("run", sa.String, primary_key=True),
    sa.Column("seq", sa.Integer, nullable=False),
    sa.Column("hash", sa.String, nullable=False),
)
_INSERT = sa.insert(_TABLE)
_NEXT = (
    sa.update(_HEAD)
    .where(_HEAD.c.run == sa.bindparam("of"))
    .values(seq=_HEAD.c.seq + 1)
    .returning(_HEAD.c.seq, _HEAD.c.hash)
)
_PUT_HASH = sa.update(_HEAD).where(_HEAD.c.run == sa.bindparam("of")).values(hash=sa.bindparam("hash"))


@dataclass(frozen=True)
class Entry:
    """One line. `step` is empty for what concerns the run as a whole."""

    run: str
    seq: int
    at: str
    step: str
    attempt: int
    event: str
    data: Mapping[str, Any]
    previous: str
    hash: str

    def line(self) -> str:
        """The entry as a line of JSONL."""
        return _canonical(asdict(self))


@dataclass(frozen=True)
class Verdict:
    """What checking a journal found."""

    entries: int
    head: str
    verified: bool
    broken_at: int | None = None


class Journal:
    """The journal of one run. Thread-safe; every write is one transaction."""

    def __init__(self, engine: sa.Engine, run: str) -> None:
        self._engine = engine
        self._run = run
        self._one_at_a_time = threading.Lock()  # cheaper than SQLite's busy handler, which sleeps

    @staticmethod
    def create(engine: sa.Engine) -> None:
        """Make the table if it is not there."""
        _META.create_all(engine)

    @stamina.retry(
        on=lambda error: isinstance(error, _PASSES) and of_the_disk(error) is None,
        attempts=None,
        timeout=600,
        wait_initial=0.05,
        wait_max=5.0,
    )
    def write(
        self,
        at: datetime,
        event: str,
        *,
        step: str = "",
        attempt: int = 0,
        data: Mapping[str, Any] | None = None,
    ) -> bool:
        """Append an event; False when this event of this attempt is there already.

        A database that does not answer is waited for (10 minutes), as DBOS waits for it; a full disk is not:
        a person has to know.
        """
        try:
            with self._one_at_a_time, self._engine.begin() as connection:
                seq, previous = self._take_head(connection)
                entry = {
                    "run": self._run,
                    "seq": seq,
                    "at": iso(at),
                    "step": step,
                    "attempt": attempt,
                    "event": event,
                    "data": dict(data or {}),
                    "previous": previous,
                }
                row = {**entry, "data": _canonical(entry["data"]), "hash": digest(entry)}
                connection.execute(_INSERT, row)
                connection.execute(_PUT_HASH, {"of": self._run, "hash": row["hash"]})
                return True
        except sa.exc.IntegrityError:
            if self._has(step, attempt, event):
                return False  # and the head is as it was: one transaction
            raise

    def _has(self, step: str, attempt: int, event: str) -> bool:
        return self.moment(event, step, attempt) is not None

    def _take_head(self, connection: sa.Connection) -> tuple[int, str]:
        """The next number and the last hash; written to first, so that other writers wait, anywhere."""
        row = connection.execute(_NEXT, {"of": self._run}).first()
        if row is None:
            connection.execute(sa.insert(_HEAD).values(run=self._run, seq=1, hash=GENESIS))
            return 1, GENESIS
        return row.seq, row.hash

    def moment(self, event: str, step: str, attempt: int) -> str | None:
        """When that was written; None while it is not."""
        same = (_TABLE.c.run == self._run, _TABLE.c.step == step, _TABLE.c.attempt == attempt)
        with self._engine.connect() as connection:
            return connection.execute(sa.select(_TABLE.c.at).where(*same, _TABLE.c.event == event)).scalar()

    def entries(self) -> list[Entry]:
        """All entries, in order."""
        query = sa.select(_TABLE).where(_TABLE.c.run == self._run).order_by(_TABLE.c.seq)
        with self._engine.connect() as connection:
            rows = connection.execute(query).mappings().all()
        return [Entry(**{**row, "data": json.loads(row["data"])}) for row in rows]

    def export(self, path: Path) -> Verdict:
        """Write the journal as JSONL and check it."""
        entries = self.entries()
        path.write_text("".join(entry.line() + "\n" for entry in entries))
        return verify(entries)


def digest(entry: Mapping[str, Any]) -> str:
    """The hash of an entry: SHA-256 of its members without `hash`, as canonical JSON."""
    return hashlib.sha256(_canonical({k: v for k, v in entry.items() if k != "hash"}).encode()).hexdigest()


def verify(entries: Iterable[Entry]) -> Verdict:
    """Check the chain: nothing changed, left out, or put in between."""
    previous, count = GENESIS, 0
    for entry in entries:
        count += 1
        if entry.seq != count or entry.previous != previous or digest(asdict(entry)) != entry.hash:
            return Verdict(count, previous, verified=False, broken_at=count)
        previous = entry.hash
    return Verdict(count, previous, verified=True)


def read(path: Path) -> Sequence[Entry]:
    """Entries of an exported journal; OSError or ValueError when it is none."""
    return [Entry(**json.loads(line)) for line in path.read_text().splitlines() if line]


def _canonical(value: Any) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
