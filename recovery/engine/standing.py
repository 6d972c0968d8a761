"""How a run stands, read from its journal: for commands that look at a run without carrying it out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from recovery.engine import database
from recovery.engine.journal import Entry, Journal

StepStatus = Literal["ok", "failed", "skipped", "waiting"]


@dataclass(frozen=True)
class StepRecord:
    """What the journal says of one step. Moments are ISO 8601 texts."""

    id: str
    status: StepStatus = "waiting"
    attempts: int = 0
    started_at: str | None = None
    ended_at: str | None = None
    perform_s: float = 0.0
    verify_s: float = 0.0
    undecided: bool = False
    error: dict[str, str] | None = None
    fact: dict[str, Any] | None = None
    says: str = ""

    @property
    def seconds(self) -> float:
        """Time spent in perform and verify, over all attempts."""
        return self.perform_s + self.verify_s


def entries(state: Path, run: str) -> list[Entry]:
    """The run's journal; empty when it has none."""
    engine = database.connect(state)
    try:
        Journal.create(engine)
        return Journal(engine, run).entries()
    finally:
        engine.dispose()


def steps(journal: Sequence[Entry], ids: Sequence[str]) -> dict[str, StepRecord]:
    """Every step's standing, in the order of `ids`."""
    found: dict[str, dict[str, Any]] = {step: {"id": step} for step in ids}
    for entry in journal:
        if entry.step in found:
            _take(found[entry.step], entry)
    return {step: StepRecord(**values) for step, values in found.items()}


def undecided(state: Path, run: str) -> list[str]:
    """Failed steps that wait for a decision."""
    journal = entries(state, run)
    ids = list(dict.fromkeys(entry.step for entry in journal if entry.step))
    return [step for step, record in steps(journal, ids).items() if record.undecided]


def moment(journal: Sequence[Entry], event: str) -> str | None:
    """When the run as a whole came to that event; None when it did not."""
    return next((entry.at for entry in journal if not entry.step and entry.event == event), None)


def outcome(journal: Sequence[Entry]) -> str | None:
    """recovered or aborted; None while the run is not finished."""
    return next((str(e.data["outcome"]) for e in journal if not e.step and e.event == "finished"), None)


def _take(values: dict[str, Any], entry: Entry) -> None:
    if entry.event == "started":
        values["attempts"] = entry.attempt
        values.setdefault("started_at", entry.at)
    elif entry.event in ("ok", "failed"):
        values["status"] = entry.event
        values["ended_at"] = entry.data.get("ended_at", entry.at)
        values |= {
            "error": entry.data.get("error"),
            "fact": entry.data.get("fact"),
            "says": entry.data.get("says", ""),
        }
        for key in ("perform_s", "verify_s"):
            values[key] = values.get(key, 0.0) + (entry.data.get(key) or 0.0)
    elif entry.event == "skipped":
        values["status"] = "skipped"
    elif entry.event == "awaiting-decision":
        values["undecided"] = True
    elif entry.event == "answered":
        _answered(values, entry)


def _answered(values: dict[str, Any], entry: Entry) -> None:
    kind = entry.data["answer"]["kind"]
    if kind in ("retry", "override", "skip"):
        values["undecided"] = False
    if kind in ("done", "override"):
        values |= {"status": "ok", "ended_at": entry.at}
        values.setdefault("started_at", entry.at)
    elif kind == "skip":
        values |= {"status": "skipped", "ended_at": entry.at}
