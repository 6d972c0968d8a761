"""What a world's children are started with."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from rehearsal import company, runtime
from rehearsal.world import WorldSettings

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root starts programs as somebody else")
def test_a_program_that_only_root_can_reach_does_not_run_as_another_user(tmp_path: Path) -> None:
    """setpriv reaches it, as it still has root's capabilities; a machine that boots does not."""
    (tmp_path / "shut").mkdir(mode=0o700)
    program = tmp_path / "shut" / "program"
    shutil.copy(shutil.which("true") or "", program)
    assert not runtime.runs(program, runtime.NOBODY)
    assert runtime.runs(Path(shutil.which("true") or ""), runtime.NOBODY)


def test_what_children_leave_in_temporary_folders_goes_with_the_world(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A `dr bundle` that is killed while it packs cannot clean up after itself."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "pulumi").write_text("#!/bin/sh\n")
    (tmp_path / "bin" / "pulumi").chmod(0o755)
    monkeypatch.setenv("LIFEBOAT_PULUMI", str(tmp_path / "bin"))
    monkeypatch.setenv("TMPDIR", "/mine")
    monkeypatch.chdir(ROOT)
    regions = ("eu-central-1", "eu-west-1")
    settings = WorldSettings("t", tmp_path, "127.19", 60, regions, *regions, 1, None, Path(), Path())
    before = dict(os.environ)
    try:
        platform = company.reach(settings)
        kept = os.environ["TMPDIR"]
    finally:
        os.environ.clear()
        os.environ.update(before)
    assert Path(platform.environment["TMPDIR"]).is_relative_to(settings.home)
    assert Path(platform.environment["TMPDIR"]).is_dir()
    assert kept == "/mine"
