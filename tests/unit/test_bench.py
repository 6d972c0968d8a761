"""The benchmark measures what it says it measures."""

from __future__ import annotations

from rehearsal import bench


def test_steps_that_do_nothing_cost_something_and_more_of_them_more() -> None:
    one, many = bench.engine_seconds(1), bench.engine_seconds(81)
    assert many > one * 1.1
