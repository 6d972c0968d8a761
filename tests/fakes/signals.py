"""Signals as a terminal's programs have them, whatever started the tests."""

from __future__ import annotations

import signal


def usual() -> None:
    """For `preexec_fn`: what is started in the background or by nohup ignores some, and hands that on."""
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)
