"""The Pulumi CLI as recovery runs it: it ends with the abort or the step's time, and leaves nobody."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from pulumi.automation.errors import CommandError

from recovery import pulumi_cli
from recovery.errors import ActionFailed, Cancelled, OutOfTime
from recovery.procfs import start_time
from recovery.pulumi_cli import StoppableCommand
from recovery.stack_files import Place
from recovery.stacks import Stack
from tests.fakes.waiting import until

PROJECT = {
    "Pulumi.yaml": "name: lifeboat\nruntime: python\nmain: infra/\n",
    "Pulumi.dr-aws.yaml": "config:\n  aws:region: eu-west-1\n",
}
LOCKED = (
    "error: the stack is currently locked by 1 lock(s). Either wait for the other process(es) to end or "
    "delete the lock file with `pulumi cancel`.\n"
    "  file:///state/x.json: created by ben@elsewhere (pid 4711) at 2026-11-21T14:02:00Z"
)


@pytest.fixture
def pulumi(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Puts a program in the CLI's place; `up` is what it does when it is to do something."""
    for name, text in PROJECT.items():
        (tmp_path / name).write_text(text)

    def install(up: str) -> None:
        program = tmp_path / "pulumi"
        program.write_text(f'#!/bin/bash\nif [ "$1" = version ]; then echo v3.259.0; exit; fi\n{up}\n')
        program.chmod(0o755)

    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    return install


def stack(folder: Path, *, expired: bool = False) -> Stack:
    return Stack(
        "dr-aws", Place(folder, folder / "state", folder / "run", "r-1", "up", None, lambda: expired)
    )


def quiet(_text: str, _share: float | None) -> None:
    """Nobody watches."""


def test_a_cli_that_does_not_end_when_asked_is_ended_with_its_plugins(
    tmp_path: Path, pulumi: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Plugins have process groups of their own, as Pulumi gives them."""
    pulumi(f"trap '' INT\nset -m\nsleep 60 &\necho $! > {tmp_path}/plugin\nset +m\nsleep 60")
    monkeypatch.setattr(pulumi_cli, "GRACE", 0.2)
    plugin = tmp_path / "plugin"
    began = time.monotonic()
    with pytest.raises(CommandError):
        StoppableCommand(plugin.exists).run(["up"], str(tmp_path), {})
    assert time.monotonic() - began < 30
    until("the plugin's end", lambda: start_time(int(plugin.read_text())) is None)


@pytest.mark.parametrize(
    ("aborted", "kind", "said"),
    [(True, Cancelled, "the run is being aborted"), (False, OutOfTime, "the step's time is over")],
)
def test_who_stopped_the_engine_is_told(
    tmp_path: Path, pulumi: Callable[[str], None], aborted: bool, kind: type[Exception], said: str
) -> None:
    pulumi("exec sleep 60")
    with pytest.raises(kind, match=said):
        stack(tmp_path, expired=not aborted).up(quiet, lambda: aborted)


def test_a_lock_that_somebody_holds_is_told_with_who_it_is(
    tmp_path: Path, pulumi: Callable[[str], None]
) -> None:
    pulumi(f"cat >&2 <<'END'\n{LOCKED}\nEND\nexit 255")
    with pytest.raises(ActionFailed, match=r"ben@elsewhere \(pid 4711\)") as told:
        stack(tmp_path).up(quiet, lambda: False)
    assert "pulumi cancel --stack dr-aws" in told.value.cure
