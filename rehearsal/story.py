"""What a rehearsal tells while it goes on: lines for people, time-stamped lines, or JSON."""

from __future__ import annotations

import json
import shutil
import sys
import threading
from datetime import UTC, datetime
from typing import Any, TextIO

from recovery.terminal import redraws

_MARGIN = 11
"""Columns that the topic takes."""


def _columns() -> int:
    return shutil.get_terminal_size().columns


class Story:
    """Tells events. `quiet` events (JSON apart) are those that a terminal shows in another way."""

    def __init__(self, *, as_json: bool = False, out: TextIO | None = None) -> None:
        self._out = out or sys.stdout
        self.as_json = as_json
        self._terminal = redraws(self._out) and not as_json
        self._lock = threading.Lock()
        self._open = ""
        self._column = 0
        self._passing = 0
        """Characters at the end of the open line that stand there for the time being."""

    def tell(self, topic: str, text: str, **data: Any) -> None:
        """One event: a topic (`world`, `stacks`, ...), a sentence, and its figures."""
        with self._lock:
            now = datetime.now(UTC)
            if self.as_json:
                row = {"at": f"{now:%Y-%m-%dT%H:%M:%S.%f}"[:-3] + "Z", "event": topic, "text": text} | data
                self._print(json.dumps(row, default=str, ensure_ascii=False))
            elif self._terminal:
                self._close()
                self._print(f"{topic:<{_MARGIN - 1}} {text}")
            else:
                self._print(f"{now:%H:%M:%S} {topic:<{_MARGIN - 1}} {text}")

    def add(self, topic: str, text: str, **data: Any) -> None:
        """An event that a terminal shows at the end of the topic's line; elsewhere like `tell`."""
        if not self._terminal:
            self.tell(topic, text, **data)
            return
        with self._lock:
            self._erase()
            if self._open != topic or not self._fits(text):
                self._close()
                self._begin(topic)
            self._write(f"{text}   ")

    def doing(self, topic: str, text: str) -> None:
        """What takes a while now: a terminal shows it until the topic's next event."""
        with self._lock:
            if self._terminal:
                self._erase()
                if self._open != topic or not self._fits(text):
                    self._close()
                    self._begin(topic)
                # what does not fit into a line could not be erased again
                shown = text[: max(0, _columns() - self._column - 1)]
                self._write(shown)
                self._passing = len(shown)

    def line(self, text: str) -> None:
        """A line of its own, for people; not told as JSON."""
        with self._lock:
            if not self.as_json:
                self._close()
                self._print(text)

    def report(self, text: str) -> None:
        """The last event, where events are told as JSON: a report (JSON text)."""
        with self._lock:
            if self.as_json:
                self._print(json.dumps({"event": "report", "report": json.loads(text)}))

    def blank(self) -> None:
        """An empty line, where people read."""
        with self._lock:
            if not self.as_json:
                self._close()
                self._print("")

    def end(self) -> None:
        """Nothing follows on this line."""
        with self._lock:
            self._close()

    def _fits(self, text: str) -> bool:
        """Whether the open line has room for it; a new line takes whatever comes."""
        return self._column <= _MARGIN or self._column + len(text) < _columns()

    def _begin(self, topic: str) -> None:
        self._open, self._column = topic, 0
        self._write(f"{topic:<{_MARGIN - 1}} ")

    def _write(self, text: str) -> None:
        self._column += len(text)
        self._out.write(text)
        self._out.flush()

    def _erase(self) -> None:
        """Take away what was shown for the time being."""
        if self._passing:
            self._out.write("\b" * self._passing + "\x1b[K")
            self._column -= self._passing
            self._passing = 0

    def _close(self) -> None:
        if self._open:
            self._erase()
            # a line that only said what was going on says nothing any more
            self._out.write("\n" if self._column > _MARGIN else "\r\x1b[K")
            self._open = ""

    def _print(self, line: str) -> None:
        self._out.write(line + "\n")
        self._out.flush()
