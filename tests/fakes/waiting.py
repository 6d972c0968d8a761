"""Waiting for what happens in its own time: within a limit, and without a guess how long it takes."""

from __future__ import annotations

import time
from collections.abc import Callable


def until[T](what: str, probe: Callable[[], T | None], seconds: float = 30.0) -> T:
    """The first thing true that `probe` answers; AssertionError when it never does."""
    end = time.monotonic() + seconds
    while not (found := probe()):
        assert time.monotonic() < end, f"waited {seconds} s in vain for: {what}"
        time.sleep(0.03)
    return found
