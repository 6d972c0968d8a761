"""Health checks: is the primary in? Its load balancer answers by its own name, and the latch is not engaged.

The latch's check is inverted: object there = unhealthy; absent or unreachable = healthy, so that losing the
standby region never takes the primary out of the name.
"""

from __future__ import annotations

from dataclasses import dataclass

import pulumi
from pulumi_aws import route53

from infra.component import Component, Labels

SECONDS_BETWEEN = 10
FAILURES = 3


@dataclass(frozen=True)
class HealthChecksArgs:
    """Inputs of `HealthChecks`: host and path of the primary's endpoint, and of the latch."""

    endpoint_host: str
    endpoint_path: str
    latch_host: pulumi.Output[str]
    latch_path: str


class HealthChecks(Component):
    """`primary` is what the failover record asks; the other two are what it is made of."""

    def __init__(self, name: str, args: HealthChecksArgs, labels: Labels) -> None:
        super().__init__("edge:HealthChecks", name, labels)
        endpoint = self._https("primary-endpoint", args.endpoint_host, args.endpoint_path, inverted=False)
        latch = self._https("latch", args.latch_host, args.latch_path, inverted=True)
        primary = route53.HealthCheck(
            "primary",
            type="CALCULATED",
            child_healthchecks=[endpoint.id, latch.id],
            child_health_threshold=2,
            tags=self.tags("primary"),
            opts=self.child(),
        )
        self.ids: dict[str, pulumi.Output[str]] = {
            "primary-endpoint": endpoint.id,
            "latch": latch.id,
            "primary": primary.id,
        }
        self.register_outputs(dict(self.ids))

    def _https(
        self, label: str, host: pulumi.Input[str], path: str, *, inverted: bool
    ) -> route53.HealthCheck:
        return route53.HealthCheck(
            label,
            type="HTTPS",
            fqdn=host,
            port=443,
            resource_path=path,
            request_interval=SECONDS_BETWEEN,
            failure_threshold=FAILURES,
            invert_healthcheck=inverted,
            tags=self.tags(label),
            opts=self.child(),
        )
