"""The durable loop: one DBOS workflow per run; every command of the machine is one recorded operation.

Rules that make a replay exact: only this loop starts operations, each live task is exactly one of them, its
number is reserved before it begins, and its name carries the step's id, so that DBOS's own check of names
catches a replay that went another way. Bump VERSION only when the sequence of operations changes.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from dbos import DBOS

from recovery.engine import asking, attempts, inbox
from recovery.engine.attempts import Host
from recovery.engine.commands import Ask, Command, Hear, Mark, Skip, Timer, Try, Undo
from recovery.engine.machine import Machine
from recovery.engine.record import Answer, RunRecord
from recovery.errors import LifeboatError

VERSION = "plan-v1"
_GRACE = 90.0  # a thread cannot be ended: so long after its deadline an attempt is given up; Pulumi gets 60


@dataclass(frozen=True)
class Carrier:
    """What this process brings to a run that it carries out; set before DBOS is launched."""

    host: Host
    database: sa.Engine
    on_idle: Callable[[list[str]], None]
    """Only people can go on; called with the steps that wait for them."""
    on_abort: Callable[[], None]
    on_end: Callable[[], None]


class LetGo(BaseException):
    """This process stops carrying the run out; another takes it up."""


_carriers: dict[str, Carrier] = {}


def carry(run: str, carrier: Carrier) -> None:
    """Take on a run."""
    _carriers[run] = carrier


@DBOS.workflow(name="run_plan", max_recovery_attempts=None)
async def run_plan(raw: dict[str, Any]) -> dict[str, Any]:
    """Carry out a recorded run to its end; returns its outcome. The plan is in the record, hence frozen."""
    record = RunRecord.model_validate(raw)
    machine = Machine(record)
    loop = _Loop(_carriers[record.id], machine)
    try:
        await loop.run()
    except asyncio.CancelledError:
        # This process lets go of the run. An Exception DBOS would record as the run's end; this it does not.
        raise LetGo from None
    finally:
        loop.stop()
        _carriers[record.id].on_end()
    return {"outcome": machine.outcome}


class _Loop:
    """Starts commands, waits for what is under way, tells the machine what came of it."""

    def __init__(self, carrier: Carrier, machine: Machine) -> None:
        self._carrier = carrier
        self._host = carrier.host
        self._machine = machine
        self._live: list[tuple[Command | None, asyncio.Future[Any]]] = []
        self._messages = 0
        self._idle: list[str] = []
        """Steps that wait for people, while nothing else is under way."""
        self._unclear: set[Timer] = set()
        """Times to approve that may be over already: until that is known, no answer is judged."""

    async def run(self) -> None:
        self._listen()
        while True:
            for command in self._machine.commands():
                self._live.append((command, self._start(command)))
            working = [command for command, _ in self._live if command and not isinstance(command, Timer)]
            if not working and self._machine.outcome is not None:
                return
            self._idle = [] if working else self._machine.awaiting
            tasks: list[Awaitable[Any]] = [task for _, task in self._live]
            done, _ = await DBOS.asyncio_wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            over = [pair for pair in self._live if pair[1] in done]
            self._live = [pair for pair in self._live if pair[1] not in done]
            self._idle = []
            for finished, task in over:
                self._absorb(finished, task.result())

    def stop(self) -> None:
        for _, task in self._live:
            task.cancel()

    def _listen(self) -> None:
        self._messages += 1
        self._live.append(
            (None, self._operation(f"inbox.{self._messages}", self._next_answer(self._messages)))
        )

    def _operation(self, name: str, function: Callable[[], Awaitable[Any]]) -> asyncio.Future[Any]:
        async def operation() -> Any:
            return await function()

        return asyncio.ensure_future(DBOS.reserve_step().run_async({"name": name}, operation))

    def _start(self, command: Command) -> asyncio.Future[Any]:  # noqa: PLR0911 - one return a command
        match command:
            case Try(step, attempt):
                return self._operation(f"{step}.{attempt}", lambda: self._attempt(command))
            case Ask(step, what, number):
                return self._operation(f"{step}.{what}.{number}", lambda: self._in_thread(self._ask, command))
            case Timer(step):
                self._unclear.add(command)
                return self._operation(f"{step}.within", lambda: self._time(command))
            case Skip(step, why):
                return self._operation(f"{step}.skipped", lambda: self._in_thread(self._skip, step, why))
            case Hear(_, number):
                return self._operation(f"answer.{number}", lambda: self._in_thread(self._hear, command))
            case Undo(step):
                return self._operation(f"{step}.undo", lambda: self._in_thread(self._undo, step))
            case Mark(event, data):
                return self._operation(event, lambda: self._in_thread(self._mark, event, dict(data)))

    def _absorb(self, command: Command | None, result: Any) -> None:
        if command is None:
            if "unreadable" not in result:
                self._machine.said(Answer.model_validate(result))
            self._listen()
        elif isinstance(command, Try):
            self._machine.attempted(command.step, result)
        elif isinstance(command, Timer):
            self._unclear.discard(command)
            self._machine.time_passed(command.step, command.asking)
        elif isinstance(command, Hear) and result["accepted"]:
            self._machine.heard(command.answer)
            if self._machine.aborting:
                self._carrier.on_abort()

    # --- the operations ------------------------------------------------------------------------------------

    async def _in_thread(self, function: Callable[..., Any], *args: Any) -> Any:
        return await asyncio.to_thread(function, *args)

    async def _attempt(self, command: Try) -> dict[str, Any]:
        machine, host = self._machine, self._host
        if command.delay:
            host.tell("retrying", command.step, command.attempt, f"again in {command.delay:.0f}s")
            if await self._aborted_within(command.delay):
                return {"status": "failed", "fact": None, "error": None, "again": False}
        state = machine.steps[command.step]
        facts = self._facts(command.step)
        work = asyncio.to_thread(
            attempts.attempt, host, command.step, command.attempt, dict(state.changes), facts
        )
        timeout = host.bound.plan.step(command.step).timeout
        try:
            return await asyncio.wait_for(work, timeout + _GRACE)
        except TimeoutError:
            error = LifeboatError(
                f"{command.step} did not end {_GRACE:.0f}s after its deadline of {timeout:.0f}s",
                means="its thread is left alone; what it still does is found again by the next attempt",
                cure="look at what it waits for, then dr resume",
            ).parts()
            await self._in_thread(
                lambda: host.note("failed", command.step, command.attempt, {"error": error})
            )
            host.tell("failed", command.step, command.attempt, error["what"], {"error": error})
            return {"status": "failed", "fact": None, "error": error, "again": False}

    async def _aborted_within(self, seconds: float) -> bool:
        """Wait; whether the run is aborted, so that nothing more begins."""
        until = time.monotonic() + seconds
        while not self._host.cancelled() and (left := until - time.monotonic()) > 0:
            await asyncio.sleep(min(0.2, left))
        return self._host.cancelled()

    async def _time(self, command: Timer) -> None:
        """Sleep until the time to approve is over; who takes the run up again does not begin it anew."""
        asked = await self._in_thread(
            self._host.journal.moment, "awaiting-approval", command.step, command.asking
        )
        since = datetime.fromisoformat(asked) if asked else self._host.clock.now()
        left = command.seconds - (self._host.clock.now() - since).total_seconds()
        if left > 0:
            self._unclear.discard(command)
            await asyncio.sleep(left)

    def _facts(self, step: str) -> dict[str, Any]:
        givers = self._host.bound.givers[step]
        return {fact: self._machine.steps[giver].fact or {} for fact, giver in givers.items()}

    def _next_answer(self, number: int) -> Callable[[], Awaitable[dict[str, Any]]]:
        async def wait() -> dict[str, Any]:
            while True:
                while self._unclear:
                    await asyncio.sleep(0.01)
                answer = await asyncio.to_thread(
                    inbox.get, self._carrier.database, self._host.record.id, number
                )
                if isinstance(answer, str):
                    self._host.tell("refused", text=answer)
                    return {"unreadable": answer}
                if answer is not None:
                    return answer.model_dump(mode="json")
                if self._idle:  # said only when everything that was answered so far has been heard
                    self._carrier.on_idle(self._idle)
                await asyncio.sleep(0.1)

        return wait

    def _ask(self, command: Ask) -> None:
        data = dict(command.data)
        self._host.note(command.what, command.step, command.number, data)
        text = (
            data.get("message")
            or (data.get("error") or {}).get("what")
            or f"by {', '.join(data.get('by', []))}"
        )
        self._host.tell(command.what, command.step, command.number, text, data)
        record = self._host.record
        title, body = asking.message(record.id, command.step, command.what, data)
        said = self._host.surroundings.alert(record, command.step, title, body)
        self._host.note("told", command.step, command.number, {"says": said})
        self._host.tell("progress", command.step, command.number, said)

    def _skip(self, step: str, why: str) -> None:
        self._host.note("skipped", step, data={"why": why})
        self._host.tell("skipped", step, text=why)

    def _hear(self, command: Hear) -> dict[str, Any]:
        answer, why = command.answer, command.refusal
        said = answer.model_dump(mode="json", exclude_defaults=True)
        if why:
            self._host.note("refused", answer.step, command.number, {"answer": said, "why": why})
            self._host.tell(
                "refused",
                answer.step,
                text=f"{answer.kind} by {answer.by} does not count: {why}",
                data={"why": why},
            )
        else:
            self._host.note("answered", answer.step, command.number, {"answer": said})
            self._host.tell(
                "answered", answer.step, text=f"{answer.by}: {answer.kind} {answer.reason}".strip(), data=said
            )
        return {"accepted": not why}

    def _undo(self, step: str) -> dict[str, Any]:
        state = self._machine.steps[step]
        fact = state.fact if state.status == "ok" else None
        return attempts.undo(self._host, step, fact, self._facts(step))

    def _mark(self, event: Any, data: dict[str, Any]) -> None:
        record = self._host.record
        if event == "recorded":
            accounts = [account.model_dump() for account in record.accounts]
            data = {"plan": record.digest, "by": record.by, "lost": list(record.lost), "accounts": accounts}
        if event == "finished":
            self._host.surroundings.over(record)
        self._host.note(event, data=data)
        self._host.tell(event, text=str(data.get("outcome", "")), data=data)
