"""What a world's children are started with."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from rehearsal import company
from rehearsal.world import WorldSettings

ROOT = Path(__file__).resolve().parents[2]


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
