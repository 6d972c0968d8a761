"""One attempt of one step: perform, then verify, in a thread; whatever happens becomes an outcome."""

from __future__ import annotations

import contextlib
import threading
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Protocol

from recovery.actions.base import Action, Context, Fact, With
from recovery.clock import Clock, iso
from recovery.engine.events import Event, Kind, Listener
from recovery.engine.journal import Journal
from recovery.engine.record import RunRecord
from recovery.errors import Cancelled, LifeboatError, OutOfTime, Refusal, of_the_disk
from recovery.plans.loading import Bound
from recovery.plans.model import Step


@dataclass(frozen=True)
class Moment:
    """What the engine knows of an attempt; the surroundings make a Context of it."""

    run: str
    step: str
    attempt: int
    with_: With
    facts: Mapping[type[Fact], Fact]
    deadline: datetime
    cancelled: Callable[[], bool]
    progress: Callable[[str, float | None], None]


class Surroundings(Protocol):
    """Where contracts and connections come from."""

    def context(self, record: RunRecord, moment: Moment) -> Context:
        """What the action may use; cheap, and without a call to any cloud."""
        ...

    def alert(self, record: RunRecord, step: str, title: str, body: str) -> str:
        """Tell people that a step waits for them; says who took the message. Never raises, ends soon."""
        ...

    def over(self, record: RunRecord) -> None:
        """The run is at its end: others may begin. Never raises, ends soon."""
        ...


@dataclass(frozen=True)
class Host:
    """What a process brings to a run that it carries out."""

    record: RunRecord
    bound: Bound
    folder: Path
    clock: Clock
    journal: Journal
    surroundings: Surroundings
    listener: Listener
    cancelled: Callable[[], bool]
    closing: Callable[[], bool]

    def tell(
        self,
        kind: Kind,
        step: str = "",
        attempt: int = 0,
        text: str = "",
        data: Mapping[str, Any] | None = None,
    ) -> None:
        """Tell whoever watches."""
        self.show(Event(self.clock.now(), self.record.id, kind, step, attempt, text, data=data or {}))

    def show(self, event: Event) -> None:
        """Pass an event on. A view that fails never fails the run; its traceback is in the run's folder."""
        try:
            self.listener(event)
        except Exception:
            with contextlib.suppress(OSError), (self.folder / "view.traceback.txt").open("a") as file:
                file.write(traceback.format_exc())

    def note(
        self, event: str, step: str = "", attempt: int = 0, data: Mapping[str, Any] | None = None
    ) -> None:
        """Write into the journal."""
        self.journal.write(self.clock.now(), event, step=step, attempt=attempt, data=data)


Facts = Mapping[str, Mapping[str, Any]]
"""Facts as JSON, by the name of their type."""


def attempt(host: Host, name: str, number: int, changes: Mapping[str, Any], facts: Facts) -> dict[str, Any]:
    """Carry out the step once. Never raises for what an action does; the outcome says it.

    `facts` are those it takes. Returns `status` (ok, failed), `fact`,
    `error` (what, means, cure), `again` (whether trying again may help), moments and seconds.
    """
    step = host.bound.plan.step(name)
    started = host.clock.now()
    host.note("started", name, number, {"changes": dict(changes)} if changes else {})
    host.tell("started", name, number, data={"estimate_s": step.estimate})
    took = _Stopwatch(host.clock)
    outcome: dict[str, Any] = {"status": "ok", "fact": None, "says": "", "error": None, "again": False}
    try:
        action, context = prepare(host, step, number, changes, facts)
        fact = took.of("perform", lambda: action.perform(context))
        _check_fact(action, fact)
        took.of("verify", lambda: action.verify(context, fact))
        if fact is not None:
            outcome |= {"fact": fact.model_dump(mode="json"), "says": fact.says()}
    except Exception as error:
        _stay_silent(host)
        outcome |= {
            "status": "failed",
            "error": _trouble(host, name, number, error),
            "again": _worth_another(error),
        }
    ended = host.clock.now()
    outcome |= {"started_at": iso(started), "ended_at": iso(ended), **took.seconds}
    kept = {k: v for k, v in outcome.items() if k not in ("status", "again")}
    host.note(outcome["status"], name, number, kept)
    text = outcome["error"]["what"] if outcome["error"] else outcome["says"]
    host.tell("ok" if outcome["status"] == "ok" else "failed", name, number, text, outcome)
    return outcome


def prepare(
    host: Host,
    step: Step,
    number: int,
    changes: Mapping[str, Any],
    facts: Facts,
    cancelled: Callable[[], bool] | None = None,
) -> tuple[Action, Context]:
    """The step's action and what it may use; InputError or ValidationError when the record does not fit."""
    kind = host.bound.action(step.id)
    if kind is None:
        raise Refusal(f"step {step.id} is done by hand")
    taken: dict[type[Fact], Fact] = {take: take.model_validate(facts[take.__name__]) for take in kind.takes}

    def progress(text: str, share: float | None) -> None:
        event = Event(host.clock.now(), host.record.id, "progress", step.id, number, text, share)
        host.show(event)

    moment = Moment(
        run=host.record.id,
        step=step.id,
        attempt=number,
        with_=host.bound.with_(step.id, changes),
        facts=taken,
        deadline=host.clock.now() + timedelta(seconds=step.timeout),
        cancelled=cancelled or host.cancelled,
        progress=progress,
    )
    return kind(), host.surroundings.context(host.record, moment)


def undo(host: Host, name: str, fact: Mapping[str, Any] | None, facts: Mapping[str, Any]) -> dict[str, Any]:
    """Take a step back; what cannot be stays, and the outcome says why. `fact` is None if it did not end."""
    step = host.bound.plan.step(name)
    try:
        # the abort that ended the steps does not end what takes them back
        action, context = prepare(host, step, 0, {}, facts, cancelled=lambda: False)
        gives = type(action).gives
        if type(action).undo is Action.undo and not action.irreversible:
            text = "it had changed nothing"
        else:
            action.undo(context, gives.model_validate(fact) if gives and fact is not None else None)
            text = "taken back"
    except Exception as error:
        _stay_silent(host)
        trouble = _trouble(host, name, 0, error)
        host.note("kept", name, data={"error": trouble})
        host.tell("undone", name, text=f"stays as it is: {trouble['what']}")
        return {"undone": False}
    host.note("undone", name)
    host.tell("undone", name, text=text)
    return {"undone": True}


def _stay_silent(host: Host) -> None:
    """Record nothing more when this process is ending: its children were ended, not the step."""
    if host.closing():
        threading.Event().wait()


class _Stopwatch:
    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.seconds: dict[str, float] = {"perform_s": 0.0, "verify_s": 0.0}

    def of[T](self, what: str, do: Callable[[], T]) -> T:
        began = self._clock.monotonic()
        try:
            return do()
        finally:
            self.seconds[f"{what}_s"] = round(self._clock.monotonic() - began, 4)


def _check_fact(action: Action, fact: Fact | None) -> None:
    wanted = type(action).gives
    if (wanted is None) != (fact is None) or (wanted is not None and not isinstance(fact, wanted)):
        raise TypeError(
            f"{action.name} promised to give {wanted and wanted.__name__}, and gave {type(fact).__name__}"
        )


def _worth_another(error: Exception) -> bool:
    """A refusal or an abort will not change by itself, and time that was enough is a person's to extend."""
    return not isinstance(error, Refusal | Cancelled | OutOfTime)


def _trouble(host: Host, name: str, number: int, error: Exception) -> dict[str, str]:
    told = error if isinstance(error, LifeboatError) else of_the_disk(error)
    if told is not None:
        return told.parts()
    path = host.folder / f"{name}.{number}.traceback.txt"
    with contextlib.suppress(OSError):  # the error itself is journaled all the same
        path.write_text("".join(traceback.format_exception(error)))
    return LifeboatError(
        f"{type(error).__name__}: {error}",
        means="the action met something that it does not know; what it made before can be found again",
        cure=f"read {path}, then dr resume",
    ).parts()
