"""What a run tells while it goes on: to a terminal, to a log, or as JSON objects. The journal is the record;
these are for watching."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from recovery.clock import iso

Kind = Literal[
    "recorded", "resumed", "started", "progress", "ok", "failed", "skipped", "retrying",
    "awaiting-approval", "awaiting-decision", "awaiting-person", "answered", "refused",
    "undone", "recovered", "finished",
]  # fmt: skip


@dataclass(frozen=True)
class Event:
    """Something happened; `step` is empty when it concerns the run as a whole."""

    at: datetime
    run: str
    kind: Kind
    step: str = ""
    attempt: int = 0
    text: str = ""
    share: float | None = None
    """How far the step is, between 0 and 1, where known."""
    data: Mapping[str, Any] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """The object that `--json` prints, one a line."""
        found: dict[str, Any] = {"at": iso(self.at), "run": self.run, "event": self.kind}
        if self.step:
            found |= {"step": self.step, "attempt": self.attempt}
        if self.text:
            found["text"] = self.text
        if self.share is not None:
            found["share"] = self.share
        return found | ({"data": dict(self.data)} if self.data else {})


Listener = Callable[[Event], None]
