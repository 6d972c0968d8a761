"""`dr` says what it does, refuses what it cannot do with a cure, and never guesses."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from recovery.cli import __main__ as dr
from tests.fakes import contracts

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
