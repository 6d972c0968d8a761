"""kill -9 at any moment loses nothing and doubles nothing."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
INSIDE = [f"{step}:{where}" for step in ("look", "left", "both") for where in ("before", "after", "verified")]
NUMBERS = (1, 3, 8, 14, 19, 23, 28, 33, 37, 40)
COMMITS = [f"{when}:{number}" for number in NUMBERS for when in ("commit", "committed")]


def trials(folder: Path, places: list[str]) -> list[dict[str, Any]]:
    done = subprocess.run(
        [sys.executable, "-m", "tests.faults.crash_series", str(folder), *places],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.mark.parametrize("places", [INSIDE, COMMITS[::2], COMMITS[1::2]], ids=["inside", "before", "after"])
def test_a_run_killed_anywhere_is_finished_and_nothing_is_made_twice(
    tmp_path: Path, places: list[str]
) -> None:
    found = trials(tmp_path / "trial", places)
    assert [result["place"] for result in found] == places
    for result in found:
        keys = [f"test-1/{step}" for step in ("both", "later", "left", "look", "right")]
        assert result["made"] == keys, result
        assert result["exit"] == 0, result
        assert result["outcome"] == "recovered", result
        assert set(result["statuses"].values()) == {"ok"}, result
        assert result["verified"], result
    assert sum(result["crashed"] for result in found) >= len(found) - 2, "the trials must really crash"
