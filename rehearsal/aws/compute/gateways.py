"""Smaller things that EC2 does and moto does not: NAT gateways that take their time, templates that inherit.

Source of the times: rehearsal/durations.py.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from moto.ec2.models.launch_templates import LaunchTemplate, LaunchTemplateBackend
from moto.ec2.models.nat_gateways import NatGatewayBackend

from rehearsal.aws import calls
from rehearsal.aws.patch import around
from rehearsal.world import World


def patch(world: World) -> None:
    """Have NAT gateways `pending` until AWS would have made them, and template versions built on others."""

    @around(LaunchTemplate, "create_version")
    def version(original: Callable[..., Any], self: Any, data: dict[str, Any], description: str) -> Any:
        call = calls.current()
        source = call.params.get("SourceVersion") if call.operation == "CreateLaunchTemplateVersion" else None
        return original(self, {**self.get_version(source).data, **data} if source else data, description)

    @around(LaunchTemplateBackend, "describe_launch_templates")
    def describe(original: Callable[..., Any], self: Any, *args: Any, **kwargs: Any) -> Any:
        for id_ in kwargs.get("template_ids") or ():
            self.get_launch_template(id_)  # moto leaves out those that are not there; AWS refuses
        return original(self, *args, **kwargs)

    @around(NatGatewayBackend, "create_nat_gateway")
    def create(original: Callable[..., Any], self: Any, *args: Any, **kwargs: Any) -> Any:
        gateway = original(self, *args, **kwargs)
        gateway.state = "pending"

        def made() -> None:
            if gateway.state == "pending":
                gateway.state = "available"

        world.after("nat.create", self.region_name, made, cause=calls.cause(), resumes=True)
        return gateway
