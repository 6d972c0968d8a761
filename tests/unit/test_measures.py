"""Downtime and loss, from what customers saw."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rehearsal.measures import IN_A_ROW, Loss, Request, outage, series


def told(client: str, verdicts: str, *, start: float = 0.0) -> list[Request]:
    """One request a second, each taking half of one; `.` was served, `x` was not."""
    return [
        Request(client, n, start + n, start + n + 0.5, verdict == ".", "")
        for n, verdict in enumerate(verdicts)
    ]


def test_downtime_runs_from_the_first_failure_to_the_first_of_five_successes() -> None:
    found = outage(told("a", "...xx.x......"), since=0)
    assert found is not None
    assert (found.began, found.ended) == (3.0, 7.5)
    assert found.seconds == 4.5


def test_downtime_ends_when_the_last_client_is_served_again() -> None:
    found = outage([*told("a", "..xx......"), *told("b", "..xxxx......")], since=0)
    assert found is not None
    assert found.ended == 6.5


def test_downtime_has_no_end_while_a_client_was_not_served_often_enough() -> None:
    found = outage(told("a", "..xx...."), since=0)
    assert found is not None
    assert found.ended is None
    assert found.seconds is None


def test_failures_before_the_disaster_are_none_of_its() -> None:
    assert outage(told("a", "x........"), since=3) is None


def test_the_loss_reaches_back_to_its_first_acknowledgement() -> None:
    rows = tuple(told("a", "....")[1:3])
    assert Loss(rows).seconds_before(4.0) == 2.5
    assert Loss(()).seconds_before(4.0) == 0.0


def test_spans_count_what_ended_in_them() -> None:
    spans = series(told("a", ".x.x"), zero=2.0, width=2.0)
    assert [(s.at, s.ok, s.failed) for s in spans] == [(0.0, 1, 1), (2.0, 1, 1)]


@given(st.lists(st.sampled_from(".x"), max_size=40))
def test_every_request_is_counted_once_and_an_end_is_followed_by_successes(verdicts: list[str]) -> None:
    requests = told("a", "".join(verdicts))
    assert sum(s.ok + s.failed for s in series(requests, zero=7.3)) == len(requests)
    found = outage(requests, since=0)
    if "x" not in verdicts:
        assert found is None
    elif found is not None and found.ended is not None:
        after = [r for r in requests if r.ended >= found.ended][:IN_A_ROW]
        assert len(after) == IN_A_ROW
        assert all(r.ok for r in after)
        assert found.began == pytest.approx(next(r.started for r in requests if not r.ok))
