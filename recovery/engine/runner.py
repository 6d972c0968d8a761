"""Begins runs and takes them up again. One process carries out a run at a time; it may die at any moment."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from recovery.clock import Clock, SystemClock
from recovery.engine import database, inbox, processes
from recovery.engine.attempts import Host, Surroundings
from recovery.engine.events import Listener
from recovery.engine.journal import Journal, Verdict
from recovery.engine.lease import Lease
from recovery.engine.record import RunRecord, runs_folder
from recovery.errors import ExitCode

closing = threading.Event()
"""This process is about to end: nothing more may be recorded, as if it were dead already."""


@dataclass
class Outcome:
    """How a run stands when `carry_out` returns."""

    outcome: str | None
    """recovered or aborted; None when it waits for a person."""
    awaiting: list[str] = field(default_factory=list)

    @property
    def exit_code(self) -> ExitCode:
        """The code `dr` exits with."""
        if self.outcome is None:
            return ExitCode.WAITING
        return ExitCode.OK if self.outcome == "recovered" else ExitCode.FAILED


@dataclass(frozen=True)
class Office:
    """What runs are carried out with, besides their record."""

    state: Path
    surroundings: Surroundings
    listener: Listener
    clock: Clock = field(default_factory=SystemClock)
    hasty: bool = False
    """The process ends right afterwards and takes the engine's threads along; saves up to a second."""
    patient: Callable[[], bool] = lambda: True
    """Whether to stay when the run waits for a person; `carry_out` returns otherwise."""


def carry_out(office: Office, record: RunRecord, *, resumed: bool) -> Outcome:
    """Carry out a run to its end, or until only a person can go on. Refusal when another process does.

    May be killed at any moment and called again with `resumed`.
    """
    from dbos import DBOS, SetWorkflowID, WorkflowHandle

    from recovery.engine import workflow

    folder = runs_folder(office.state) / record.id
    folder.mkdir(parents=True, exist_ok=True)
    lease = Lease(folder)
    engine = database.connect(office.state)
    try:
        Journal.create(engine)
        inbox.create(engine)
        if resumed:
            ended = processes.end_leftovers(folder, record.id)
        else:
            ended = []
            record.save(folder)
        watch = _Watch(office, record, folder, Journal(engine, record.id))
        workflow.carry(
            record.id, workflow.Carrier(watch.host, engine, watch.idle, watch.cancel.set, watch.end)
        )
        if resumed:
            watch.host.tell("resumed", text=f"ended what was left over: {', '.join(ended)}" if ended else "")
        _configure(office.state, engine, record.id)
        DBOS.launch()  # takes up whatever this executor left pending: this run, if it had begun
        try:
            known = DBOS.get_workflow_status(record.id)
            if known is not None and known.status == "ERROR":
                _rewind(record.id)
            if known is None:
                with SetWorkflowID(record.id):
                    DBOS.start_workflow(workflow.run_plan, record.model_dump(mode="json"))
            handle: WorkflowHandle[dict[str, Any]] = DBOS.retrieve_workflow(record.id)
            return watch.wait(lambda: handle.get_status().status, lambda: str(handle.get_result()["outcome"]))
        finally:
            watch.cancel.set()
            waits = not watch.over  # such a workflow would meet the interpreter's end, and record that
            if waits or not office.hasty:
                DBOS.destroy()
    finally:
        if not office.hasty:
            engine.dispose()
        lease.release()


def _configure(state: Path, engine: sa.Engine, run: str) -> None:
    from dbos import DBOS, DBOSPortableJSONSerializer

    from recovery.engine import workflow

    DBOS(
        config={
            "name": "lifeboat",
            "application_version": workflow.VERSION,
            "executor_id": run,  # the lease makes it unique among live processes
            "serializer": DBOSPortableJSONSerializer(),
            "log_level": "ERROR",
            "system_database_url": database.url(state),
            "system_database_engine": engine,
        }
    )
    log = logging.getLogger("dbos")
    for handler in list(log.handlers):
        log.removeHandler(handler)
    log.addHandler(_Log(runs_folder(state) / run / "engine.log", delay=True))


class _Log(logging.FileHandler):
    """What DBOS says of itself is for whoever repairs the engine, not for the terminal at 3 a.m."""

    def handleError(self, record: logging.LogRecord) -> None:
        """A disk that takes no more is told elsewhere."""


def _rewind(run: str) -> None:
    """An error in the engine itself ended the workflow: go on from the operation that met it."""
    from dbos import DBOS

    steps = DBOS.list_workflow_steps(run)
    broken = [step["function_id"] for step in steps if step["error"] is not None]
    known = max((step["function_id"] for step in steps), default=0)
    DBOS.rewind_workflow(run, start_step=min(broken, default=known + 1))


class _Watch:
    """Sees when a run is over or waits for a person only."""

    def __init__(self, office: Office, record: RunRecord, folder: Path, journal: Journal) -> None:
        self._office = office
        self._changed = threading.Event()
        self._ended = threading.Event()
        self._awaiting: list[str] = []
        self.over = False
        """The workflow has its outcome; nothing of it goes on."""
        self.cancel = threading.Event()
        self.host = Host(
            record=record,
            bound=record.bound(),
            folder=folder,
            clock=office.clock,
            journal=journal,
            surroundings=office.surroundings,
            listener=office.listener,
            cancelled=self.cancel.is_set,
            closing=closing.is_set,
        )

    def idle(self, awaiting: list[str]) -> None:
        """Only people can go on."""
        self._awaiting = awaiting
        self._changed.set()

    def end(self) -> None:
        """The workflow's own work is over."""
        self._ended.set()
        self._changed.set()

    def wait(self, status: Callable[[], str | None], result: Callable[[], str]) -> Outcome:
        """Wait for the workflow; returns early when a person is awaited and nobody here waits with it."""
        while True:
            self._changed.wait(0.02 if self._ended.is_set() else 0.5)
            self._changed.clear()
            if status() not in ("PENDING", "ENQUEUED"):
                self.over = True
                return Outcome(result())
            if self._awaiting and not self._office.patient():
                return Outcome(None, self._awaiting)


def export_journal(state: Path, run: str) -> Verdict:
    """Write the run's journal to `journal.jsonl` in its folder and check its chain."""
    engine = database.connect(state)
    try:
        Journal.create(engine)
        return Journal(engine, run).export(runs_folder(state) / run / "journal.jsonl")
    finally:
        engine.dispose()
