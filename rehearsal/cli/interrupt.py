"""Ctrl-C, `kill` and a closed terminal end a command in one way: it tidies up, says so, and is gone."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from collections.abc import Callable, Iterator
from types import FrameType

from recovery.cli.ending import INTERRUPTED
from recovery.terminal import redraws

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextlib.contextmanager
def tidy(*clean: Callable[[], object], left: str) -> Iterator[None]:
    """Run the block; when it is interrupted, call `clean`, say what is `left`, and exit with code 130.

    Call from the main thread. A second Ctrl-C does not disturb the cleaning.
    """
    before = {number: signal.getsignal(number) for number in _SIGNALS}
    for number in _SIGNALS:
        if before[number] is not signal.SIG_IGN:  # nohup stays nohup
            signal.signal(number, _interrupt)
    try:
        yield
    except KeyboardInterrupt:
        for number in _SIGNALS:
            signal.signal(number, signal.SIG_IGN)
        cursor = "\x1b[?25h\n" if redraws(sys.stdout) else ""  # a live view hides it
        _say(f"{cursor}interrupted; tidying up")
        for part in clean:
            part()
        _say(left)
        sys.exit(INTERRUPTED)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _say(text: str) -> None:
    """Tell it, if anybody is there: a terminal may have been closed, and then nothing more can be told."""
    try:
        print(text, file=sys.stderr, flush=True)
    except OSError:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        for stream in (sys.stdout, sys.stderr):
            os.dup2(nowhere, stream.fileno())


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt
