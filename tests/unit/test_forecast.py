"""A rehearsal's seconds, told again for the cloud."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recovery.engine.standing import StepRecord
from rehearsal.forecast import covered, data_seconds, spans, unscaled

SPANS = st.lists(st.tuples(st.floats(0, 100), st.floats(0, 100)).map(lambda p: (min(p), max(p))), max_size=8)


def step(seconds: float) -> StepRecord:
    return StepRecord(
        id="restore-db",
        status="ok",
        started_at="2026-11-22T04:00:00+00:00",
        ended_at=f"2026-11-22T04:00:{seconds:06.3f}+00:00",
    )


def test_a_wait_is_told_at_full_length_and_what_is_local_as_it_was() -> None:
    start = 1795320000.0
    record = step(12.0)
    assert unscaled(record, [(start + 1, start + 11)], 60) == pytest.approx(2 + 600, abs=0.01)


def test_waits_beside_each_other_count_once() -> None:
    assert covered([(0, 10), (2, 5), (8, 12)], (1, 11)) == 10


def test_waits_of_another_time_do_not_count() -> None:
    assert covered([(0, 1), (20, 30)], (5, 10)) == 0


@given(SPANS, st.floats(1, 1000))
def test_the_cloud_is_never_faster_than_the_rehearsal(waits: list[tuple[float, float]], scale: float) -> None:
    start = 1795320000.0
    record = step(30.0)
    moved = [(start + a, start + b) for a, b in waits]
    assert unscaled(record, moved, scale) >= 30.0 - 1e-3


@given(SPANS)
def test_no_more_is_covered_than_there_is(waits: list[tuple[float, float]]) -> None:
    assert 0 <= covered(waits, (10, 90)) <= 80 + 1e-9


def test_a_step_that_did_not_run_takes_no_time() -> None:
    assert unscaled(StepRecord(id="x"), [(0, 100)], 60) == 0


def test_a_larger_database_takes_longer_to_restore_and_nothing_else_does() -> None:
    assert data_seconds("restore-database", 500) > data_seconds("restore-database", 50) > 0
    assert data_seconds("fence-site", 500) == 0


def test_waits_are_told_to_the_run_and_step_that_caused_them(tmp_path: Path) -> None:
    agent = "Boto3/1.44 lifeboat/run-1/restore-db cfg/retry"
    rows = [
        {"what": "rds.restore", "cause": agent, "started": 1.0, "ended": 2.0},
        {"what": "rds.restore", "cause": "lifeboat/run-2/restore-db", "started": 3.0, "ended": 4.0},
        {"what": "rds.restore", "cause": "", "started": 5.0, "ended": 6.0},
    ]
    file = tmp_path / "waits.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert spans(file, "run-1") == {"restore-db": [(1.0, 2.0)]}


def test_a_first_backup_that_goes_on_beside_a_restored_database_is_no_wait_of_its_restore(
    tmp_path: Path,
) -> None:
    agent = "lifeboat/run-1/restore-db"
    file = tmp_path / "waits.jsonl"
    rows = [
        {"what": "rds.restore", "cause": agent, "started": 1.0, "ended": 2.0},
        {"what": "rds.backing-up", "cause": agent, "started": 2.0, "ended": 5.0},
    ]
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert spans(file, "run-1") == {"restore-db": [(1.0, 2.0)]}
