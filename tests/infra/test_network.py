"""Nothing is open but what must be, and a pilot light pays for no gateway."""

from __future__ import annotations

from ipaddress import IPv4Network

from infra.aws.network import subnet_cidr
from tests.infra.engine import Stack, run

INGRESS = "vpc/securityGroupIngressRule:SecurityGroupIngressRule"
EGRESS = "vpc/securityGroupEgressRule:SecurityGroupEgressRule"


def ways(stack: Stack, kind: str) -> set[tuple[str, str, int]]:
    """(group, peer, port) of each rule, by logical names."""
    found = set()
    for rule in stack.of(kind):
        inputs = rule.inputs
        peer = inputs.get("referencedSecurityGroupId") or inputs.get("cidrIpv4") or inputs["prefixListId"]
        assert inputs["fromPort"] == inputs["toPort"]
        found.add((short(inputs["securityGroupId"]), short(peer), int(inputs["fromPort"])))
    return found


def short(identity: str) -> str:
    return identity.removesuffix("-1a2b3c4")


def test_only_the_load_balancer_is_open_to_the_world(primary: Stack) -> None:
    open_to_all = {way for way in ways(primary, INGRESS) if way[1] == "0.0.0.0/0"}
    assert open_to_all == {("balancer", "0.0.0.0/0", 80), ("balancer", "0.0.0.0/0", 443)}


def test_the_database_is_reached_by_web_servers_and_runners_only(primary: Stack) -> None:
    assert {way for way in ways(primary, INGRESS) if way[0] == "database"} == {
        ("database", "web", 5432),
        ("database", "runner", 5432),
    }
    assert not {way for way in ways(primary, EGRESS) if way[0] == "database"}


def test_nothing_reaches_a_runner(primary: Stack) -> None:
    assert not {way for way in ways(primary, INGRESS) if way[0] == "runner"}


def test_a_runner_reaches_the_database_and_aws_and_nothing_else(primary: Stack) -> None:
    assert {way[1:] for way in ways(primary, EGRESS) if way[0] == "runner"} == {
        ("database", 5432),
        ("endpoints", 443),
        ("pl-1", 443),
    }


def test_three_tiers_stand_in_every_zone(primary: Stack) -> None:
    zones = {subnet.inputs["availabilityZone"] for subnet in primary.of("ec2/subnet:Subnet")}
    assert zones == {"eu-central-1a", "eu-central-1b", "eu-central-1c"}
    assert len(primary.of("ec2/subnet:Subnet")) == 9


def test_two_zones_are_enough_by_configuration(primary: Stack) -> None:
    two = run("prod", {"zones": ["eu-central-1a", "eu-central-1b"]})
    assert len(two.of("ec2/subnet:Subnet")) == 6


def test_a_further_zone_renumbers_no_subnet() -> None:
    cidrs = [subnet_cidr("10.10.0.0/16", tier, zone) for tier in range(3) for zone in range(4)]
    networks = [IPv4Network(cidr) for cidr in cidrs]
    assert not any(a.overlaps(b) for i, a in enumerate(networks) for b in networks[:i])
    assert cidrs[0] == "10.10.0.0/20"
    assert cidrs[4] == "10.10.64.0/20"


def test_data_subnets_have_no_way_out(primary: Stack) -> None:
    tables = {route.inputs["routeTableId"] for route in primary.of("ec2/route:Route")}
    assert "data-1a2b3c4" not in tables


def test_gateways_are_one_or_one_per_zone_by_configuration(primary: Stack) -> None:
    nat = "ec2/natGateway:NatGateway"
    assert len(primary.of(nat)) == 1
    spread = run("prod", {"natGateways": "per-zone"})
    assert len(spread.of(nat)) == 3
    through = {r.inputs["routeTableId"]: r.inputs.get("natGatewayId") for r in spread.of("ec2/route:Route")}
    assert through["app-b-1a2b3c4"] == "nat-b-1a2b3c4"


def test_a_pilot_light_has_no_gateway_and_one_endpoint(standby: Stack) -> None:
    assert not standby.of("ec2/natGateway:NatGateway")
    assert len(standby.one("ec2/vpcEndpoint:VpcEndpoint", "secrets").inputs["subnetIds"]) == 1


def test_a_full_footprint_has_both_everywhere(serving: Stack) -> None:
    assert len(serving.of("ec2/natGateway:NatGateway")) == 1
    assert len(serving.one("ec2/vpcEndpoint:VpcEndpoint", "secrets").inputs["subnetIds"]) == 3
