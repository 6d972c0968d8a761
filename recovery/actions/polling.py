"""Waiting for the world: often at first, seldom later, never past the deadline."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from recovery.errors import Cancelled, OutOfTime, Unavailable
from recovery.units import human

if TYPE_CHECKING:
    from recovery.actions.base import Context

SHORTEST, LONGEST = 0.1, 10.0


def poll[T](ctx: Context, what: str, probe: Callable[[], T | None]) -> T:
    """Call `probe` until it returns something, at a twentieth of the time already waited (0.1 to 10 s).

    A service that is unavailable is asked again, too: during a disaster everybody asks at once.
    Raises OutOfTime at the step's deadline, saying `what` was waited for; Cancelled when the run is aborted.
    """
    started = ctx.clock.monotonic()
    while True:
        trouble = ""
        try:
            found = probe()
        except Unavailable as error:
            trouble = f"; last: {error.what}"
            ctx.progress(error.what, None)
        else:
            if found is not None:
                return found
        if ctx.cancelled():
            raise Cancelled(f"{ctx.step}: the run was aborted while waiting until {what}")
        waited = ctx.clock.monotonic() - started
        left = (ctx.deadline - ctx.clock.now()).total_seconds()
        if left <= 0:
            raise OutOfTime(
                f"{ctx.step}: waited {human(waited)} until {what}{trouble}",
                means="the step's time is over; what it began goes on in the cloud",
                cure="look at what it waits for; the step finds what it made and waits on: then dr resume",
            )
        ctx.clock.sleep(min(LONGEST, max(SHORTEST, waited / 20), left))
