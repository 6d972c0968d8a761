"""Runs are carried out, wait for people, and are taken up by another process."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
import time
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from recovery.clock import SystemClock
from recovery.engine import database, inbox, processes, runner, standing
from recovery.engine.events import Event
from recovery.engine.lease import Lease, holder
from recovery.engine.record import Account, Answer, RunRecord, same_account
from recovery.errors import ExitCode, Refusal
from tests.fakes import engine as fake
from tests.fakes import signals
from tests.fakes.waiting import until

RUN = f"test-{os.getpid()}"
"""Marks of children are looked for on the whole machine, where other tests may run."""


class Desk:
    """Carries out a run here, and lets the test answer it."""

    def __init__(self, folder: Path, steps: str, **changes: Any) -> None:
        self.folder = folder
        self.state = folder / "state"
        self.record: RunRecord = fake.record(folder, steps, **changes)
        self.events: list[Event] = []
        self.around = fake.Nowhere(folder)

    def carry(self, *, resumed: bool = False, patient: bool = False) -> runner.Outcome:
        office = runner.Office(self.state, self.around, self.events.append, patient=lambda: patient)
        return runner.carry_out(office, self.record, resumed=resumed)

    def say(self, kind: str, step: str = "", **more: Any) -> None:
        answer = Answer.model_validate({"kind": kind, "step": step, "by": "ada", **more})
        engine = database.connect(self.state)
        inbox.put(engine, self.record.id, answer)
        engine.dispose()

    def told(self, step: str = "") -> list[str]:
        return [event.kind for event in self.events if event.step == step and event.kind != "progress"]


def test_a_run_waits_for_an_approval_and_another_process_finishes_it(tmp_path: Path) -> None:
    desk = Desk(
        tmp_path, "  - {id: a, uses: note}\n  - {id: b, uses: note, after: [a], approval: {any-of: [cto]}}\n"
    )
    waiting = desk.carry()
    assert (waiting.outcome, waiting.awaiting, waiting.exit_code) == (None, ["b"], ExitCode.WAITING)
    assert len(desk.around.alerts) == 1
    assert "One of ada has to say yes to b." in desk.around.alerts[0]
    assert "dr approve test-1 b --by NAME" in desk.around.alerts[0]
    desk.say("approve", "b")
    assert desk.carry(resumed=True).exit_code is ExitCode.OK
    assert (tmp_path / "made").read_text().split() == ["test-1/a", "test-1/b"]
    assert desk.told("a") == ["started", "ok"], "what is done is not done again"
    journal = standing.entries(desk.state, "test-1")
    assert [e.data["answer"]["by"] for e in journal if e.event == "answered"] == ["ada"]


def test_a_failed_step_is_retried_by_decision_while_the_run_goes_on(tmp_path: Path) -> None:
    desk = Desk(tmp_path, "  - {id: a, uses: note, with: {fail: 2}, retry: {times: 2, wait: 10ms}}\n")

    def answer_when_asked() -> None:
        until("awaiting-decision", lambda: "awaiting-decision" in desk.told("a"))
        desk.say("retry", "a")

    threading.Thread(target=answer_when_asked, daemon=True).start()
    assert desk.carry(patient=True).outcome == "recovered"
    assert desk.told("a").count("failed") == 2
    step = standing.steps(standing.entries(desk.state, "test-1"), ["a"])["a"]
    assert (step.status, step.attempts, step.undecided) == ("ok", 3, False)


def test_an_abort_stops_a_step_that_is_under_way_and_takes_back_the_others(tmp_path: Path) -> None:
    desk = Desk(
        tmp_path, "  - {id: a, uses: note}\n  - {id: b, uses: note, after: [a], with: {seconds: 30}}\n"
    )

    def abort_when_under_way() -> None:
        until("started", lambda: "started" in desk.told("b"))
        desk.say("abort", undo=True)

    threading.Thread(target=abort_when_under_way, daemon=True).start()
    began = time.monotonic()
    outcome = desk.carry(patient=True)
    assert outcome.exit_code is ExitCode.FAILED
    assert time.monotonic() - began < 20
    assert not (tmp_path / "effect-a").exists()


def test_an_abort_takes_back_what_a_failed_step_had_made(tmp_path: Path) -> None:
    desk = Desk(tmp_path, "  - {id: a, uses: half, retry: {times: 1}}\n")
    desk.carry()
    assert (tmp_path / "effect-a").exists()
    desk.say("abort", undo=True)
    desk.carry(resumed=True)
    assert not (tmp_path / "effect-a").exists()


def test_nothing_begins_anew_once_a_run_is_aborted(tmp_path: Path) -> None:
    desk = Desk(tmp_path, "  - {id: a, uses: note, with: {fail: 1}, retry: {times: 2, wait: 30s}}\n")

    def abort_between_tries() -> None:
        until("retrying", lambda: "retrying" in desk.told("a"))
        desk.say("abort")

    threading.Thread(target=abort_between_tries, daemon=True).start()
    began = time.monotonic()
    assert desk.carry(patient=True).outcome == "aborted"
    assert time.monotonic() - began < 20
    assert desk.told("a").count("started") == 1


def test_the_time_to_approve_goes_on_while_nobody_carries_the_run_out(tmp_path: Path) -> None:
    desk = Desk(tmp_path, "  - {id: a, uses: note, approval: {any-of: [cto], within: 1500ms}}\n")
    desk.carry()
    time.sleep(1.6)
    desk.say("approve", "a", by="ben")
    assert desk.carry(resumed=True).outcome == "recovered", "the time was over before the run was taken up"
    assert desk.around.alerts[-1] == "over"


def test_a_view_that_fails_ends_no_run_even_where_nothing_can_be_written(tmp_path: Path) -> None:
    desk = Desk(tmp_path, "  - {id: a, uses: note}\n")
    folder = desk.state / "runs" / desk.record.id

    def fail(event: Event) -> None:
        (folder / "view.traceback.txt").mkdir(exist_ok=True)
        raise RuntimeError("no such colour")

    office = runner.Office(desk.state, desk.around, fail)
    assert runner.carry_out(office, desk.record, resumed=False).outcome == "recovered"


def test_what_cannot_be_undone_stays_and_the_journal_says_so(tmp_path: Path) -> None:
    desk = Desk(
        tmp_path, "  - {id: a, uses: fixed}\n  - {id: b, uses: note, after: [a], approval: {any-of: [cto]}}\n"
    )
    desk.carry()
    desk.say("abort", undo=True)
    desk.carry(resumed=True)
    assert (tmp_path / "effect-a").exists()
    kept = [e for e in standing.entries(desk.state, "test-1") if e.event == "kept"]
    assert "written in stone" in kept[0].data["error"]["what"]


def test_a_view_that_fails_never_fails_the_run(tmp_path: Path) -> None:
    def broken(event: Event) -> None:
        raise RuntimeError("no terminal")

    record = fake.record(tmp_path, "  - {id: a, uses: note}\n")
    office = runner.Office(tmp_path / "state", fake.Nowhere(tmp_path), broken)
    assert runner.carry_out(office, record, resumed=False).outcome == "recovered"


def test_an_action_that_meets_the_unknown_fails_with_a_traceback_in_the_runs_folder(tmp_path: Path) -> None:
    class Lost(fake.Nowhere):
        def context(self, *args: Any) -> Any:
            raise RuntimeError("never heard of")

    record = fake.record(tmp_path, "  - {id: a, uses: note, retry: {times: 1}}\n")
    office = runner.Office(tmp_path / "state", Lost(tmp_path), lambda e: None, patient=lambda: False)
    assert runner.carry_out(office, record, resumed=False).awaiting == ["a"]
    assert "never heard of" in (tmp_path / "state/runs/test-1/a.1.traceback.txt").read_text()


class Breaking(SystemClock):
    """A clock that breaks once: an error in the engine itself, which no action's outcome can hold."""

    def __init__(self, after: int) -> None:
        self.left = after

    def now(self) -> datetime:
        self.left -= 1
        if self.left == 0:
            raise RuntimeError("the clock broke")
        return super().now()


def test_a_run_that_an_error_in_the_engine_ended_can_be_taken_up(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    record = fake.record(tmp_path, "  - {id: a, uses: note}\n  - {id: b, uses: note, after: [a]}\n")
    office = runner.Office(tmp_path / "state", fake.Nowhere(tmp_path), lambda e: None, Breaking(8))
    with pytest.raises(Exception, match="the clock broke"):
        runner.carry_out(office, record, resumed=False)
    assert "Traceback" not in capsys.readouterr().err
    assert "the clock broke" in (tmp_path / "state/runs/test-1/engine.log").read_text()
    office = runner.Office(tmp_path / "state", fake.Nowhere(tmp_path), lambda e: None)
    assert runner.carry_out(office, record, resumed=True).outcome == "recovered"
    assert (tmp_path / "made").read_text().split() == ["test-1/a", "test-1/b"]


def test_nonsense_in_the_inbox_is_refused_and_the_run_goes_on(tmp_path: Path) -> None:
    desk = Desk(tmp_path, "  - {id: a, uses: note, approval: {any-of: [cto]}}\n")
    desk.carry()
    desk.say("approve", "a")
    engine = database.connect(desk.state)
    with engine.begin() as connection:
        connection.execute(sa.text("update lifeboat_answers set answer = '{}' where number = 1"))
    engine.dispose()
    desk.say("approve", "a")
    assert desk.carry(resumed=True).outcome == "recovered"
    assert "refused" in desk.told()


def test_two_processes_never_carry_out_the_same_run(tmp_path: Path) -> None:
    first = Lease(tmp_path)
    with pytest.raises(Refusal, match=f"process {os.getpid()}"):
        Lease(tmp_path)
    first.release()
    assert holder(tmp_path) is None
    Lease(tmp_path).release()


def test_a_run_is_not_touched_from_another_account_or_endpoint(tmp_path: Path) -> None:
    record = fake.record(tmp_path, "  - {id: a, uses: note}\n")
    mine = record.accounts[0]
    assert same_account(record, {"aws": mine}) is None
    for changed in ({"account": "999999999999"}, {"endpoint": "https://elsewhere"}):
        other = Account.model_validate(mine.model_dump() | changed)
        assert "belongs to aws account 123456789012" in (same_account(record, {"aws": other}) or "")
    assert same_account(record, {}) is not None, "what cannot be verified is refused"


def test_children_that_outlived_their_run_are_ended_by_their_mark_or_their_record(tmp_path: Path) -> None:
    marked = subprocess.Popen(["sleep", "60"], env={**os.environ, processes.MARK: RUN})
    recorded = subprocess.Popen(["sleep", "60"])
    other = subprocess.Popen(["sleep", "60"], env={**os.environ, processes.MARK: f"{RUN}-other"})
    try:
        processes.record(tmp_path, recorded.pid, "sleep")
        assert len(processes.end_leftovers(tmp_path, RUN)) == 2
        assert marked.wait(5) and recorded.wait(5)
        assert other.poll() is None
    finally:
        for child in (marked, recorded, other):
            child.kill()
            child.wait()


def test_pulumi_may_record_what_it_is_just_making_before_its_providers_are_ended(tmp_path: Path) -> None:
    program = tmp_path / "pulumi"
    shutil.copy(shutil.which("bash") or "/bin/bash", program)  # known by its name
    script = f"trap 'sleep 0.5; touch {tmp_path}/recorded; exit' INT; touch {tmp_path}/ready; sleep 60 & wait"
    env = {**os.environ, processes.MARK: RUN}
    engine = subprocess.Popen(
        [str(program), "-c", script], env=env, start_new_session=True, preexec_fn=signals.usual
    )
    try:
        until("ready", (tmp_path / "ready").exists)
        assert len(processes.end_leftovers(tmp_path, RUN)) == 2
        assert (tmp_path / "recorded").exists()
    finally:
        engine.kill()
        engine.wait()


def test_a_process_that_has_an_old_id_is_not_taken_for_a_child(tmp_path: Path) -> None:
    stranger = subprocess.Popen(["sleep", "60"])
    try:
        processes.record(tmp_path, stranger.pid, "sleep")
        note = tmp_path / "children" / f"{stranger.pid}.json"
        note.write_text(note.read_text().replace('"started": ', '"started": 9'))
        assert processes.end_leftovers(tmp_path, RUN) == []
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


def test_the_engine_is_not_imported_before_it_is_needed() -> None:
    heavy = ("dbos", "typer", "rich", "boto3", "pydantic")
    code = (
        f"import sys, recovery.cli.__main__ as m; m.usage(); print([x for x in sys.modules if x in {heavy}])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_run_that_waits_can_be_taken_up_after_its_process_ended_by_itself(tmp_path: Path) -> None:
    """At its end the interpreter shuts thread pools down: a workflow that waits must not meet that."""
    program = (
        "import sys; from pathlib import Path; from recovery.engine import runner; "
        "from recovery.engine.record import RunRecord; from tests.fakes import engine as fake\n"
        "folder = Path(sys.argv[1])\n"
        "record = RunRecord.model_validate_json((folder / 'r.json').read_text())\n"
        "office = runner.Office(folder / 'state', fake.Nowhere(folder), lambda e: None, hasty=True, "
        "patient=lambda: False)\n"
        "print(runner.carry_out(office, record, resumed=sys.argv[2] == 'resumed').outcome)\n"
    )
    record = fake.record(tmp_path, "  - {id: a, uses: note, approval: {any-of: [cto]}}\n")
    (tmp_path / "r.json").write_text(record.model_dump_json())

    def carry(how: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", program, str(tmp_path), how]
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)

    first = carry("begun")
    assert (first.stdout.strip(), first.stderr) == ("None", "")
    engine = database.connect(tmp_path / "state")
    inbox.put(engine, "test-1", Answer(kind="approve", step="a", by="ada"))
    engine.dispose()
    assert carry("resumed").stdout.strip() == "recovered"
