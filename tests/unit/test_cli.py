"""`dr` says what it does, refuses what it cannot do with a cure, and never guesses."""

from __future__ import annotations

import errno
import io
import json
import os
import shutil
import sqlite3
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from rich.console import Console

from recovery.cli import __main__ as dr
from recovery.cli.carrying import View, carry
from recovery.cli.live import Live
from recovery.cli.watching import decision
from recovery.clock import SystemClock
from recovery.engine import beginning, database, inbox
from recovery.engine.events import Event, Kind
from recovery.engine.journal import Journal
from recovery.engine.lease import Lease
from recovery.engine.record import Account
from recovery.errors import of_the_disk
from recovery.plans import loading
from tests.fakes import contracts
from tests.fakes import engine as fake

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The company's project with last known contracts, and no cloud to ask."""
    shutil.copy(ROOT / "continuity.yaml", tmp_path)
    shutil.copytree(ROOT / "plans", tmp_path / "plans")
    contracts.keep(tmp_path / ".lifeboat")
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith(("AWS_", "LIFEBOAT_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


def call(capsys: pytest.CaptureFixture[str], *args: str) -> tuple[int, str, str]:
    code = dr.main(list(args))
    said = capsys.readouterr()
    return code, said.out, said.err


def test_help_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = call(capsys, "--help")
    assert code == 0
    assert all(f"  {verb} " in out for verb in (*dr.VERBS, "world", "rehearse", "test"))


def test_the_version_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = call(capsys, "--version")
    assert code == 0
    assert f'version = "{out.removeprefix("lifeboat ").strip()}"' in (ROOT / "pyproject.toml").read_text()


@pytest.mark.parametrize("verb", dr.VERBS)
def test_every_command_has_help_of_its_own(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = call(capsys, verb, "--help")
    assert code == 0
    assert f"dr {verb}" in out


def test_an_unknown_command_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = call(capsys, "recover")
    assert code == 2
    assert "no command `recover`" in err


def test_outside_a_project_the_cure_is_said(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    code, _, err = call(capsys, "plan", "region-loss")
    assert code == 2
    assert "no continuity.yaml" in err and "now:" in err


def test_a_plan_is_shown_with_its_order_critical_path_and_needs(
    capsys: pytest.CaptureFixture[str], project: Path
) -> None:
    code, out, _ = call(capsys, "plan", "region-loss", "--offline")
    assert code == 0
    assert "prod (eu-central-1) → dr-aws (eu-west-1)" in out
    restore = next(line for line in out.splitlines() if "restore-db" in line)
    assert "rds" in restore and "eu-west-1" in restore and "critical" in restore
    assert "nothing that is critical in this plan needs eu-central-1" in out


def test_a_plan_as_json_carries_what_each_step_needs(
    capsys: pytest.CaptureFixture[str], project: Path
) -> None:
    _, out, _ = call(capsys, "plan", "region-loss", "--offline", "--json")
    data = json.loads(out)
    assert data["lost"] == ["eu-central-1"]
    assert {"id", "needs", "changes", "estimate", "critical_path"} <= set(data["steps"][0])


def test_a_plan_that_needs_what_is_lost_is_refused_with_its_line(
    capsys: pytest.CaptureFixture[str], project: Path
) -> None:
    code, _, err = call(capsys, "plan", "region-loss", "--offline", "--lost", "eu-west-1")
    assert code == 2
    assert "plans/region-loss.yaml:" in err and "needs" in err and "class: non-critical" in err


def test_the_runbook_by_hand_has_every_step(capsys: pytest.CaptureFixture[str], project: Path) -> None:
    _, out, _ = call(capsys, "plan", "region-loss", "--as", "by-hand")
    assert "## 1. assess" in out and "aws rds restore-db-instance-to-point-in-time" in out


def test_an_unknown_plan_is_refused_with_those_there_are(
    capsys: pytest.CaptureFixture[str], project: Path
) -> None:
    code, out, err = call(capsys, "plan", "meteorite", "--json")
    assert code == 2
    assert "the plans are:" in err
    assert "region-loss" in json.loads(out)["error"]["cure"]


def test_status_never_takes_unknown_for_healthy(capsys: pytest.CaptureFixture[str], project: Path) -> None:
    code, out, _ = call(capsys, "status", "--json")
    assert code == 0
    data = json.loads(out)
    assert [site["state"] for site in data["sites"]] == ["unknown", "unknown"]
    assert all(site["problems"] for site in data["sites"])
    assert data["scenarios"][0]["verified"] == "never"


def test_without_credentials_a_run_is_refused_before_anything_is_recorded(
    capsys: pytest.CaptureFixture[str], project: Path
) -> None:
    code, _, err = call(capsys, "run", "region-loss", "--by", "ada", "--confirm", "region-loss")
    assert code in (1, 2)
    assert "credentials" in err
    assert not (project / ".lifeboat" / "runs").exists()


def test_somebody_unknown_cannot_order_a_run(capsys: pytest.CaptureFixture[str], project: Path) -> None:
    code, _, err = call(capsys, "run", "region-loss", "--by", "mallory")
    assert code == 2
    assert "`mallory` is nobody in continuity.yaml" in err


def test_help_comes_at_once() -> None:
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "recovery.cli", "--help"],
        capture_output=True,
        text=True,
        check=True,
    )
    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert not imported & {"typer", "pydantic", "dbos", "boto3", "rich"}


@pytest.fixture
def run_id(project: Path) -> str:
    """A run that is on record, and has not begun."""
    order = beginning.Order(plan="region-loss", by="ada")
    account = Account(provider="aws", account="123456789012", endpoint="aws")
    record = beginning.draft(project, order, accounts=(account,)).record
    folder = project / ".lifeboat" / "runs" / record.id
    folder.mkdir(parents=True)
    record.save(folder)
    return record.id


@pytest.mark.parametrize("verb", [("approve", "{run}", "cutover"), ("abort", "{run}")])
def test_nothing_can_be_said_to_a_finished_run(
    capsys: pytest.CaptureFixture[str], project: Path, run_id: str, verb: tuple[str, ...]
) -> None:
    engine = database.connect(project / ".lifeboat")
    Journal.create(engine)
    Journal(engine, run_id).write(SystemClock().now(), "finished", data={"outcome": "aborted"})
    engine.dispose()
    code, _, err = call(capsys, *(word.format(run=run_id) for word in verb), "--by", "ada")
    assert code == 2
    assert f"run {run_id} is finished: aborted" in err and "dr report" in err


def test_an_engines_database_that_is_none_is_told_with_a_cure(
    capsys: pytest.CaptureFixture[str], project: Path, run_id: str
) -> None:
    (project / ".lifeboat" / "engine.sqlite").write_text("garbage" * 100)
    code, _, err = call(capsys, "abort", run_id, "--by", "ada")
    assert code == 2
    assert "engine.sqlite" in err and "Traceback" not in err and "now:" in err


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--override", "assess"), "later steps take what it gives, and no --fact was given"),
        (("--override", "asses"), "the plan has no step `asses`"),
        (("--skip", "nothing"), "the plan has no step `nothing`"),
        (("--override", "assess", "--fact", "nowhere.json"), "no JSON that can be read"),
    ],
)
def test_a_decision_that_cannot_count_is_refused_at_once(
    capsys: pytest.CaptureFixture[str], project: Path, run_id: str, options: tuple[str, ...], said: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr("recovery.cli.common.same_account", lambda record, root: None)
    code, _, err = call(capsys, "resume", run_id, "--by", "ada", *options)
    assert code == 2
    assert said in err


def test_who_may_not_decide_is_told_at_once(
    capsys: pytest.CaptureFixture[str], project: Path, run_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("recovery.cli.common.same_account", lambda record, root: None)
    code, _, err = call(capsys, "resume", run_id, "--by", "eva", "--skip", "restore-db")
    assert code == 2
    assert "eva may not decide on restore-db" in err and "nothing was recorded" in err
    engine = database.connect(project / ".lifeboat")
    inbox.create(engine)
    assert inbox.get(engine, run_id, 1) is None
    engine.dispose()


def test_what_another_process_was_told_is_json_where_json_is_asked_for(
    capsys: pytest.CaptureFixture[str], project: Path, run_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("recovery.cli.common.same_account", lambda record, root: None)
    lease = Lease(project / ".lifeboat" / "runs" / run_id)
    try:
        for verb in ("resume", "abort"):
            code, out, _ = call(capsys, verb, run_id, "--by", "ada", "--json")
            assert code == 0 and "carries the run out" in json.loads(out)["note"]
    finally:
        lease.release()


def test_a_run_whose_report_cannot_be_written_still_exits_as_it_went(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("recovery.reports.write", full)
    record = fake.record(tmp_path, "  - {id: a, uses: note, approval: {any-of: [cto]}}\n")
    view = View(json=False, wait=False)
    assert carry(tmp_path / "s", record, fake.Nowhere(tmp_path), resumed=False, view=view) == 3
    shown = capsys.readouterr()
    assert "waits for a person: a   dr approve test-1 a" in shown.out
    assert "No space left" in shown.err and "dr report test-1" in shown.err


def test_a_state_folder_that_takes_nothing_is_told_with_a_cure(
    capsys: pytest.CaptureFixture[str], project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (project / "file").touch()
    monkeypatch.setenv("LIFEBOAT_STATE", str(project / "file" / "state"))
    code, _, err = call(capsys, "status")
    assert code == 2 and "cannot be made" in err and "LIFEBOAT_STATE" in err


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, "No space left on device"),
        sa.exc.OperationalError("insert", {}, sqlite3.OperationalError("database or disk is full")),
    ],
)
def test_a_full_disk_is_told_in_one_sentence(
    capsys: pytest.CaptureFixture[str], project: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def full() -> None:
        raise error

    monkeypatch.setattr("recovery.cli.common.project", full)
    code, out, err = call(capsys, "status", "--json")
    assert code == 2 and err.startswith("error: the state cannot be written: ") and "dr resume" in err
    told = json.loads(out)
    assert told["event"] == "error" and "df -h" in told["error"]["cure"]


@pytest.mark.parametrize(
    ("error", "disk"),
    [
        (PermissionError(errno.EACCES, "Permission denied", "/state/runs"), True),
        (PermissionError(errno.EACCES, "Permission denied"), False),  # a port below 1024
        (PermissionError(errno.EPERM, "Operation not permitted"), False),  # a signal to another's process
    ],
)
def test_what_is_denied_is_the_disks_affair_only_where_a_file_is(error: OSError, disk: bool) -> None:
    assert (of_the_disk(error) is not None) is disk


def test_a_cure_names_the_run_and_says_resume_once() -> None:
    def shown(cure: str) -> str:
        error = {"what": "it broke", "means": "m", "cure": cure}
        event = Event(SystemClock().now(), "r-1", "awaiting-decision", "a", data={"error": error})
        return decision(event, 3)

    assert "now:   aws kms enable-key   then   dr resume r-1\n" in shown("aws kms enable-key, then dr resume")
    assert "now:   look   then   dr resume r-1\n" in shown("look")
    assert "now:   dr resume r-1 --use a.b=c\n" in shown("dr resume … --use a.b=c")
    assert "✗ a failed after 3 tries\n  it broke\n  means: m\n" in shown("")


def test_an_error_of_our_own_is_told_like_any_other_and_its_traceback_kept(
    capsys: pytest.CaptureFixture[str], project: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def broken() -> None:
        raise RuntimeError("never heard of")

    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr("recovery.cli.common.project", broken)
    code, _, err = call(capsys, "status")
    assert code == 1
    assert "RuntimeError: never heard of" in err and "Traceback" not in err
    code, out, _ = call(capsys, "status", "--json")
    assert code == 1 and "never heard of" in json.loads(out)["error"]["what"]
    assert "never heard of" in next(tmp_path.glob("dr-status-*.traceback.txt")).read_text()


@pytest.mark.parametrize("width", [60, 80, 120])
def test_the_live_table_keeps_names_and_times_on_a_narrow_terminal(width: int) -> None:
    bound = loading.load(ROOT / "plans" / "region-loss.yaml")
    began = datetime(2026, 11, 24, 12, 0, 0, tzinfo=UTC)
    console = Console(file=io.StringIO(), width=width)
    live = Live(bound, began, console)
    kinds: tuple[tuple[Kind, int], ...] = (("started", 0), ("ok", 75))
    for kind, seconds in kinds:
        at = began + timedelta(seconds=seconds)
        live(Event(at, "run-1", kind, "verify-service", text="as expected " * 20))
    live.close()
    console.file = shown = io.StringIO()
    console.print(live)
    lines = shown.getvalue().splitlines()
    assert max(map(len, lines)) <= width
    [row] = [line for line in lines if "verify-service" in line and "✓" in line]
    assert " 75s " in row and "as expected" in row
