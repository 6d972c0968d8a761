"""moto's load balancers as the feed tells them to the network process. Unmodelled settings fail loudly."""

from __future__ import annotations

from typing import Any

from moto.elbv2.exceptions import ELBClientError
from moto.elbv2.models import ELBv2Backend, FakeTargetGroup, elbv2_backends

from rehearsal.aws.compute.access_logs import enabled
from rehearsal.balancers.model import (
    Action,
    Balancer,
    Certificate,
    Condition,
    Fixed,
    Forward,
    HealthCheck,
    Listener,
    Network,
    Redirect,
    Rule,
    Target,
    TargetGroup,
)
from rehearsal.pki import for_certificate
from rehearsal.world import World

_CONFIG = {
    "path-pattern": "PathPatternConfig",
    "host-header": "HostHeaderConfig",
    "http-header": "HttpHeaderConfig",
    "http-request-method": "HttpRequestMethodConfig",
    "query-string": "QueryStringConfig",
}

_LONGEST_BODY = 1024


def network(world: World) -> dict[str, Any]:
    """The feed section `balancers`, of all regions."""
    balancers: list[Balancer] = []
    groups: dict[str, TargetGroup] = {}
    for account in list(elbv2_backends.values()):
        for region, backend in list(account.items()):
            if region not in world.regions:
                continue
            balancers += [_balancer(world, backend, each) for each in list(backend.load_balancers.values())]
            groups |= {each.arn: _group(backend, each) for each in list(backend.target_groups.values())}
    return Network(balancers=tuple(balancers), target_groups=groups).model_dump(mode="json")


def _balancer(world: World, backend: ELBv2Backend, balancer: Any) -> Balancer:
    return Balancer(
        arn=balancer.arn,
        name=balancer.name,
        region=backend.region_name,
        dns_name=balancer.dns_name,
        zone_id=balancer.canonical_hosted_zone_id,
        address=world.address(backend.region_name, balancer.arn),
        state=balancer.state,
        access_log=enabled(balancer.attrs),
        listeners=tuple(_listener(world, each) for each in list(balancer.listeners.values())),
    )


def _listener(world: World, listener: Any) -> Listener:
    issued = [for_certificate(world.settings.home, arn) for arn in listener.certificates]
    rules = sorted(listener._non_default_rules.values(), key=lambda rule: int(rule.priority))
    return Listener(
        port=int(listener.port),
        protocol=listener.protocol,
        certificates=tuple(Certificate(cert=str(each.cert), key=str(each.key)) for each in issued if each),
        default=_chosen(listener.default_actions),
        rules=tuple(
            Rule(conditions=tuple(condition(each) for each in rule.conditions), action=_chosen(rule.actions))
            for rule in rules
        ),
    )


def _chosen(actions: list[Any]) -> Action:
    """The action that answers; what may precede it (authentication) is refused when it is configured."""
    return action(sorted((each.data for each in actions), key=lambda each: int(each.get("Order", 50000)))[-1])


def action(data: dict[str, Any]) -> Action:
    """An action of the API.

    ELBClientError when AWS would refuse it; NotImplementedError when the load balancers here cannot do it.
    """
    match data["Type"]:
        case "forward" if "TargetGroupArn" in data and "ForwardConfig" not in data:
            return Forward(groups=((data["TargetGroupArn"], 1),))
        case "forward":
            rows = data["ForwardConfig"]["TargetGroups"]
            return Forward(groups=tuple((row["TargetGroupArn"], int(row.get("Weight", 1))) for row in rows))
        case "fixed-response":
            given = data["FixedResponseConfig"]
            body = given.get("MessageBody") or ""
            if len(body) > _LONGEST_BODY:
                raise ELBClientError(
                    "ValidationError", f"MessageBody has more than {_LONGEST_BODY} characters"
                )
            kind = given.get("ContentType") or "text/plain"
            return Fixed(status=int(given["StatusCode"]), content_type=kind, body=body)
        case "redirect":
            given = {key.lower(): value for key, value in data["RedirectConfig"].items()}
            status = int(given.pop("statuscode").removeprefix("HTTP_"))
            return Redirect(status=status, **given)
        case other:
            raise NotImplementedError(f"the rehearsal's load balancers have no action {other!r}")


def condition(data: dict[str, Any]) -> Condition:
    """A condition of the API. NotImplementedError when the load balancers here do not know it."""
    field = data["Field"]
    if field not in _CONFIG:
        raise NotImplementedError(f"the rehearsal's load balancers have no condition {field!r}")
    given = data.get(_CONFIG[field]) or {}
    values = given.get("Values") or data.get("Values") or []
    if field == "query-string":
        values = [f"{row['Key']}={row['Value']}" if row.get("Key") else row["Value"] for row in values]
    return Condition(field=field, values=tuple(values), header=given.get("HttpHeaderName", ""))


def _group(backend: ELBv2Backend, group: FakeTargetGroup) -> TargetGroup:
    return TargetGroup(
        arn=group.arn,
        region=backend.region_name,
        used=backend._any_listener_using(group.arn),
        targets=tuple(_target(backend, each, group) for each in list(group.targets.values())),
        check=HealthCheck(
            protocol="HTTPS" if group.health_check_protocol == "HTTPS" else "HTTP",
            port=str(group.health_check_port or "traffic-port"),
            path=group.health_check_path or "/",
            codes=str((group.matcher or {}).get("HttpCode", "200")),
            interval=float(group.health_check_interval_seconds),
            timeout=float(group.health_check_timeout_seconds),
            healthy=int(group.healthy_threshold_count),
            unhealthy=int(group.unhealthy_threshold_count),
        ),
    )


def _target(backend: ELBv2Backend, target: dict[str, Any], group: FakeTargetGroup) -> Target:
    port = int(target.get("Port") or group.port)
    if not target["Id"].startswith("i-"):
        return Target(id=target["Id"], address=target["Id"], port=port)
    instance = backend.ec2_backend.get_instance_by_id(target["Id"])
    address = instance.private_ip if instance is not None and instance.state == "running" else ""
    return Target(id=target["Id"], address=str(address), port=port)
