"""The terminal's view of a run: every step with its owner, time, estimate and progress, and the RTO clock."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import compress

from rich.console import Console, ConsoleOptions, RenderResult
from rich.live import Live as RichLive
from rich.table import Table
from rich.text import Text

from recovery.cli.watching import decision
from recovery.engine.events import Event
from recovery.plans import graph
from recovery.plans.loading import Bound
from recovery.units import clock_face, human

_STYLES = {
    "ok": "green",
    "failed": "red",
    "started": "cyan",
    "skipped": "dim",
    "waits": "dim",
    "asks": "yellow",
}
_SIGNS = {"ok": "✓", "failed": "✗", "started": "▶", "skipped": "-", "waits": "·", "asks": "?"}

_TEXT = 3
"""The column that says what happens."""
_OWNERS_FROM, _ESTIMATES_FROM = 100, 70
"""Widths of a terminal from which those columns are shown."""


@dataclass
class _Row:
    status: str = "waits"
    began: datetime | None = None
    seconds: float | None = None
    text: str = ""
    share: float | None = None
    tries: int = 0


class Live:
    """A listener that keeps a table up to date. `close` leaves the last state on the screen."""

    def __init__(self, bound: Bound, since: datetime, console: Console | None = None) -> None:
        self._bound = bound
        self._after = graph.reduced(bound.after)
        self._since = since
        self._rows = {step.id: _Row() for step in bound.plan.steps}
        self._lock = threading.Lock()
        self._head = bound.plan.scenario
        self._over: datetime | None = None
        self._decisions: dict[str, str] = {}
        self._live = RichLive(self, console=console, refresh_per_second=5, transient=False)
        self._live.start()

    def __call__(self, event: Event) -> None:
        """Take in an event."""
        with self._lock:
            if event.kind in ("recovered", "finished") and self._over is None:
                self._over = event.at
            if event.step not in self._rows:
                return
            row = self._rows[event.step]
            if event.kind == "started":
                self._rows[event.step] = _Row("started", event.at, tries=row.tries + 1)
                self._decisions.pop(event.step, None)
            elif event.kind in ("ok", "failed", "skipped"):
                row.status, row.text, row.share = event.kind, event.text, None
                row.seconds = (event.at - row.began).total_seconds() if row.began else None
            elif event.kind == "awaiting-decision":
                row.status = "asks"
                self._decisions[event.step] = decision(event, row.tries)
            elif event.kind.startswith("awaiting-"):
                row.status, row.text = "asks", f"{event.kind.replace('-', ' ')}: {event.text}"
            elif event.kind == "answered":
                row.text = event.text
                self._decisions.pop(event.step, None)
                if event.data.get("kind") in ("done", "override"):
                    row.status = "ok"
            elif row.status != "asks":  # what is wanted of people stays in view
                row.text, row.share = event.text, event.share

    def close(self) -> None:
        """Draw the last state and give the terminal back."""
        self._live.stop()

    def __rich_console__(self, _console: Console, options: ConsoleOptions) -> RenderResult:
        """Draw it; called by rich, five times a second."""
        now, width = datetime.now(UTC), options.max_width
        # a narrow terminal keeps what happens, and how long it has taken
        shown = (True, width >= _OWNERS_FROM, True, True, width >= _ESTIMATES_FROM)
        with self._lock:
            yield self._title(now)
            rows = [self._cells(name, row, now) for name, row in self._rows.items()]
            table = Table.grid(padding=(0, 2, 0, 0), expand=True)
            for column in compress(range(len(shown)), shown):
                if column == _TEXT:  # gets the room that is left
                    table.add_column(no_wrap=True, overflow="ellipsis", ratio=1)
                else:
                    table.add_column(no_wrap=True, min_width=max(len(row[column]) for row in rows))
            for row in rows:
                table.add_row(*compress(row, shown))
            yield table
            yield from (Text(f"\n{text}", style="yellow") for text in self._decisions.values())

    def _title(self, now: datetime) -> Text:
        promise = self._bound.plan.promise
        passed = ((self._over or now) - self._since).total_seconds()
        promised = f"promised {human(promise.rto)} / loss {human(promise.rpo)}"
        return Text.assemble(
            "\n  ", (self._head, "bold"), f"   {promised}   RTO clock ", (clock_face(passed), "bold")
        )

    def _cells(self, name: str, row: _Row, now: datetime) -> list[Text]:
        step = self._bound.plan.step(name)
        style = _STYLES[row.status]
        seconds = row.seconds
        if row.status == "started" and row.began:
            seconds = (now - row.began).total_seconds()
        text = row.text
        if row.status == "waits" and not text:
            text = f"after {', '.join(self._after[name])}" if self._after[name] else ""
        if row.share is not None:
            full = round(row.share * 10)
            text = f"{'█' * full}{'░' * (10 - full)}  {text}"
        owner = step.owner if step.critical else f"{step.owner} (non-critical)"
        estimate = f"est {human(step.estimate)}" if step.estimate and row.status == "started" else ""
        return [
            Text(f"  {_SIGNS[row.status]} {name}", style=style),
            Text(owner, style="dim"),
            Text(human(seconds) if seconds is not None else "", justify="right"),
            Text(text, style=style if row.status in ("failed", "asks") else ""),
            Text(estimate, style="dim"),
        ]
