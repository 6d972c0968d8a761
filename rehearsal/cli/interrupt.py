"""Ctrl-C, `kill` and a closed terminal end a command in one way: it tidies up, says so, and is gone."""

from __future__ import annotations

import contextlib
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
        if redraws(sys.stdout):
            sys.stdout.write("\x1b[?25h\n")  # a live view hides the cursor
            sys.stdout.flush()
        print("interrupted; tidying up", file=sys.stderr, flush=True)
        for part in clean:
            part()
        print(left, file=sys.stderr)
        sys.exit(INTERRUPTED)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt
