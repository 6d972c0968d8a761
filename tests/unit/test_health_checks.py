"""When Route 53 counts a health check as healthy."""

from __future__ import annotations

from typing import Any

import pytest

from rehearsal.dns.checks import Check, Place, Watch, healthy


def check(identifier: str, kind: str = "HTTPS", **more: Any) -> Check:
    shape: dict[str, Any] = {
        "id": identifier, "type": kind, "fqdn": "x.example", "ip": None, "port": 443, "path": "/",
        "search": None, "interval": 10, "threshold": 3, "inverted": False, "disabled": False, "sni": True,
        "children": (), "healthy_children": 0,
    }  # fmt: skip
    return Check.model_validate(shape | more)


def seen(what: Check, *verdicts: bool) -> Watch:
    return Watch(what, tuple(Place("somewhere", healthy=verdict) for verdict in verdicts))


def test_a_place_changes_its_mind_after_threshold_equal_answers_in_a_row() -> None:
    place = Place("us-west-1")
    for ok in (False, False, True, False, False):
        place.note(ok, "", "", 3)
        assert place.healthy
    place.note(False, "", "", 3)
    assert not place.healthy
    for _ in range(3):
        place.note(True, "", "", 3)
    assert place.healthy


@pytest.mark.parametrize(
    ("verdicts", "expected"), [((True, True), True), ((True, False), True), ((False, False), False)]
)
def test_an_endpoint_is_healthy_while_more_than_18_percent_of_the_places_say_so(
    verdicts: tuple[bool, ...], expected: bool
) -> None:
    plain, inverted = check("a"), check("a", inverted=True)
    assert healthy(plain, {"a": seen(plain, *verdicts)}, {}) is expected
    assert healthy(inverted, {"a": seen(inverted, *verdicts)}, {}) is not expected


def test_disabled_means_healthy_and_disabled_and_inverted_means_unhealthy() -> None:
    assert healthy(check("a", disabled=True), {}, {})
    assert not healthy(check("a", disabled=True, inverted=True), {}, {})


def test_a_calculated_check_counts_its_healthy_children() -> None:
    children = {"up": check("up"), "latch": check("latch", inverted=True)}
    both = check("both", "CALCULATED", children=("up", "latch"), healthy_children=2)

    def verdict(*, up: bool, object_there: bool) -> bool:
        watches = {
            "up": seen(children["up"], up, up),
            "latch": seen(children["latch"], object_there, object_there),
        }
        return healthy(both, watches, children)

    assert verdict(up=True, object_there=False)
    assert not verdict(up=True, object_there=True)
    assert not verdict(up=False, object_there=False)
