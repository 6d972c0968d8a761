"""Windows are compared in minutes, round the clock and round the week."""

from __future__ import annotations

import pytest

from infra.aws.windows import Window, WindowError

BACKUP = Window.parse("02:30-03:30", weekly=False)


@pytest.mark.parametrize(
    ("maintenance", "overlaps"),
    [
        ("sun:05:30-sun:06:30", False),
        ("sun:03:29-sun:04:29", True),
        ("sun:03:30-sun:04:30", False),
        ("sun:01:00-sun:02:30", False),
        ("sun:23:30-mon:02:31", True),
        ("mon:00:00-sun:23:59", True),
    ],
)
def test_a_weekly_window_meets_a_daily_one_when_they_share_a_minute(maintenance: str, overlaps: bool) -> None:
    assert Window.parse(maintenance, weekly=True).overlaps(BACKUP) is overlaps


def test_a_window_may_pass_midnight() -> None:
    assert Window.parse("23:30-00:30", weekly=False).minutes == 60


@pytest.mark.parametrize("text", ["02:30-02:45", "2:30-3:30", "02:30", "sun:02:30-sun:03:30", "25:00-26:00"])
def test_what_rds_would_not_take_is_refused(text: str) -> None:
    with pytest.raises(WindowError):
        Window.parse(text, weekly=False)
