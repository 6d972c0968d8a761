"""How `dr run` ends when it is interrupted."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from recovery.engine import processes
from tests.fakes import signals

ROOT = Path(__file__).resolve().parents[2]
STEPS = "  - {id: a, uses: note}\n  - {id: b, uses: note, after: [a], with: {seconds: %s}}\n"
CARRY = """
import sys
from pathlib import Path
from recovery.cli.carrying import View, carry
from tests.fakes import engine as fake
folder, run, steps, resumed = Path(sys.argv[1]), sys.argv[2], sys.argv[3], sys.argv[4] == "resumed"
record = fake.record(folder, steps, run=run)
view = View(json=True, wait=False)
sys.exit(carry(folder / "state", record, fake.Nowhere(folder), resumed=resumed, view=view))
"""


def carried(folder: Path, run: str, how: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", CARRY, str(folder), run, STEPS % (0 if how == "resumed" else 60), how],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=signals.usual,
    )


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_interrupted_run_leaves_no_child_and_is_taken_up(tmp_path: Path, number: signal.Signals) -> None:
    run = f"interrupted-{os.getpid()}-{number}"
    process = carried(tmp_path, run, "begun")
    child = subprocess.Popen(["sleep", "60"], env={**os.environ, processes.MARK: run}, start_new_session=True)
    try:
        assert process.stdout is not None and process.stderr is not None
        assert any('"started"' in line and '"b"' in line for line in process.stdout)
        if number is signal.SIGHUP:
            process.stderr.close()  # nobody is there any more who could be told
        process.send_signal(number)
        assert process.wait(30) == 128 + number
        assert child.wait(10)
        if number is not signal.SIGHUP:
            assert f"what is done is kept: dr resume {run}" in process.stderr.read()
    finally:
        process.kill()
        child.kill()
    again = carried(tmp_path, run, "resumed")
    out, _ = again.communicate(timeout=60)
    events = [(row["event"], row.get("step")) for row in map(json.loads, out.splitlines())]
    assert again.returncode == 0
    assert ("started", "b") in events and ("started", "a") not in events
