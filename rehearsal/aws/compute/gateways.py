"""NAT gateways take their time to come up. Source of the time: rehearsal/durations.py."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from moto.ec2.models.nat_gateways import NatGatewayBackend

from rehearsal.aws import calls
from rehearsal.aws.patch import around
from rehearsal.world import World


def patch(world: World) -> None:
    """Have NAT gateways `pending` until AWS would have made them."""

    @around(NatGatewayBackend, "create_nat_gateway")
    def create(original: Callable[..., Any], self: Any, *args: Any, **kwargs: Any) -> Any:
        gateway = original(self, *args, **kwargs)
        gateway.state = "pending"

        def made() -> None:
            if gateway.state == "pending":
                gateway.state = "available"

        world.after("nat.create", self.region_name, made, cause=calls.cause())
        return gateway
