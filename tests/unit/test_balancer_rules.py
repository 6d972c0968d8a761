"""Listener rules choose as an Application Load Balancer does."""

from __future__ import annotations

import pytest

from rehearsal.balancers.model import Condition, Fixed, HealthCheck, Listener, Redirect, Rule
from rehearsal.balancers.probes import matches
from rehearsal.balancers.rules import Request, choose, location

HIT, MISS = Fixed(status=200), Fixed(status=404)
REQUEST = Request(
    method="GET",
    scheme="http",
    host="App.shop.example",
    port=80,
    path="/img/a.png",
    query="v=1&lang=de",
    headers={"x-lifeboat-verify": "Secret"},
)


@pytest.mark.parametrize(
    ("condition", "holds"),
    [
        (Condition(field="path-pattern", values=("/img/*",)), True),
        (Condition(field="path-pattern", values=("/IMG/*",)), False),
        (Condition(field="path-pattern", values=("/img/?.png",)), True),
        (Condition(field="path-pattern", values=("/img",)), False),
        (Condition(field="path-pattern", values=("/img/[a].png",)), False),
        (Condition(field="host-header", values=("*.shop.example",)), True),
        (Condition(field="host-header", values=("shop.example",)), False),
        (Condition(field="http-header", header="X-Lifeboat-Verify", values=("secret",)), True),
        (Condition(field="http-header", header="X-Other", values=("*",)), False),
        (Condition(field="http-request-method", values=("GET", "HEAD")), True),
        (Condition(field="http-request-method", values=("POST",)), False),
        (Condition(field="query-string", values=("lang=d*",)), True),
        (Condition(field="query-string", values=("1",)), True),
        (Condition(field="query-string", values=("lang=en",)), False),
    ],
)
def test_a_condition_holds_as_documented(condition: Condition, holds: bool) -> None:
    rule = Rule(conditions=(condition,), action=HIT)
    listener = Listener(port=80, protocol="HTTP", default=MISS, rules=(rule,))
    assert choose(listener, REQUEST) is (HIT if holds else MISS)


def test_all_conditions_of_a_rule_must_hold_and_the_first_rule_wins() -> None:
    here = Condition(field="path-pattern", values=("/img/*",))
    elsewhere = Condition(field="host-header", values=("other.example",))
    rules = (
        Rule(conditions=(here, elsewhere), action=MISS),
        Rule(conditions=(here,), action=HIT),
        Rule(conditions=(here,), action=MISS),
    )
    assert choose(Listener(port=80, protocol="HTTP", default=MISS, rules=rules), REQUEST) is HIT


def test_a_redirect_keeps_what_it_is_not_told_to_change() -> None:
    redirect = Redirect(status=301, protocol="HTTPS", port="443")
    assert location(redirect, REQUEST) == "https://App.shop.example:443/img/a.png?v=1&lang=de"


@pytest.mark.parametrize(
    ("codes", "status", "well"),
    [("200", 200, True), ("200", 204, False), ("200-299", 204, True), ("200,301-303", 302, True)],
)
def test_health_codes_are_numbers_and_ranges(codes: str, status: int, well: bool) -> None:
    check = HealthCheck(
        protocol="HTTP", port="80", path="/", codes=codes, interval=1, timeout=1, healthy=1, unhealthy=1
    )
    assert matches(check, status) is well
