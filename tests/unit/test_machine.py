"""What a run does next follows from what happened, and from nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from recovery.engine.asking import message
from recovery.engine.commands import Ask, Command, Hear, Mark, Skip, Timer, Try, Undo
from recovery.engine.machine import Machine
from recovery.engine.record import Account, Answer
from tests.fakes import engine as fake

OK: dict[str, Any] = {"status": "ok", "fact": {"what": "x"}, "again": False}
BAD: dict[str, Any] = {"status": "failed", "error": {"what": "no"}, "again": True}
REFUSED: dict[str, Any] = {"status": "failed", "error": {"what": "never"}, "again": False}


class Bench:
    """A machine whose commands are carried out by the test."""

    def __init__(self, folder: Path, steps: str, *answers: Answer) -> None:
        self.machine = Machine(fake.record(folder, steps, answers=answers))
        self.asked: list[str] = []
        assert self.step() == ["recorded"]

    def step(self) -> list[str]:
        """Give out commands, in words; answers are judged at once."""
        words: list[str] = []
        while commands := self.machine.commands():
            heard = False
            for command in commands:
                words += [self._word(command)]
                if isinstance(command, Hear):
                    heard = True
                    if not command.refusal:
                        self.machine.heard(command.answer)
            if not heard:
                break
        return words

    def _word(self, command: Command) -> str:  # noqa: PLR0911 - one return a command
        match command:
            case Try(step, attempt, delay):
                return f"{step}.{attempt}" + (f"+{delay:g}" if delay else "")
            case Ask(step, what):
                return f"{step} {what}"
            case Timer(step, seconds, _):
                return f"{step} within {seconds:g}"
            case Skip(step):
                return f"{step} skipped"
            case Hear(answer, _, refusal):
                return f"{answer.kind} {'refused' if refusal else 'heard'}"
            case Undo(step):
                return f"undo {step}"
            case Mark(event):
                return event

    def done(self, step: str, outcome: dict[str, Any] = OK) -> list[str]:
        self.machine.attempted(step, outcome)
        return self.step()

    def say(self, kind: str, step: str = "", by: str = "ada", **more: Any) -> list[str]:
        self.machine.said(Answer.model_validate({"kind": kind, "step": step, "by": by, **more}))
        return self.step()


def test_independent_steps_start_together_and_the_next_when_both_are_over(tmp_path: Path) -> None:
    bench = Bench(
        tmp_path, "  - {id: a, uses: note}\n  - {id: b, uses: note}\n  - {id: c, uses: note, after: [a, b]}\n"
    )
    assert bench.step() == ["a.1", "b.1"]
    assert bench.done("b") == []
    assert bench.done("a") == ["c.1"]
    assert bench.done("c") == ["recovered", "finished"]
    assert bench.machine.outcome == "recovered"


def test_service_is_back_before_what_is_not_critical_begins(tmp_path: Path) -> None:
    bench = Bench(tmp_path, "  - {id: a, uses: note}\n  - {id: b, uses: note, class: non-critical}\n")
    assert bench.step() == ["a.1"]
    assert bench.done("a") == ["b.1", "recovered"]
    assert bench.done("b") == ["finished"]


def test_a_failing_step_is_tried_again_with_growing_waits_and_then_a_person_decides(tmp_path: Path) -> None:
    bench = Bench(tmp_path, "  - {id: a, uses: note, retry: {times: 3, wait: 4s}}\n")
    bench.step()
    assert bench.done("a", BAD) == ["a.2+4"]
    assert bench.done("a", BAD) == ["a.3+8"]
    assert bench.done("a", BAD) == ["a awaiting-decision"]
    assert bench.machine.awaiting == ["a"]


def test_a_refusal_is_not_tried_again(tmp_path: Path) -> None:
    bench = Bench(tmp_path, "  - {id: a, uses: note}\n")
    bench.step()
    assert bench.done("a", REFUSED) == ["a awaiting-decision"]


def test_a_failed_step_never_stops_what_is_independent_of_it(tmp_path: Path) -> None:
    bench = Bench(
        tmp_path, "  - {id: a, uses: note}\n  - {id: b, uses: note}\n  - {id: c, uses: note, after: [b]}\n"
    )
    bench.step()
    bench.done("a", REFUSED)
    assert bench.done("b") == ["c.1"]


def test_retry_starts_over_with_all_tries(tmp_path: Path) -> None:
    bench = Bench(tmp_path, "  - {id: a, uses: note, retry: {times: 2, wait: 1s}}\n")
    bench.step()
    bench.done("a", BAD)
    bench.done("a", BAD)
    assert bench.say("retry", "a") == ["retry heard", "a.3"]
    assert bench.done("a", BAD) == ["a.4+1"]


def test_retry_with_changes_does_the_changed_step_again_first(tmp_path: Path) -> None:
    bench = Bench(tmp_path, "  - {id: a, uses: find}\n  - {id: b, uses: use, after: [a]}\n")
    bench.step()
    bench.done("a")
    bench.done("b", REFUSED)
    assert bench.say("retry", "b", changes={"a": {"fail": 0}}) == ["retry heard", "a.2"]
    assert bench.done("a") == ["b.2"]
    assert bench.machine.steps["a"].changes == {"fail": 0}


def test_changes_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    bench = Bench(tmp_path, "  - {id: a, uses: note}\n")
    bench.step()
    bench.done("a", REFUSED)
    assert bench.say("retry", "a", changes={"a": {"colour": "blue"}}) == ["retry refused"]


def test_skip_goes_on_without_the_step_but_not_with_those_that_take_its_fact(tmp_path: Path) -> None:
    steps = (
        "  - {id: a, uses: find}\n  - {id: b, uses: use, after: [a]}\n  - {id: c, uses: note, after: [a]}\n"
    )
    bench = Bench(tmp_path, steps)
    bench.step()
    bench.done("a", REFUSED)
    assert bench.say("skip", "a") == ["skip heard", "b skipped", "c.1"]


def test_override_gives_the_fact_that_the_step_would_have_given(tmp_path: Path) -> None:
    bench = Bench(tmp_path, "  - {id: a, uses: find}\n  - {id: b, uses: use, after: [a]}\n")
    bench.step()
    bench.done("a", REFUSED)
    assert bench.say("override", "a") == ["override refused"]
    assert bench.say("override", "a", fact={"what": "by hand"}) == ["override heard", "b.1"]


def test_a_step_that_the_plan_leaves_out_is_skipped(tmp_path: Path) -> None:
    bench = Bench(tmp_path, "  - {id: a, uses: note, when: false}\n  - {id: b, uses: note, after: [a]}\n")
    assert bench.step() == ["a skipped", "b.1"]


APPROVAL = "  - {id: a, uses: note, approval: {any-of: [cto], within: 15m}}\n"


def test_a_step_waits_for_its_approval(tmp_path: Path) -> None:
    bench = Bench(tmp_path, APPROVAL)
    assert bench.step() == ["a awaiting-approval", "a within 900"]
    assert bench.say("approve", "a") == ["approve heard", "a.1"]


def test_only_those_who_may_can_approve(tmp_path: Path) -> None:
    bench = Bench(tmp_path, APPROVAL)
    bench.step()
    assert bench.say("approve", "a", by="ben") == ["approve refused"]
    assert bench.say("approve", "a", by="mallory") == ["approve refused"]
    assert bench.machine.awaiting == ["a"]


def test_authority_passes_on_when_nobody_answers_in_time(tmp_path: Path) -> None:
    bench = Bench(tmp_path, APPROVAL)
    bench.step()
    bench.machine.time_passed("a", 1)
    assert bench.step() == ["a awaiting-approval"]
    assert bench.say("approve", "a", by="ben") == ["approve heard", "a.1"]


def test_an_approval_by_the_next_in_line_counts_once_authority_has_passed_on(tmp_path: Path) -> None:
    bench = Bench(tmp_path, APPROVAL)
    bench.step()
    assert bench.say("approve", "a", by="ben") == ["approve refused"]
    bench.machine.time_passed("a", 1)
    assert bench.step()[0] == "approve heard"


def test_the_time_of_an_asking_that_was_answered_passes_nothing_on(tmp_path: Path) -> None:
    bench = Bench(tmp_path, APPROVAL)
    bench.step()
    bench.say("reject", "a")
    bench.say("retry", "a")
    bench.machine.time_passed("a", 1)
    assert bench.say("approve", "a", by="ben") == ["approve refused"]


def test_an_approval_given_beforehand_counts_when_the_step_is_reached(tmp_path: Path) -> None:
    steps = "  - {id: z, uses: note}\n  - {id: a, uses: note, after: [z], approval: {any-of: [cto]}}\n"
    bench = Bench(tmp_path, steps)
    bench.step()
    assert bench.say("approve", "a") == ["approve heard"]
    assert bench.done("z") == ["a.1"]


def test_a_no_opens_a_decision(tmp_path: Path) -> None:
    bench = Bench(tmp_path, APPROVAL)
    bench.step()
    assert bench.say("reject", "a", reason="not yet") == ["reject heard", "a awaiting-decision"]
    assert bench.say("retry", "a") == ["retry heard", "a awaiting-approval", "a within 900"]


def test_an_approval_from_another_account_does_not_count(tmp_path: Path) -> None:
    bench = Bench(tmp_path, APPROVAL)
    bench.step()
    elsewhere = Account(provider="aws", account="999999999999", endpoint="test")
    assert bench.say("approve", "a", account=elsewhere) == ["approve refused"]


def test_a_manual_step_is_done_when_its_owner_says_so(tmp_path: Path) -> None:
    steps = "  - {id: m, uses: manual, with: {message: call them, done-when: they know}}\n"
    bench = Bench(tmp_path, steps)
    assert bench.step() == ["m awaiting-person"]
    assert bench.say("done", "m", by="cem") == ["done heard", "recovered", "finished"]


def test_an_abort_waits_for_what_runs_and_begins_nothing_new(tmp_path: Path) -> None:
    bench = Bench(tmp_path, "  - {id: a, uses: note}\n  - {id: b, uses: note, after: [a]}\n")
    bench.step()
    assert bench.say("abort") == ["abort heard"]
    assert bench.done("a", BAD) == ["finished"]
    assert bench.machine.outcome == "aborted"


def test_an_abort_takes_steps_back_last_one_first(tmp_path: Path) -> None:
    bench = Bench(
        tmp_path,
        "  - {id: a, uses: note}\n  - {id: b, uses: note, after: [a]}\n  - {id: c, uses: note, after: [b]}\n",
    )
    bench.step()
    bench.done("a")
    bench.done("b")
    assert bench.say("abort", undo=True) == ["abort heard"]
    assert bench.done("c", REFUSED) == ["undo c"], "it was stopped half-way, and may have made something"
    assert bench.step() == ["undo b"]
    assert bench.step() == ["undo a"]
    assert bench.step() == ["finished"]


@pytest.mark.parametrize("kind", ["retry", "override", "skip"])
def test_a_step_that_does_not_wait_for_a_decision_gets_none(tmp_path: Path, kind: str) -> None:
    bench = Bench(tmp_path, "  - {id: a, uses: note}\n")
    bench.step()
    assert bench.say(kind, "a") == [f"{kind} refused"]


def test_the_same_outcomes_give_the_same_commands_again(tmp_path: Path) -> None:
    steps = (
        "  - {id: a, uses: find}\n  - {id: b, uses: use, after: [a]}\n  - {id: c, uses: note, after: [a]}\n"
    )

    def replay() -> list[list[str]]:
        bench = Bench(tmp_path, steps)
        return [bench.step(), bench.done("a"), bench.done("c", BAD), bench.done("b"), bench.done("c")]

    assert replay() == replay()


def test_a_message_says_what_is_wanted_and_the_command_that_answers() -> None:
    error = {"what": "no room", "means": "nothing was created", "cure": "dr resume … --use a.b=c"}
    title, body = message("r-1", "a", "awaiting-decision", {"error": error})
    assert title == "a failed and waits for a decision"
    assert body.splitlines() == [
        "a failed: no room", "means: nothing was created", "cure: dr resume r-1 --use a.b=c", "",
        "Run r-1; to answer: dr resume r-1 --by NAME",
    ]  # fmt: skip
    error["cure"] = "aws kms enable-key, then dr resume"
    assert (
        "cure: aws kms enable-key   then   dr resume r-1\n"
        in message("r-1", "a", "awaiting-decision", {"error": error})[1]
    )
    manual = {"message": "Call the partners", "done-when": "all know"}
    assert "Done when: all know" in message("r-1", "b", "awaiting-person", manual)[1]
