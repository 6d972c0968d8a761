"""A recovery that is killed with -9 at every step, again and again, ends well and makes nothing twice."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.world
@pytest.mark.skipif(
    not (os.environ.get("LIFEBOAT_PULUMI") or shutil.which("pulumi")),
    reason="no pulumi; ./dr test brings one",
)
def test_a_recovery_killed_at_every_step_makes_nothing_twice() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.faults.region_killed", f"killed-{os.getpid()}"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=1200,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    found = json.loads(done.stdout)
    assert found["exit"] == 0, done.stderr[-4000:]
    assert found["runs"] == 1
    assert found["kills"] >= len(found["steps"]), "the run must really have been interrupted, again and again"
    assert found["places"] >= 1.8 * len(found["steps"]), "inside and after nearly every step"
    assert found["outcome"] == "recovered"
    assert set(found["steps"].values()) == {1}, "each step is on record as done exactly once"
    assert found["databases"] == 1
    assert found["jobs"], "machines of the run carry its tags"
    assert set(found["jobs"].values()) == {1}, "no machine was started twice for the same job"
