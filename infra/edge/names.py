"""Zones and names: the service name, and the sub-zone in which it switches by itself."""

from __future__ import annotations

from dataclasses import dataclass

import pulumi
from pulumi_aws import route53

from infra.component import Component, Labels

DELEGATION_TTL = 3600


@dataclass(frozen=True)
class NamesArgs:
    """Inputs of `Names`; origins are the sites' names, `failover_name` what the service name points to."""

    zone: str
    origin_zone: str
    service_name: str
    failover_name: str
    primary_origin: str
    standby_origin: str
    ttl: int


class Zones(Component):
    """The company's zone and the origin sub-zone, delegated from it."""

    def __init__(self, name: str, zone: str, origin_zone: str, labels: Labels) -> None:
        super().__init__("edge:Zones", name, labels)
        self.zone = route53.Zone(
            "zone",
            name=zone,
            comment="The company's zone",
            tags=self.tags("zone"),
            opts=self.child(protect=True),
        )
        self.origin = route53.Zone(
            "origin",
            name=origin_zone,
            comment="What switches by itself; answered by Route 53 alone",
            tags=self.tags("origin"),
            opts=self.child(protect=True),
        )
        route53.Record(
            "delegation",
            zone_id=self.zone.zone_id,
            name=origin_zone,
            type="NS",
            ttl=DELEGATION_TTL,
            records=self.origin.name_servers,
            opts=self.child(),
        )
        self.register_outputs({"zone_id": self.zone.zone_id})


class Names(Component):
    """The service name and its failover set.

    Plain records, not aliases: Route 53 refuses an alias to a name that does not exist, and edge comes up
    before any site. The secondary has no check: an unhealthy secondary would make Route 53 answer with the
    primary again.
    """

    def __init__(
        self, name: str, args: NamesArgs, zones: Zones, primary_check: pulumi.Output[str], labels: Labels
    ) -> None:
        super().__init__("edge:Names", name, labels)
        for label, kind, origin, check in (
            ("primary", "PRIMARY", args.primary_origin, primary_check),
            ("standby", "SECONDARY", args.standby_origin, None),
        ):
            route53.Record(
                label,
                zone_id=zones.origin.zone_id,
                name=args.failover_name,
                type="CNAME",
                ttl=args.ttl,
                records=[origin],
                set_identifier=label,
                failover_routing_policies=[{"type": kind}],
                health_check_id=check,
                opts=self.child(),
            )
        route53.Record(
            "service",
            zone_id=zones.zone.zone_id,
            name=args.service_name,
            type="CNAME",
            ttl=args.ttl,
            records=[args.failover_name],
            opts=self.child(),
        )
        self.register_outputs({})
