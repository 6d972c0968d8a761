"""The journal says what happened, once, in order; any change afterwards shows."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
import sqlalchemy as sa

from recovery.engine import database, journal
from recovery.engine.journal import Journal

NOW = datetime(2026, 11, 21, 14, 2, tzinfo=UTC)


@pytest.fixture
def book(tmp_path: Path) -> Journal:
    engine = database.connect(tmp_path)
    Journal.create(engine)
    return Journal(engine, "run-1")


def test_the_same_event_of_the_same_attempt_is_written_once(book: Journal) -> None:
    assert book.write(NOW, "started", step="a", attempt=1)
    assert not book.write(NOW, "started", step="a", attempt=1)
    assert book.write(NOW, "started", step="a", attempt=2)
    assert [entry.seq for entry in book.entries()] == [1, 2]


def test_writers_at_the_same_time_make_one_chain(book: Journal) -> None:
    def write(name: str) -> None:
        for number in range(10):
            book.write(NOW, "started", step=name, attempt=number)

    threads = [threading.Thread(target=write, args=(f"s{n}",)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert journal.verify(book.entries()) == journal.Verdict(40, book.entries()[-1].hash, verified=True)


def test_an_exported_journal_can_be_checked_without_lifeboat(book: Journal, tmp_path: Path) -> None:
    book.write(NOW, "recorded", data={"by": "ada"})
    book.write(NOW, "ok", step="a", attempt=1, data={"says": "größer"})
    path = tmp_path / "journal.jsonl"
    assert book.export(path).verified
    previous = "0" * 64
    for line in path.read_text().splitlines():
        entry = json.loads(line)
        found = entry.pop("hash")
        text = json.dumps(entry, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        assert entry["previous"] == previous
        assert hashlib.sha256(text.encode()).hexdigest() == found
        previous = found


@pytest.mark.parametrize(
    "spoil",
    [
        lambda lines: lines[:1] + lines[2:],
        lambda lines: [lines[1], lines[0], lines[2]],
        lambda lines: [lines[0].replace("ada", "eve"), *lines[1:]],
        lambda lines: lines[1:],
    ],
    ids=["left out", "swapped", "changed", "beginning cut off"],
)
def test_a_journal_that_was_changed_is_found_out(
    book: Journal, tmp_path: Path, spoil: Callable[[list[str]], list[str]]
) -> None:
    for number in range(3):
        book.write(NOW, "started", step="a", attempt=number, data={"by": "ada"})
    path = tmp_path / "journal.jsonl"
    book.export(path)
    assert journal.verify(journal.read(path)).verified
    path.write_text("\n".join(spoil(path.read_text().splitlines())))
    verdict = journal.verify(journal.read(path))
    assert not verdict.verified
    assert verdict.broken_at is not None


def test_a_journal_without_its_end_is_told_by_its_head(book: Journal) -> None:
    for number in range(3):
        book.write(NOW, "started", step="a", attempt=number)
    entries = book.entries()
    assert journal.verify(entries[:2]).head != journal.verify(entries).head


def test_a_full_disk_is_not_waited_for(tmp_path: Path) -> None:
    engine = database.connect(tmp_path)
    Journal.create(engine)
    engine.dispose()
    sa.event.listen(engine, "connect", lambda made, _: made.execute("pragma max_page_count = 40"))
    with pytest.raises(sa.exc.OperationalError, match="full"):
        Journal(engine, "run-1").write(NOW, "started", data={"much": "x" * 1_000_000})
    engine.dispose()
