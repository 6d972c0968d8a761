"""How a run is shown while it goes on: plain lines, JSON objects; `live.py` has the terminal's view."""

from __future__ import annotations

import sys
import threading
from datetime import datetime

from recovery.cli.common import show_json
from recovery.engine import asking
from recovery.engine.events import Event, Listener
from recovery.plans.loading import Bound
from recovery.terminal import redraws
from recovery.units import clock_face

SIGNS = {
    "ok": "✓",
    "failed": "✗",
    "started": "▶",
    "skipped": "-",
    "awaiting-approval": "?",
    "awaiting-decision": "?",
    "awaiting-person": "?",
    "recovered": "✓",
    "finished": "■",
}


def close(listener: Listener) -> None:
    """Leave the terminal as it was."""
    done = getattr(listener, "close", None)
    if done:
        done()


def as_json(event: Event) -> None:
    """One object an event."""
    show_json(event.as_json())


def decision(event: Event, tries: int) -> str:
    """What a person needs at 3 a.m.: what happened, what it means, what to do now."""
    error = event.data.get("error") or {}
    lines = [
        f"✗ {event.step} failed after {tries} {'try' if tries == 1 else 'tries'}",
        f"  {error.get('what', '')}",
    ]
    if error.get("means"):
        lines.append(f"  means: {error['means']}")
    again = f"dr resume {event.run}"
    lines.append(f"  now:   {asking.cure(event.run, error.get('cure', ''))}")
    by_hand = f"--override {event.step}   (done by hand; --fact says what it gives)"
    lines.append(f"  or:    {again} --skip {event.step}   (go on without it), or {by_hand}")
    return "\n".join(lines)


class Plain:
    """One line an event, with a time stamp and the RTO clock; progress at most every five seconds."""

    def __init__(self, since: datetime, every: float = 5.0) -> None:
        self._since = since
        self._every = every
        self._shown: dict[str, float] = {}
        self._tries: dict[str, int] = {}
        self._lock = threading.Lock()

    def __call__(self, event: Event) -> None:
        """Show an event."""
        passed = (event.at - self._since).total_seconds()
        with self._lock:
            if event.kind == "progress":
                if passed - self._shown.get(event.step, -1e9) < self._every:
                    return
                self._shown[event.step] = passed
            if event.kind == "started":
                self._tries[event.step] = self._tries.get(event.step, 0) + 1
            if event.kind == "awaiting-decision":
                sys.stdout.write(decision(event, self._tries.get(event.step, 1)) + "\n")
                sys.stdout.flush()
                return
            sign = SIGNS.get(event.kind, "·")
            what = event.step or event.run
            share = f" {event.share:.0%}" if event.share is not None else ""
            words = "" if event.kind in ("ok", "progress") else f" {event.kind}"
            text = f"  {event.text}" if event.text else ""
            stamp = event.at.astimezone().strftime("%H:%M:%S")
            sys.stdout.write(f"{stamp}  {clock_face(passed):>8}  {sign} {what}{words}{share}{text}\n")
            sys.stdout.flush()


def listener(bound: Bound, since: datetime, *, json: bool) -> Listener:
    """What suits the output: JSON, a live view in a terminal, or plain lines."""
    if json:
        return as_json
    if redraws(sys.stdout):
        from recovery.cli.live import Live

        return Live(bound, since)
    return Plain(since)
