"""The report says what was measured, and null where nobody measured."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from recovery.decisions import prediction
from recovery.engine import journal as journals
from recovery.engine.journal import Entry
from recovery.engine.record import RunRecord
from recovery.reports import Forecast, Observations, Tick, summary, write
from recovery.reports.building import NO_FORECAST, assemble
from recovery.reports.html import page
from tests.fakes import engine as fake

STEPS = """\
  - {id: assess, uses: find}
  - {id: restore, uses: use, after: [assess]}
  - {id: stack, uses: note, after: [assess]}
  - {id: cutover, uses: note, after: [restore, stack]}
  - {id: tidy, uses: note, class: non-critical}
"""
ZERO = datetime(2026, 11, 21, 14, 2, tzinfo=UTC)
FORECAST = Forecast(rto_s=2460, rpo_s=780, scale=60, database_gb=50)
SEEN = Observations(
    lost_at=ZERO - timedelta(seconds=1),
    rto_s=11.8,
    rpo_s=1.8,
    acknowledged_writes=1934,
    lost_writes=7,
    failed_requests=88,
    dns_switch_s=6.2,
    back_at=11.8,
    ticks=(Tick(-1, 9, 0), Tick(0, 5, 4), Tick(5, 0, 9), Tick(12, 9, 0)),
)


def chained(*rows: tuple[float, str, str, dict[str, Any]]) -> list[Entry]:
    """A journal of (seconds, step, event, data)."""
    entries: list[Entry] = []
    for seq, (seconds, step, event, data) in enumerate(rows, 1):
        at = (ZERO + timedelta(seconds=seconds)).isoformat().replace("+00:00", "Z")
        previous = entries[-1].hash if entries else journals.GENESIS
        values = {
            "run": "test-1",
            "seq": seq,
            "at": at,
            "step": step,
            "attempt": 1 if step else 0,
            "event": event,
        }
        values |= {"data": data, "previous": previous}
        entries.append(Entry(**values, hash=journals.digest(values)))
    return entries


def over(
    start: float, end: float, step: str, verify: float = 0.5
) -> list[tuple[float, str, str, dict[str, Any]]]:
    at = (ZERO + timedelta(seconds=end)).isoformat()
    data = {"ended_at": at, "perform_s": end - start - verify, "verify_s": verify, "says": f"{step} is done"}
    return [(start, step, "started", {}), (end, step, "ok", data)]


def journal() -> list[Entry]:
    rows = [
        (0.0, "", "recorded", {"by": "ada"}),
        *over(0.1, 2.1, "assess"),
        *over(2.2, 8.2, "restore"),
        *over(2.2, 5.2, "stack"),
        *over(8.4, 10.4, "cutover"),
        (10.5, "", "recovered", {}),
        *over(10.5, 12.5, "tidy"),
        (12.6, "", "finished", {"outcome": "recovered"}),
    ]
    return chained(*sorted(rows, key=lambda row: row[0]))


@pytest.fixture
def record(tmp_path: Path) -> RunRecord:
    return fake.record(tmp_path, STEPS, recorded=ZERO, since=ZERO)


def test_the_report_has_exactly_the_members_that_were_agreed(record: RunRecord) -> None:
    report, _ = assemble(record, journal(), SEEN, FORECAST)
    data = json.loads(report.as_json())
    assert list(data) == [
        "schema", "scenario", "outcome", "measured", "forecast", "promised", "steps", "journal", "wall_s",
    ]  # fmt: skip
    assert list(data["measured"]) == [
        "rto_s", "rpo_s", "acknowledged_writes", "lost_writes", "failed_requests", "critical_path_s",
        "overhead_ratio", "dns_switch_s",
    ]  # fmt: skip
    assert list(data["forecast"]) == ["rto_s", "rpo_s", "scale", "database_gb"]
    assert data["promised"] == {"rto_s": 3600.0, "rpo_s": 1800.0}
    assert list(data["steps"][0]) == [
        "id",
        "uses",
        "owner",
        "class",
        "status",
        "started_at",
        "seconds",
        "attempts",
    ]
    assert list(data["journal"]) == ["entries", "head", "verified"]
    assert data["schema"] == 1


def test_overhead_is_the_time_from_order_to_cutover_over_the_work_on_the_measured_path(
    record: RunRecord,
) -> None:
    report, story = assemble(record, journal(), SEEN, FORECAST)
    assert story.path == ("assess", "restore", "cutover")
    assert report.measured.critical_path_s == pytest.approx(10.0)
    assert report.measured.overhead_ratio == pytest.approx(1.04)


def test_a_run_that_never_recovered_has_failed(record: RunRecord) -> None:
    entries = [entry for entry in journal() if entry.seq <= 5]
    report, _ = assemble(record, entries, SEEN, FORECAST)
    assert report.outcome == "failed"
    assert [step.status for step in report.steps][-1] == "waiting"


def test_a_verification_that_did_not_hold_makes_it_a_failure(record: RunRecord) -> None:
    seen = Observations(problems=("2 rows are missing that were committed before the recovery point",))
    report, story = assemble(record, journal(), seen, NO_FORECAST)
    assert report.outcome == "failed"
    assert "2 rows are missing" in summary(report, story)


def test_a_journal_that_was_changed_makes_it_a_failure(record: RunRecord) -> None:
    entries = journal()
    report, _ = assemble(record, entries[:3] + entries[4:], SEEN, FORECAST)
    assert not report.journal.verified
    assert report.outcome == "failed"


def test_what_nobody_measured_is_null(record: RunRecord) -> None:
    report, story = assemble(record, journal(), Observations(), NO_FORECAST)
    assert report.measured.rto_s is None
    assert report.forecast.rto_s is None
    assert "not measured" in summary(report, story)


def test_a_page_does_not_claim_promises_that_nobody_measured(record: RunRecord, tmp_path: Path) -> None:
    write(tmp_path, *assemble(record, journal(), Observations(), NO_FORECAST))
    page = (tmp_path / "report.html").read_text()
    assert "Nobody measured whether the promises were kept." in page
    assert "The promises were" not in page
    write(tmp_path, *assemble(record, journal(), SEEN, FORECAST))
    assert "The promises were kept." in (tmp_path / "report.html").read_text()


def test_promises_are_held_against_what_was_measured_and_what_is_forecast(record: RunRecord) -> None:
    assert assemble(record, journal(), SEEN, FORECAST)[0].kept()
    late = Forecast(rto_s=3601, rpo_s=780, scale=60, database_gb=50)
    assert not assemble(record, journal(), SEEN, late)[0].kept()


def test_the_page_stands_alone_and_shows_every_step(record: RunRecord, tmp_path: Path) -> None:
    report, story = assemble(record, journal(), SEEN, FORECAST)
    _, readable = write(tmp_path / "out", report, story)
    page = readable.read_text()
    assert all(step.id in page for step in report.steps)
    assert "<svg" in page
    for outside in ("http://", "https://", "src=", "@import", "<script"):
        assert outside not in page


def test_what_people_wrote_is_escaped(record: RunRecord, tmp_path: Path) -> None:
    seen = Observations(problems=("<script>alert(1)</script>",))
    report, story = assemble(record, journal(), seen, NO_FORECAST)
    _, readable = write(tmp_path / "out", report, story)
    assert "<script" not in readable.read_text()


def test_predictions_rest_on_measured_runs_where_there_are_any(record: RunRecord) -> None:
    bound = record.bound()
    estimates = {step.id: prediction.estimate([], 60.0, None) for step in bound.plan.steps}
    guess = prediction.predict(bound, estimates)
    assert (guess.likely, guess.runs, guess.path) == (180.0, 0, ("assess", "restore", "cutover"))
    estimates |= {name: prediction.estimate([10.0, 12.0, 20.0], 60.0, None) for name in estimates}
    known = prediction.predict(bound, estimates)
    assert known.runs == 3
    assert known.low < known.likely == 36.0 < known.high


def test_steps_that_are_not_critical_do_not_count_towards_the_prediction(record: RunRecord) -> None:
    bound = record.bound()
    estimates = {
        step.id: prediction.estimate([], 60.0 if step.critical else 9000.0, None) for step in bound.plan.steps
    }
    assert prediction.predict(bound, estimates).likely == 180.0


def test_a_run_that_waits_for_people_has_a_page_that_names_them(record: RunRecord) -> None:
    rows = [
        (0.0, "", "recorded", {"by": "ada"}),
        *over(0.1, 2.1, "assess"),
        (2.2, "cutover", "awaiting-approval", {"by": ["ada", "ben"], "within_s": 900}),
        (3.0, "cutover", "awaiting-person", {"message": "Call the partners", "done-when": "all were called"}),
    ]
    text = page(*assemble(record, chained(*rows), SEEN, FORECAST))
    assert "one of ada, ben" in text
    assert "Call the partners" in text
