"""Networks: nothing is open to the world but 80 and 443, and those lead to TLS."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from ipaddress import IPv6Network, ip_network
from typing import Any

from infra.policies.rule import Resource, listed, rule, truthy

UNIQUE_LOCAL = IPv6Network("fc00::/7")
NARROWEST_WORLD = {4: 7, 6: 15}
"""Prefix lengths: what is wider than any private range counts as the world, or halves of it would not."""
OPEN_PORTS = frozenset({80, 443})
SAFE_TLS = ("ELBSecurityPolicy-TLS13-1-2-", "ELBSecurityPolicy-TLS13-1-3-", "ELBSecurityPolicy-FS-1-2-Res-")
GROUPS = (
    "vpc/securityGroupIngressRule:SecurityGroupIngressRule",
    "ec2/securityGroup:SecurityGroup",
    "ec2/defaultSecurityGroup:DefaultSecurityGroup",
    "ec2/securityGroupRule:SecurityGroupRule",
)


@rule(
    "nothing-open",
    "Nothing is open to the world but 80 and 443",
    *GROUPS,
    "ec2/managedPrefixList:ManagedPrefixList",
    "ec2/managedPrefixListEntry:ManagedPrefixListEntry",
)
def nothing_open(resource: Resource) -> Iterator[str]:
    """Rules inside a group and rules of their own alike; and no list of ranges hides the world."""
    for way in world_ways(resource):
        if not _is_open_port(way):
            yield f"opens {way.get('fromPort')}-{way.get('toPort')} to the world; only 80 and 443 may be"
    for entry in [*listed(resource.props.get("entries")), resource.props]:
        if is_world(entry.get("cidr")):
            yield f"hides {entry['cidr']} in a list: name it in the rule"


def world_ways(resource: Resource) -> list[Mapping[str, Any]]:
    """Ways in, of a group or of a rule, whose source is the world."""
    inline = [dict(way) for way in listed(resource.props.get("ingress"))]
    own = [] if resource.props.get("type") == "egress" else [dict(resource.props)]
    return [way for way in (*inline, *own) if any(map(is_world, _sources(way)))]


def _sources(way: Mapping[str, Any]) -> list[Any]:
    single = [way.get("cidrIpv4"), way.get("cidrIpv6")]
    return [*single, *listed(way.get("cidrBlocks")), *listed(way.get("ipv6CidrBlocks"))]


def is_world(source: Any) -> bool:
    """Is it a range so wide that it is the world, or half of it?"""
    if not isinstance(source, str):
        return False
    try:
        network = ip_network(source, strict=False)
    except ValueError:
        return False  # AWS refuses it
    if isinstance(network, IPv6Network) and network.subnet_of(UNIQUE_LOCAL):
        return False
    return network.prefixlen <= NARROWEST_WORLD[network.version]


def _is_open_port(way: Mapping[str, Any]) -> bool:
    tcp = (way.get("ipProtocol") or way.get("protocol")) in {"tcp", "6"}
    return tcp and way.get("fromPort") == way.get("toPort") and way.get("fromPort") in OPEN_PORTS


@rule(
    "no-public-addresses",
    "Machines get no public address",
    "ec2/subnet:Subnet",
    "ec2/launchTemplate:LaunchTemplate",
)
def no_public_addresses(resource: Resource) -> Iterator[str]:
    """The load balancer has one; nothing else needs one."""
    if truthy(resource.props.get("mapPublicIpOnLaunch")):
        yield "mapPublicIpOnLaunch must be false"
    for interface in listed(resource.props.get("networkInterfaces")):
        if truthy(interface.get("associatePublicIpAddress")):
            yield "associatePublicIpAddress must be false"


@rule("https-only", "Load balancers serve HTTPS; HTTP is redirected", "lb/listener:Listener")
def https_only(resource: Resource) -> Iterator[str]:
    """TLS 1.2 at least."""
    props = resource.props
    if props.get("protocol") == "HTTPS":
        if not str(props.get("sslPolicy")).startswith(SAFE_TLS):
            yield f"sslPolicy is {props.get('sslPolicy')}: must be one of TLS 1.2 or newer"
        return
    for action in listed(props.get("defaultActions")):
        if action.get("type") != "redirect" or (action.get("redirect") or {}).get("protocol") != "HTTPS":
            yield f"answers {props.get('protocol')} with {action.get('type')}: must redirect to HTTPS"


@rule("access-logged", "Load balancers keep access logs", "lb/loadBalancer:LoadBalancer")
def access_logged(resource: Resource) -> Iterator[str]:
    """Who was served what, when: evidence of an outage and of an attack."""
    logs = resource.props.get("accessLogs") or {}
    if not truthy(logs.get("enabled")) or not logs.get("bucket"):
        yield "accessLogs must be enabled, with a bucket"


RULES = (nothing_open, no_public_addresses, https_only, access_logged)
