"""What a run does next, decided purely: outcomes and answers in, commands out. The workflow carries them out.

Replayed from the recorded outcomes it gives the same commands, which is all that makes a run durable.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from recovery.decisions import succession
from recovery.engine import authority
from recovery.engine.commands import Ask, Command, Hear, Mark, Skip, Timer, Try, Undo
from recovery.engine.record import Answer, RunRecord
from recovery.errors import LifeboatError
from recovery.plans.loading import Bound

Status = Literal[
    "waiting",
    "running",
    "awaiting-approval",
    "awaiting-decision",
    "awaiting-person",
    "ok",
    "skipped",
    "stopped",
]
OVER = ("ok", "skipped")


@dataclass
class StepState:
    """How far a step is."""

    status: Status = "waiting"
    attempt: int = 0
    """Attempts begun so far."""
    tries: int = 0
    """Attempts since a person last decided."""
    asked: int = 0
    approved: bool = False
    passed_on: bool = False
    early: list[Answer] = field(default_factory=list)
    """Approvals of people next in line: they count once authority has passed on."""
    done_by_hand: bool = False
    fact: dict[str, Any] | None = None
    changes: dict[str, Any] = field(default_factory=dict)
    also_after: tuple[str, ...] = ()
    left_out: str = ""


class Machine:
    """The state of one run. Not thread-safe; owned by the workflow."""

    def __init__(self, record: RunRecord) -> None:
        self.bound: Bound = record.bound()
        self.company = record.people()
        self.steps = {step.id: StepState() for step in self.bound.plan.steps}
        self.aborting = False
        self.undo = False
        self.outcome: str | None = None
        self.accounts = {account.provider: account for account in record.accounts}
        self._heard = 0
        self._undoing: list[str] | None = None
        self._marks: list[Mark] = [Mark("recorded")]
        self._recovered = False
        self._queue: list[Command] = [self._hear(answer) for answer in record.answers]

    # --- what to do next -----------------------------------------------------------------------------------

    def commands(self) -> list[Command]:
        """Everything that may begin now, in the plan's order. Each is given out once."""
        if self._marks:  # the run is on record before anything is done
            marks, self._marks = self._marks, []
            return list(marks)
        found, self._queue = self._queue, []
        if self.outcome is not None:
            return found
        if self.aborting:
            return found + self._wind_up()
        if not any(isinstance(command, Hear) for command in found):  # what people said comes first
            for step in self.steps:
                found += self._next(step)
            found += self._turns()
        return found

    def _next(self, name: str) -> list[Command]:
        state, step = self.steps[name], self.bound.plan.step(name)
        if state.status != "waiting" or not self._ready(name):
            return []
        why = self._left_out(name)
        if why:
            state.status, state.left_out = "skipped", why
            return [Skip(name, why)]
        if step.approval and not state.approved:
            allowed = sorted(succession.may_approve(self.company, step.approval, state.passed_on))
            ask = self._ask(name, "awaiting-approval", {"by": allowed, "within_s": step.approval.within})
            return [ask, Timer(name, step.approval.within, ask.number)] if not state.passed_on else [ask]
        if step.manual:
            if not state.done_by_hand:
                return [self._ask(name, "awaiting-person", dict(step.with_))]
            state.status = "ok"
            return []
        return [self._try(name, 0.0)]

    def _ready(self, name: str) -> bool:
        before = (*self.bound.after[name], *self.steps[name].also_after)
        return all(self.steps[earlier].status in OVER for earlier in before)

    def _left_out(self, name: str) -> str:
        if not self.bound.plan.step(name).when:
            return "the plan leaves it out"
        for fact, giver in self.bound.givers[name].items():
            if self.steps[giver].fact is None:
                return f"it takes {fact}, and {giver} was left out"
        return ""

    def _try(self, name: str, delay: float) -> Try:
        state = self.steps[name]
        state.status = "running"
        state.attempt += 1
        state.tries += 1
        return Try(name, state.attempt, delay)

    def _ask(self, name: str, what: Any, data: Mapping[str, Any]) -> Ask:
        state = self.steps[name]
        state.status = what
        state.asked += 1
        return Ask(name, what, state.asked, data)

    def _turns(self) -> list[Command]:
        """Service is back when all critical steps are over; the run is finished when all are."""
        found: list[Command] = []
        critical = [self.steps[s.id].status in OVER for s in self.bound.plan.steps if s.critical]
        if all(critical) and not self._recovered:
            self._recovered = True
            found.append(Mark("recovered"))
        if all(state.status in OVER for state in self.steps.values()):
            self.outcome = "recovered"
            found.append(Mark("finished", {"outcome": self.outcome}))
        return found

    def _wind_up(self) -> list[Command]:
        """After an abort: wait for what runs, take back what was asked to be, finish.

        A step that failed or was stopped half-way may have made something, too.
        """
        if any(state.status == "running" for state in self.steps.values()):
            return []
        if self._undoing is None:
            self._undoing = [name for name, state in self.steps.items() if state.attempt and self.undo]
        if self._undoing:
            return [Undo(self._undoing.pop())]
        self.outcome = "aborted"
        return [Mark("finished", {"outcome": self.outcome})]

    @property
    def awaiting(self) -> list[str]:
        """Steps that wait for a person."""
        return [name for name, state in self.steps.items() if state.status.startswith("awaiting-")]

    # --- what came of it -----------------------------------------------------------------------------------

    def attempted(self, name: str, outcome: Mapping[str, Any]) -> None:
        """An attempt is over."""
        state, step = self.steps[name], self.bound.plan.step(name)
        if outcome["status"] == "ok":
            state.status, state.fact = "ok", outcome.get("fact") or {}
        elif self.aborting:
            state.status = "stopped"
        elif outcome["again"] and state.tries < step.retry.times:
            self._queue.append(self._try(name, step.retry.delay(state.tries + 1)))
        else:
            self._queue.append(self._ask(name, "awaiting-decision", {"error": outcome["error"]}))

    def time_passed(self, name: str, asked: int) -> None:
        """The time to approve is over: authority passes on. An asking that was answered since has no say."""
        state = self.steps[name]
        if state.status == "awaiting-approval" and not state.passed_on and state.asked == asked:
            state.passed_on, state.status = True, "waiting"
            self._queue += [self._hear(answer) for answer in state.early]

    def said(self, answer: Answer) -> None:
        """Someone answered; it is judged before anything else happens."""
        self._queue.append(self._hear(answer))
        if authority.early(self, answer):
            self.steps[answer.step].early.append(answer)

    def heard(self, answer: Answer) -> None:
        """An answer was accepted."""
        if answer.kind == "abort":
            self.aborting, self.undo = True, answer.undo
            return
        state = self.steps[answer.step]
        if answer.kind == "approve":
            state.approved = True
            if state.status == "awaiting-approval":
                state.status = "waiting"
        elif answer.kind == "done":
            state.done_by_hand = True
            if state.status == "awaiting-person":
                state.status = "waiting"
        elif answer.kind == "reject":
            no = LifeboatError(f"{answer.by} said no: {answer.reason or 'no reason given'}")
            self._queue.append(self._ask(answer.step, "awaiting-decision", {"error": no.parts()}))
        elif answer.kind == "override":
            state.status, state.fact = "ok", answer.fact or {}
        elif answer.kind == "skip":
            state.status, state.left_out = "skipped", f"{answer.by} decided so"
        else:
            self._again(answer)

    def _again(self, answer: Answer) -> None:
        """Retry, with changes where given; steps that are changed are done again first."""
        redone = [name for name in answer.changes if name != answer.step]
        for name, values in answer.changes.items():
            self.steps[name].changes |= values
        for name in (*redone, answer.step):
            self.steps[name].status, self.steps[name].tries = "waiting", 0
        self.steps[answer.step].also_after = tuple(redone)

    def _hear(self, answer: Answer) -> Hear:
        self._heard += 1
        return Hear(answer, self._heard, authority.refusal(self, answer))
