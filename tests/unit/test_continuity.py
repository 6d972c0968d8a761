"""continuity.yaml is checked as a whole; what it promises is in it."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from recovery import continuity, units
from recovery.clock import FakeClock, iso, run_id
from recovery.decisions import succession
from recovery.errors import InputError
from recovery.plans.model import Approval
from tests.fakes import engine as fake

ROOT = Path(__file__).resolve().parents[2]


def test_the_companys_own_file_is_whole() -> None:
    company = continuity.load(ROOT / continuity.FILE)
    assert company.next_review == date(2027, 10, 31)
    assert company.succession == ("cto", "ceo", "coo")
    assert all(company.holders(role) for role in company.succession), "authority must never be interrupted"
    assert company.promises["region-loss"] == continuity.Promise(rto=3600.0, rpo=1800.0)
    assert company.database_gb == 50


def test_someone_who_is_not_listed_cannot_be_named(tmp_path: Path) -> None:
    path = tmp_path / continuity.FILE
    path.write_text((ROOT / continuity.FILE).read_text().replace("succession: [cto,", "succession: [cfo,"))
    with pytest.raises(InputError, match="succession names `cfo`"):
        continuity.load(path)


def test_the_projects_root_is_the_nearest_file_above(tmp_path: Path) -> None:
    (tmp_path / continuity.FILE).touch()
    deep = tmp_path / "a" / "b"
    deep.mkdir(parents=True)
    assert continuity.project_root(deep) == tmp_path


def test_state_lives_where_it_is_told_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LIFEBOAT_STATE", raising=False)
    assert continuity.state_folder(tmp_path) == tmp_path / ".lifeboat"
    monkeypatch.setenv("LIFEBOAT_STATE", str(tmp_path / "elsewhere"))
    assert continuity.contract_file(tmp_path, "prod") == tmp_path / "elsewhere/contracts/prod.json"


def test_authority_passes_to_everyone_in_the_line_once_time_is_over() -> None:
    company = continuity.Continuity.model_validate(fake.COMPANY)
    approval = Approval(any_of=("cto",))
    assert succession.may_approve(company, approval, passed_on=False) == {"ada": "cto"}
    assert set(succession.may_approve(company, approval, passed_on=True)) == {"ada", "ben"}


def test_a_step_is_decided_by_its_team_or_the_line_of_succession() -> None:
    company = continuity.Continuity.model_validate(fake.COMPANY)
    assert succession.may_decide(company, "ops") == {"cem": "ops-lead", "ada": "cto", "ben": "ceo"}


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("45s", 45), ("60m", 3600), ("1h30m", 5400), ("2d", 172800), ("250ms", 0.25), ("1h 5m", 3900)],
)
def test_durations_are_written_with_their_unit(text: str, seconds: float) -> None:
    assert units.parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["60", 60, "", "m", "5 min", "-5m", True])
def test_what_is_no_duration_is_refused(text: object) -> None:
    with pytest.raises(ValueError, match="is not a duration"):
        units.parse_duration(text)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.94, "0.9s"), (41, "41s"), (2460, "41m"), (11520, "3h 12m"), (3 * 86400, "3d"), (7200, "2h")],
)
def test_durations_are_read_by_people(seconds: float, text: str) -> None:
    assert units.human(seconds) == text


def test_the_rto_clock_shows_tenths_below_an_hour() -> None:
    assert [units.clock_face(s) for s in (7.4, 760.1, 3723)] == ["0:07.4", "12:40.1", "1:02:03"]


def test_run_ids_say_scenario_and_second_and_differ_within_one() -> None:
    clock = FakeClock()
    ids = {run_id("region-loss", clock) for _ in range(20)}
    assert all(name.startswith("region-loss-20261121-140200-") for name in ids)
    assert len(ids) > 15


def test_moments_are_written_in_utc_with_milliseconds() -> None:
    assert iso(FakeClock().now()) == "2026-11-21T14:02:00.000Z"
