"""RDS's backup and maintenance windows, so that they can be compared. Shared by settings and policies."""

from __future__ import annotations

import re
from dataclasses import dataclass

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
DAY = 24 * 60
_TIME = r"([01]\d|2[0-3]):([0-5]\d)"
_DAILY = re.compile(rf"^{_TIME}-{_TIME}$")
_WEEKLY = re.compile(rf"^({'|'.join(DAYS)}):{_TIME}-({'|'.join(DAYS)}):{_TIME}$")


class WindowError(ValueError):
    """A window that RDS would not understand."""


@dataclass(frozen=True)
class Window:
    """A span of time in UTC: `start` in minutes after midnight (weekly: after Monday's), and its length."""

    start: int
    minutes: int
    weekly: bool

    @classmethod
    def parse(cls, text: str, *, weekly: bool) -> Window:
        """From RDS's notation: `02:30-03:30`, weekly `sun:05:30-sun:06:30`. Raises WindowError."""
        match = (_WEEKLY if weekly else _DAILY).match(text.lower())
        if match is None:
            raise WindowError(
                f"is {text!r}: must look like {'sun:05:30-sun:06:30' if weekly else '02:30-03:30'}"
            )
        if weekly:
            day1, h1, m1, day2, h2, m2 = match.groups()
            start = DAYS.index(day1) * DAY + int(h1) * 60 + int(m1)
            end = DAYS.index(day2) * DAY + int(h2) * 60 + int(m2)
        else:
            h1, m1, h2, m2 = match.groups()
            start, end = int(h1) * 60 + int(m1), int(h2) * 60 + int(m2)
        minutes = (end - start) % (7 * DAY if weekly else DAY)
        if minutes < 30:
            raise WindowError(f"is {text!r}: RDS asks for at least 30 minutes")
        return cls(start, minutes, weekly)

    def overlaps(self, daily: Window) -> bool:
        """Do this window and a daily one share a minute, on any day?"""
        return any(
            (minute - daily.start) % DAY < daily.minutes
            for minute in range(self.start, self.start + self.minutes)
        )
