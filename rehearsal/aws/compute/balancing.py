"""ELBv2: hands moto's books to the load balancers that really run, and reports what their probes found.

What moto leaves out and this puts right: time to come up, regional zone ids, certificates that must exist and
be issued, deletion protection, and target health that follows reality.
Source: ELB API Reference (2015-12-01).
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from typing import Any

from moto.elbv2.exceptions import ELBClientError
from moto.elbv2.models import ELBv2Backend, FakeHealthStatus, FakeLoadBalancer, FakeTargetGroup

from rehearsal.aws import calls
from rehearsal.aws.compute.wiring import action, condition, network
from rehearsal.aws.patch import around
from rehearsal.pki import for_certificate
from rehearsal.world import World

# https://docs.aws.amazon.com/general/latest/gr/elb.html
_ZONES = {
    "us-east-1": "Z35SXDOTRQ7X7K", "us-east-2": "Z3AADJGX6KTTL2", "us-west-1": "Z368ELLRRE2KJ0",
    "us-west-2": "Z1H1FL5HABSF5", "ca-central-1": "ZQSVJUPU6J1EY", "eu-central-1": "Z215JYRZR1TBD5",
    "eu-west-1": "Z32O12XQLNTSW2", "eu-west-2": "ZHURV8PSTC4K8", "eu-west-3": "Z3Q77PNBQS71R4",
    "eu-north-1": "Z23TAZ6LKFMNIO", "eu-south-1": "Z3ULH7SSC9OV64", "ap-northeast-1": "Z14GRHDCWA56QT",
    "ap-southeast-1": "Z1LMS91P8CMLE5", "ap-southeast-2": "Z1GM3OXH4ZPM65", "ap-south-1": "ZP97RAFLXTNZK",
    "sa-east-1": "Z2P70J7HTTTPLU",
}  # fmt: skip
_LOOK_EVERY_S = 0.1
_NO_REGISTRATION = ("unused", "Target.NotRegistered", "Target is not registered to the target group")


def patch(world: World) -> None:
    """Put the world's load balancers behind moto's ELBv2."""
    _patch_balancers(world)
    _patch_listeners(world)
    _patch_health(world)
    world.every(_LOOK_EVERY_S, lambda: world.publish("balancers", network(world)), name="balancers")


def _patch_balancers(world: World) -> None:
    @around(ELBv2Backend, "create_load_balancer")
    def create(original: Callable[..., Any], self: Any, *args: Any, **kwargs: Any) -> Any:
        name = kwargs.get("name", args[0] if args else "")
        if kwargs.get("loadbalancer_type") not in (None, "application"):
            raise NotImplementedError("the rehearsal's load balancers are application load balancers")
        if len(name) > 32:
            raise ELBClientError(
                "ValidationError", f"The load balancer name '{name}' cannot be longer than '32' characters"
            )
        subnets = [self.ec2_backend.get_subnet(each) for each in kwargs.get("subnet_ids") or []]
        if subnets and all(subnets) and len({each.availability_zone for each in subnets}) < 2:
            raise ELBClientError(
                "ValidationError",
                "At least two subnets in two different Availability Zones must be specified",
            )
        if any(known.name == name for known in self.load_balancers.values()):
            raise ELBClientError(
                "DuplicateLoadBalancerName", "A load balancer with the same name exists, with other settings"
            )
        made = original(self, *args, **kwargs)
        number = zlib.crc32(made.arn.encode()) + 10**9
        made.dns_name = f"{made.name}-{number}.{self.region_name}.elb.amazonaws.com".lower()
        made.canonical_hosted_zone_id = _ZONES.get(self.region_name, made.canonical_hosted_zone_id)
        made.scheme = made.scheme or "internet-facing"

        def ready() -> None:
            made.state = "active"

        world.after("alb.create", self.region_name, ready, cause=calls.cause(), resumes=True)
        return made

    @around(FakeLoadBalancer, "activate")
    def activate(original: Callable[..., Any], self: Any) -> None:
        """Being described does not bring a load balancer up."""

    @around(ELBv2Backend, "delete_load_balancer")
    def delete(original: Callable[..., Any], self: Any, arn: str) -> None:
        balancer = self.load_balancers.get(arn)
        if balancer and str(balancer.attrs.get("deletion_protection.enabled")).lower() == "true":
            raise ELBClientError(
                "OperationNotPermitted",
                f"Load balancer '{arn}' cannot be deleted because deletion protection is enabled",
            )
        original(self, arn)


def _patch_listeners(world: World) -> None:
    @around(ELBv2Backend, "create_listener")
    def create(original: Callable[..., Any], self: Any, *args: Any, **kwargs: Any) -> Any:
        for each in kwargs.get("actions") or []:
            action(each)
        if kwargs.get("protocol") == "HTTPS":
            _check_certificate(world, self, kwargs.get("certificate"))
        balancer = self.load_balancers.get(kwargs.get("load_balancer_arn"))
        ports = [str(listener.port) for listener in balancer.listeners.values()] if balancer else []
        if str(kwargs.get("port")) in ports:
            raise ELBClientError("DuplicateListener", "A listener already exists on this port")
        return original(self, *args, **kwargs)

    @around(ELBv2Backend, "modify_listener")
    def modify(original: Callable[..., Any], self: Any, arn: str, *args: Any) -> Any:
        port, protocol, policy, certificates, actions = args
        for each in actions or []:
            action(each)
        for each in certificates or []:
            _check_certificate(world, self, each["CertificateArn"])
        return original(self, arn, port, protocol, policy, certificates or [], actions or [])

    for name in ("create_rule", "modify_rule"):

        @around(ELBv2Backend, name)
        def rule(original: Callable[..., Any], self: Any, *args: Any, **kwargs: Any) -> Any:
            # what the feed could not tell would stop it for every load balancer of the world
            for each in kwargs["actions"] or []:
                action(each)
            for each in kwargs["conditions"] or []:
                condition(each)
            return original(self, *args, **kwargs)


def _check_certificate(world: World, backend: Any, arn: str | None) -> None:
    if not arn:
        raise ELBClientError(
            "InvalidConfigurationRequest", "A certificate must be specified for HTTPS listeners"
        )
    if f":acm:{backend.region_name}:" not in arn or not backend._certificate_exists(arn):
        raise ELBClientError("CertificateNotFound", f"Certificate '{arn}' not found")
    if for_certificate(world.settings.home, arn) is None:
        raise ELBClientError(
            "UnsupportedCertificate",
            f"The certificate '{arn}' must have a fully-qualified domain name, a supported signature, and a "
            "supported key size. (It has not been issued yet.)",
        )


def _patch_health(world: World) -> None:
    @around(ELBv2Backend, "describe_target_health")
    def describe(
        original: Callable[..., Any], self: Any, target_group_arn: str, targets: list[dict[str, Any]]
    ) -> list[FakeHealthStatus]:
        original(self, target_group_arn, targets)  # it knows what does not exist
        group = self.target_groups[target_group_arn]
        found = ((world.fetch("target-health") or {}).get("groups") or {}).get(target_group_arn, {})
        wanted = [str(target["Id"]) for target in targets] or [*group.targets, *draining(group)]
        return [_health(self, group, target_id, found) for target_id in wanted]

    @around(ELBv2Backend, "notify_terminate_instances")
    def notify(_original: Callable[..., Any], self: Any, instance_ids: list[str]) -> None:
        for group in self.target_groups.values():
            deregister(group, [each for each in instance_ids if each in group.targets])


def draining(group: FakeTargetGroup) -> dict[str, dict[str, Any]]:
    """Targets that are being taken out of the group."""
    leaving: dict[str, dict[str, Any]] = group.terminated_targets
    return leaving


def deregister(group: FakeTargetGroup, target_ids: list[str]) -> None:
    """Take targets out of the group: no new requests reach them, they are `draining` until forgotten."""
    for target_id in target_ids:
        target = group.targets.pop(target_id, None)
        if target is not None:
            group.terminated_targets[target_id] = target


def _health(backend: Any, group: FakeTargetGroup, target_id: str, found: dict[str, Any]) -> FakeHealthStatus:
    def status(state: str, reason: str = "", description: str = "") -> FakeHealthStatus:
        port = (group.targets.get(target_id) or {}).get("Port", group.port)
        check = group.health_check_port if group.health_check_port != "traffic-port" else port
        return FakeHealthStatus(target_id, port, check, state, reason or None, description or None)

    if target_id in group.terminated_targets:
        return status("draining", "Target.DeregistrationInProgress", "Target deregistration is in progress")
    if target_id not in group.targets:
        return status(*_NO_REGISTRATION)
    if not group.load_balancer_arns or not backend._any_listener_using(group.arn):
        return status("unused", "Target.NotInUse", "Target group is not configured to receive traffic")
    instance = backend.ec2_backend.get_instance_by_id(target_id)
    if target_id.startswith("i-") and (instance is None or instance.state != "running"):
        return status("unused", "Target.InvalidState", "Target is in the terminated or stopped state")
    port = group.targets[target_id].get("Port", group.port)
    health = found.get(f"{target_id}:{port}")
    if health is None:
        return status("initial", "Elb.RegistrationInProgress", "Target registration is in progress")
    return status(health["state"], health["reason"], health["description"])
