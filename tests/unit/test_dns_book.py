"""How the world's name servers answer from what Route 53 holds."""

from __future__ import annotations

from typing import Any

import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype

from rehearsal.dns.book import NAME_SERVERS, Book, build

LB = {"balancers": [{"dns_name": "prod-1.eu-central-1.elb.amazonaws.com", "address": "127.9.1.10"}]}


def record(name: str, kind: str, *values: str, **more: Any) -> dict[str, Any]:
    return {"name": f"{name}.", "type": kind, "ttl": 30, "values": list(values), **more}


def zone(name: str, *records: dict[str, Any]) -> dict[str, Any]:
    soa = record(name, "SOA", "ns-2048.awsdns-64.com. h.example.com. 1 7200 900 1209600 86400")
    return {"name": f"{name}.", "id": "Z1", "records": [soa, *records]}


def book(*zones: dict[str, Any], unhealthy: tuple[str, ...] = (), balancers: Any = None) -> Book:
    status = {"checks": {i: {"healthy": False} for i in unhealthy}}
    return build({"zones": list(zones)}, status, balancers, servers=("127.9.0.53",), s3_address="127.9.0.2")


def ask(book: Book, name: str, kind: str = "A") -> dns.message.Message:
    query = dns.message.make_query(name, dns.rdatatype.from_text(kind))
    return dns.message.from_wire(book.answer(query).to_wire())  # as it comes over the wire


def said(response: dns.message.Message) -> list[str]:
    return [f"{r.rdtype.name} {rr}" for r in response.answer for rr in r]


def origin(*, secondary_check: str | None = None) -> dict[str, Any]:
    app = "app.origin.shop.example"
    return zone(
        "origin.shop.example",
        record("prod.origin.shop.example", "A", "127.9.1.10"),
        record("dr.origin.shop.example", "A", "127.9.2.10"),
        record(app, "CNAME", "prod.origin.shop.example", failover="PRIMARY", check="up"),
        record(app, "CNAME", "dr.origin.shop.example", failover="SECONDARY", check=secondary_check),
    )


def test_a_failover_set_answers_with_its_primary_while_that_is_healthy() -> None:
    response = ask(book(origin()), "app.origin.shop.example")
    assert said(response) == ["CNAME prod.origin.shop.example.", "A 127.9.1.10"]
    assert response.flags & dns.flags.AA


def test_a_failover_set_answers_with_its_secondary_when_the_primary_is_unhealthy() -> None:
    response = ask(book(origin(), unhealthy=("up",)), "app.origin.shop.example")
    assert said(response) == ["CNAME dr.origin.shop.example.", "A 127.9.2.10"]


def test_with_everything_unhealthy_a_failover_set_answers_with_its_primary() -> None:
    sick = book(origin(secondary_check="dr"), unhealthy=("up", "dr"))
    assert said(ask(sick, "app.origin.shop.example"))[0] == "CNAME prod.origin.shop.example."


def test_a_cname_is_followed_within_its_zone_only() -> None:
    parent = zone(
        "shop.example",
        record("app.shop.example", "CNAME", "app.origin.shop.example"),
        record("origin.shop.example", "NS", NAME_SERVERS[0]),
    )
    assert said(ask(book(parent, origin()), "app.shop.example")) == ["CNAME app.origin.shop.example."]


def test_a_sub_zone_that_its_parent_does_not_delegate_to_is_not_reached() -> None:
    forgotten = zone("shop.example", record("app.shop.example", "A", "127.9.1.1"))
    assert ask(book(forgotten, origin()), "prod.origin.shop.example").rcode() == dns.rcode.NXDOMAIN


def test_a_name_that_does_not_exist_is_denied_with_the_soa_that_says_for_how_long() -> None:
    response = ask(book(origin()), "nope.origin.shop.example")
    assert response.rcode() == dns.rcode.NXDOMAIN
    assert [r.rdtype for r in response.authority] == [dns.rdatatype.SOA]


def test_a_name_that_exists_without_the_type_is_answered_with_nothing() -> None:
    plain = zone("shop.example", record("a.b.shop.example", "TXT", '"x"'))
    for name in ("a.b.shop.example", "b.shop.example"):  # the second one only leads to the first
        response = ask(book(plain), name)
        assert response.rcode() == dns.rcode.NOERROR
        assert not response.answer


def test_an_alias_answers_with_its_load_balancers_address() -> None:
    target = {"name": "prod-1.eu-central-1.elb.amazonaws.com.", "evaluate": False}
    response = ask(
        book(zone("shop.example", record("prod.shop.example", "A", alias=target)), balancers=LB),
        "prod.shop.example",
    )
    assert said(response) == ["A 127.9.1.10"]
    assert response.answer[0].ttl == 60


def test_an_evaluated_alias_without_a_healthy_target_gives_way_to_the_secondary() -> None:
    gone = {"name": "x-1.eu-central-1.elb.amazonaws.com.", "evaluate": True}
    sick = {"balancers": [{"dns_name": "x-1.eu-central-1.elb.amazonaws.com", "address": ""}]}
    failover = zone(
        "shop.example",
        record("app.shop.example", "A", failover="PRIMARY", alias=gone),
        record("app.shop.example", "A", "127.9.2.2", failover="SECONDARY"),
    )
    assert said(ask(book(failover, balancers=sick), "app.shop.example")) == ["A 127.9.2.2"]


def test_names_of_the_provider_are_answered_and_names_of_nobody_refused() -> None:
    world = book(balancers=LB)
    assert said(ask(world, "prod-1.eu-central-1.elb.amazonaws.com")) == ["A 127.9.1.10"]
    assert said(ask(world, "latch.s3.eu-west-1.amazonaws.com")) == ["A 127.9.0.2"]
    assert said(ask(world, NAME_SERVERS[0])) == ["A 127.9.0.53"]
    assert ask(world, "nobody.elb.amazonaws.com").rcode() == dns.rcode.NXDOMAIN
    assert ask(world, "example.org").rcode() == dns.rcode.REFUSED


def test_resolving_follows_names_across_zones() -> None:
    parent = zone(
        "shop.example",
        record("app.shop.example", "CNAME", "app.origin.shop.example"),
        record("origin.shop.example", "NS", NAME_SERVERS[0]),
    )
    assert book(parent, origin()).resolve("app.shop.example") == ("127.9.1.10",)
    assert book(parent, origin()).resolve("nope.shop.example") == ()
