"""Networks: nothing is open to the world but 80 and 443, and those lead to TLS."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from infra.policies.rule import Resource, listed, rule

WORLD = frozenset({"0.0.0.0/0", "::/0"})
OPEN_PORTS = frozenset({80, 443})
SAFE_TLS = ("ELBSecurityPolicy-TLS13-1-2-", "ELBSecurityPolicy-TLS13-1-3-", "ELBSecurityPolicy-FS-1-2-Res-")


@rule(
    "nothing-open",
    "Nothing is open to the world but 80 and 443",
    "vpc/securityGroupIngressRule:SecurityGroupIngressRule",
    "ec2/securityGroup:SecurityGroup",
    "ec2/securityGroupRule:SecurityGroupRule",
)
def nothing_open(resource: Resource) -> Iterator[str]:
    """Rules inside a group and rules of their own alike."""
    inline = [dict(way) for way in listed(resource.props.get("ingress"))]
    own = [] if resource.props.get("type") == "egress" else [resource.props]
    for way in [*inline, *own]:
        sources = {way.get("cidrIpv4"), way.get("cidrIpv6")}
        sources.update(listed(way.get("cidrBlocks")), listed(way.get("ipv6CidrBlocks")))
        if sources & WORLD and not _is_open_port(way):
            yield f"opens {way.get('fromPort')}-{way.get('toPort')} to the world; only 80 and 443 may be"


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
    if resource.props.get("mapPublicIpOnLaunch"):
        yield "mapPublicIpOnLaunch must be false"
    for interface in listed(resource.props.get("networkInterfaces")):
        if str(interface.get("associatePublicIpAddress", "")).lower() == "true":
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
    if not logs.get("enabled") or "bucket" not in logs:
        yield "accessLogs must be enabled, with a bucket"


RULES = (nothing_open, no_public_addresses, https_only, access_logged)
