"""The place of Pulumi's state is lost: recovery goes on from the last kept export, with the real engine."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from recovery import state
from recovery.backends import reachable_backend
from recovery.stacks import Place, Stack
from tests.integration.test_cli_up import cli
from tests.unit.test_actions import Room

SECRET = "correct horse"


@pytest.fixture
def room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Room:
    """A project with one stack, `dr-aws`, whose state is in a backend of files."""
    (tmp_path / "backend").mkdir()
    for name, value in {
        "PATH": f"{cli()}{os.pathsep}{os.environ['PATH']}",
        "PULUMI_HOME": str(tmp_path / "home"),
        "PULUMI_BACKEND_URL": (tmp_path / "backend").as_uri(),
        "PULUMI_CONFIG_PASSPHRASE": SECRET,
        "PULUMI_SKIP_UPDATE_CHECK": "true",
        "LIFEBOAT_STATE": str(tmp_path / "state"),
    }.items():
        monkeypatch.setenv(name, value)
    (tmp_path / "Pulumi.yaml").write_text("name: lifeboat\nruntime: python\nmain: infra/\n")
    (tmp_path / "infra").mkdir()
    command = ["pulumi", "--non-interactive", "stack", "init", "dr-aws"]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    command = ["pulumi", "--non-interactive", "config", "set", "--secret", "lifeboat:word", "s3cret"]
    subprocess.run([*command, "--stack", "dr-aws"], cwd=tmp_path, check=True, capture_output=True)
    return Room(tmp_path)


def place(room: Room, backend: str | None = None) -> Place:
    return Place(room.folder, room.folder / "state", room.folder / "run", "run-1", "step", backend)


def test_a_backend_that_stands_is_used_as_it_is(room: Room) -> None:
    assert reachable_backend(room.context("bring-stack-up"), room.folder / "state") is None


def test_a_lost_backend_is_replaced_by_the_last_kept_export(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = Stack("dr-aws", place(room)).export()
    state.keep(
        "dr-aws", {"export.json": state.export_bytes(before)}, room.clock.now(), room.folder / "state", {}
    )
    monkeypatch.setenv("PULUMI_BACKEND_URL", "s3://lost-bucket?region=eu-central-1")

    backend = reachable_backend(room.context("bring-stack-up"), room.folder / "state")
    assert backend == (room.folder / "state" / "pulumi-backend").as_uri()
    assert "eu-central-1, which is lost" in room.said[-1]

    stack = Stack("dr-aws", place(room, backend))
    assert not stack.exists()
    stack.restore(state.last_file(room.folder / "state", [], "dr-aws", "export.json"))
    assert stack.exists()
    assert stack.ids().keys() == {r["urn"] for r in before["deployment"].get("resources", [])}


def test_the_fallback_stays_in_use_once_it_was_used(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    url = (room.folder / "backend").as_uri()
    monkeypatch.setenv("PULUMI_BACKEND_URL", "s3://lost-bucket?region=eu-central-1")
    first = reachable_backend(room.context("bring-stack-up"), room.folder / "state")
    monkeypatch.setenv("PULUMI_BACKEND_URL", url)
    assert reachable_backend(room.context("bring-stack-up"), room.folder / "state") == first != url
