"""Edge, composed: zones, latch, health checks, names."""

from __future__ import annotations

from typing import Any

import pulumi
import pulumi_aws as aws

from infra.component import Labels
from infra.edge.health import HealthChecks, HealthChecksArgs
from infra.edge.latch import KEY, Latch, LatchArgs
from infra.edge.names import Names, NamesArgs, Zones
from infra.outputs import HEALTH_PATH
from infra.settings import EdgeSettings


class Edge:
    """The names that the settings ask for; `contract()` says what came of it."""

    def __init__(self, settings: EdgeSettings) -> None:
        self.settings = settings
        labels = Labels(settings.company, settings.owner, settings.stack)
        self.account: pulumi.Output[str] = aws.get_caller_identity_output().account_id
        self.failover_name = f"{settings.service_name.split('.')[0]}.{settings.origin_name}"
        self.zones = Zones("zones", settings.zone, settings.origin_name, labels)
        self.latch = Latch("latch", LatchArgs(self.account, settings.standby_region), labels)
        primary_origin = f"{settings.primary_stack}.{settings.origin_name}"
        self.checks = HealthChecks(
            "health-checks",
            HealthChecksArgs(
                endpoint_host=primary_origin,
                endpoint_path=HEALTH_PATH,
                latch_host=self.latch.host,
                latch_path=f"/{KEY}",
            ),
            labels,
        )
        names = NamesArgs(
            zone=settings.zone,
            origin_zone=settings.origin_name,
            service_name=settings.service_name,
            failover_name=self.failover_name,
            primary_origin=primary_origin,
            standby_origin=f"{settings.standby_stack}.{settings.origin_name}",
            ttl=settings.ttl,
        )
        Names("names", names, self.zones, self.checks.ids["primary"], labels)

    def contract(self) -> dict[str, Any]:
        """Fields of `EdgeContract`, outputs among them."""
        s = self.settings
        return {
            "project": s.project,
            "stack": s.stack,
            "account": self.account,
            "zone": _zone(s.zone, self.zones.zone),
            "origin_zone": _zone(s.origin_name, self.zones.origin),
            "service_name": s.service_name,
            "failover_name": self.failover_name,
            "ttl": s.ttl,
            "health_checks": dict(self.checks.ids),
            "latch": {
                "bucket": self.latch.bucket,
                "key": KEY,
                "region": s.standby_region,
                "url": pulumi.Output.concat("https://", self.latch.host, f"/{KEY}"),
            },
        }


def _zone(name: str, zone: aws.route53.Zone) -> dict[str, Any]:
    return {"name": name, "zone_id": zone.zone_id, "name_servers": zone.name_servers}
