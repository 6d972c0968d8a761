"""Route 53's zones: what a batch of changes may be, when name servers know it, and who needs us-east-1."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import dns.message
import dns.query
import dns.rcode
import pytest
from botocore.config import Config
from botocore.exceptions import ReadTimeoutError
from nameworld import NameWorld, a, cname, refused

from rehearsal.world import publish
from tests.fakes.waiting import until


@pytest.fixture
def world(names_world: NameWorld) -> NameWorld:
    return names_world


def test_a_change_is_pending_until_the_name_servers_have_it(world: NameWorld) -> None:
    zone = world.zone("late.example")
    change = world.change(zone, a("www.late.example", "127.0.0.9"))
    assert change["Status"] == "PENDING"
    assert world.ask("www.late.example").rcode() == dns.rcode.NXDOMAIN
    world.insync(change)
    for server in range(4):
        until(
            "all four answer", lambda n=server: world.answers("www.late.example", server=n) == ["127.0.0.9"]
        )


def test_a_batch_is_applied_as_a_whole_or_not_at_all(world: NameWorld) -> None:
    zone = world.zone("whole.example")
    world.change(zone, a("taken.whole.example", "127.0.0.1"))
    with refused("InvalidChangeBatch", saying="already exists"):
        world.change(zone, a("new.whole.example", "127.0.0.2"), a("taken.whole.example", "127.0.0.3"))
    listed = world.client("route53").list_resource_record_sets(HostedZoneId=zone)["ResourceRecordSets"]
    assert sorted((r["Name"], r["Type"]) for r in listed) == [
        ("taken.whole.example.", "A"),
        ("whole.example.", "NS"),
        ("whole.example.", "SOA"),
    ]


def test_batches_that_come_at_once_do_not_undo_each_other(world: NameWorld) -> None:
    zone = world.zone("crowd.example")
    batches = [[f"n{b}-{n}.crowd.example" for n in range(60)] for b in range(12)]
    with ThreadPoolExecutor(12) as pool:
        list(pool.map(lambda names: world.change(zone, *(a(n, "127.0.0.1") for n in names)), batches))
    listed = world.client("route53").get_paginator("list_resource_record_sets").paginate(HostedZoneId=zone)
    there = {record["Name"].rstrip(".") for page in listed for record in page["ResourceRecordSets"]}
    assert {name for names in batches for name in names} - there == set()


def test_an_alias_to_nothing_is_refused(world: NameWorld) -> None:
    zone = world.zone("alias.example")
    for target, zone_id in (
        ("nobody.alias.example", zone),
        ("nobody-1.eu-west-1.elb.amazonaws.com", "Z32O12XQLNTSW2"),
    ):
        alias = {"HostedZoneId": zone_id, "DNSName": target, "EvaluateTargetHealth": False}
        with refused("InvalidChangeBatch", saying="that target was not found"):
            world.change(zone, {"Name": "x.alias.example", "Type": "A", "AliasTarget": alias})


def test_an_alias_follows_its_target_in_the_zone(world: NameWorld) -> None:
    zone = world.zone("follow.example")
    alias = {"HostedZoneId": zone, "DNSName": "real.follow.example", "EvaluateTargetHealth": False}
    change = world.change(
        zone,
        a("real.follow.example", "127.0.0.7"),
        {"Name": "x.follow.example", "Type": "A", "AliasTarget": alias},
    )
    world.insync(change)
    assert world.answers("x.follow.example") == ["127.0.0.7"]


@pytest.mark.parametrize(
    ("record", "saying"),
    [
        (cname("rules.example", "x.example"), "at apex"),
        (cname("www.rules.example", "x.example"), "conflicts with other records"),
        (a("other.example", "127.0.0.1"), "not permitted in zone"),
        (a("b.rules.example", "127.0.0"), "Invalid Resource Record"),
        ({**a("t.rules.example", "unquoted"), "Type": "TXT"}, "quotation marks"),
        (a("www.rules.example", "127.0.0.2", SetIdentifier="x", Failover="PRIMARY"), "non-multi-value set"),
    ],
)
def test_what_route_53_does_not_permit_is_refused(
    world: NameWorld, record: dict[str, object], saying: str
) -> None:
    zone = world.zone("rules.example")
    world.change(zone, a("www.rules.example", "127.0.0.1"))
    with refused("InvalidChangeBatch", saying=saying):
        world.change(zone, record)


def test_a_caller_reference_makes_one_zone(world: NameWorld) -> None:
    wanted = {"Name": "once.example", "CallerReference": world.fresh("once")}
    world.client("route53").create_hosted_zone(**wanted)
    with refused("HostedZoneAlreadyExists"):
        world.client("route53").create_hosted_zone(**wanted)


def test_a_record_is_deleted_only_with_the_values_it_has(world: NameWorld) -> None:
    zone = world.zone("gone.example")
    world.change(zone, a("x.gone.example", "127.0.0.1"))
    with refused("InvalidChangeBatch", saying="do not match"):
        world.change(zone, a("x.gone.example", "127.0.0.2"), action="DELETE")
    world.insync(world.change(zone, a("x.gone.example", "127.0.0.1"), action="DELETE"))
    assert world.ask("x.gone.example").rcode() == dns.rcode.NXDOMAIN


def test_deleting_one_of_a_failover_set_leaves_others_with_its_identifier_alone(world: NameWorld) -> None:
    zone = world.zone("sets.example")
    records = [
        cname(f"{name}.sets.example", "x.example", SetIdentifier="primary", Failover="PRIMARY")
        for name in ("a", "b")
    ]
    world.change(zone, *records)
    world.insync(world.change(zone, records[0], action="DELETE"))
    assert world.answers("b.sets.example") == ["x.example"]


def test_a_record_with_a_health_check_that_does_not_exist_is_refused(world: NameWorld) -> None:
    zone = world.zone("check.example")
    with refused("NoSuchHealthCheck"):
        world.change(zone, a("x.check.example", "127.0.0.1", HealthCheckId="nope"))


def test_a_routing_policy_that_is_not_modelled_fails_loudly(world: NameWorld) -> None:
    zone = world.zone("weights.example")
    with refused("NotImplemented"):
        world.change(zone, a("x.weights.example", "127.0.0.1", SetIdentifier="a", Weight=1))


def test_names_go_on_answering_while_their_control_plane_is_lost(world: NameWorld) -> None:
    zone = world.zone("plane.example")
    world.insync(world.change(zone, a("x.plane.example", "127.0.0.1")))
    under_way = world.change(zone, a("y.plane.example", "127.0.0.2"))
    world.steering.lose("us-east-1")
    try:
        impatient = world.client("route53", "eu-west-1", config=Config(read_timeout=0.5))
        with pytest.raises(ReadTimeoutError):
            impatient.list_hosted_zones()
        assert world.answers("x.plane.example") == ["127.0.0.1"]
        assert world.ask("y.plane.example").rcode() == dns.rcode.NXDOMAIN
    finally:
        world.steering.give_back("us-east-1")
    world.insync(under_way)
    assert world.answers("y.plane.example") == ["127.0.0.2"]


def resolver(world: NameWorld, name: str) -> dns.message.Message:
    address = world.settings.resolver_addresses()[0]
    return dns.query.udp(dns.message.make_query(name, "A"), address, timeout=10, port=world.settings.port(53))


def test_resolvers_do_without_some_name_servers_but_not_without_all(world: NameWorld) -> None:
    zone = world.zone("silent.example")
    world.insync(world.change(zone, *(a(f"{n}.silent.example", "127.0.0.1") for n in range(9))))
    servers, feed = world.settings.name_server_addresses(), world.settings.home / "feed"
    try:
        publish(feed, "name-servers", {"down": list(servers[1:])})
        for n in range(4):
            assert resolver(world, f"{n}.silent.example").rcode() == dns.rcode.NOERROR
        publish(feed, "name-servers", {"down": list(servers)})
        assert resolver(world, "8.silent.example").rcode() == dns.rcode.SERVFAIL
    finally:
        publish(feed, "name-servers", {"down": []})
