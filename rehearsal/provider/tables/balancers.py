"""Elastic Load Balancing v2: load balancers and target groups."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from rehearsal.provider import shapes
from rehearsal.provider.kinds import Autoname, Call, Context, Do, Kind
from rehearsal.provider.tables.common import fields
from rehearsal.provider.tables.tags import by_arn
from rehearsal.provider.wire import Props


def tags() -> Any:
    """Tags of everything in Elastic Load Balancing."""
    return by_arn("AddTags", "RemoveTags", "ResourceArns", listing="DescribeTags", value=lambda ctx: [ctx.id])


def _suffix(arn: str) -> str:
    """The last parts of an ARN, as CloudWatch's dimensions want them."""
    resource = arn.split(":", 5)[5]
    return resource.removeprefix("loadbalancer/") if resource.startswith("loadbalancer/") else resource


LB_ATTRIBUTES = {
    "idleTimeout": "idle_timeout.timeout_seconds",
    "enableHttp2": "routing.http2.enabled",
    "enableDeletionProtection": "deletion_protection.enabled",
    "dropInvalidHeaderFields": "routing.http.drop_invalid_header_fields.enabled",
    "desyncMitigationMode": "routing.http.desync_mitigation_mode",
    "enableCrossZoneLoadBalancing": "load_balancing.cross_zone.enabled",
    "clientKeepAlive": "client_keep_alive.seconds",
}
TG_ATTRIBUTES = {
    "deregistrationDelay": "deregistration_delay.timeout_seconds",
    "slowStart": "slow_start.duration_seconds",
    "loadBalancingAlgorithmType": "load_balancing.algorithm.type",
}


def _attributes(ctx: Context, names: Mapping[str, str]) -> list[Props]:
    found = [
        {"Key": k, "Value": shapes.text(ctx.inputs[p])}
        for p, k in names.items()
        if ctx.inputs.get(p) is not None
    ]
    logs = ctx.inputs.get("accessLogs")
    if logs:
        found.append(
            {"Key": "access_logs.s3.enabled", "Value": shapes.text(bool(logs.get("enabled", False)))}
        )
        found += [
            {"Key": f"access_logs.s3.{k}", "Value": logs[k]} for k in ("bucket", "prefix") if logs.get(k)
        ]
    return found


def _set_attributes(op: str, member: str, names: Mapping[str, str]) -> Any:
    def work(ctx: Context) -> None:
        found = _attributes(ctx, names)
        if found:
            ctx.call(op, {member: ctx.id, "Attributes": found})

    return work


def _get_attributes(op: str, member: str, names: Mapping[str, str]) -> Any:
    def work(ctx: Context) -> Props:
        answer = ctx.call(op, {member: ctx.id})["Attributes"]
        found = {a["Key"]: a["Value"] for a in answer}
        live: Props = {prop: found[key] for prop, key in names.items() if key in found}
        logs = {k.rsplit(".", 1)[1]: v for k, v in found.items() if k.startswith("access_logs.s3.")}
        return live | ({"accessLogs": logs} if logs else {})

    return work


def _lb_active(ctx: Context) -> bool:
    found = ctx.call("DescribeLoadBalancers", {"LoadBalancerArns": [ctx.id]})["LoadBalancers"]
    state = found[0]["State"]["Code"] if found else "active"
    if state == "failed":
        raise RuntimeError(f"load balancer {ctx.id} failed: {found[0]['State'].get('Reason', '')}")
    return bool(state == "active")


def _lb_name(inputs: Props) -> dict[str, str]:
    name = str(inputs.get("name", ""))
    if len(name) > 32 or not re.fullmatch(r"(?!internal-)[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?", name):
        return {"name": f"{name!r} must be 1-32 letters, digits and hyphens, and not begin with internal-"}
    return {}


def _lb_place(ctx: Context) -> None:
    if ctx.changed & {"subnets"}:
        ctx.call("SetSubnets", {"LoadBalancerArn": ctx.id, "Subnets": ctx.inputs["subnets"]})
    if ctx.changed & {"securityGroups"}:
        ctx.call(
            "SetSecurityGroups", {"LoadBalancerArn": ctx.id, "SecurityGroups": ctx.inputs["securityGroups"]}
        )


LB_LATER = (*LB_ATTRIBUTES, "accessLogs")
LOAD_BALANCER = Kind(
    "aws:lb/loadBalancer:LoadBalancer",
    "elbv2",
    create=Call(
        "CreateLoadBalancer",
        props=("name", "loadBalancerType", "internal", "subnets", "securityGroups", "ipAddressType"),
    ),
    id="LoadBalancers[0].LoadBalancerArn",
    follow=(
        Do(
            _set_attributes("ModifyLoadBalancerAttributes", "LoadBalancerArn", LB_ATTRIBUTES),
            props=LB_LATER,
            when=LB_LATER,
        ),
        Do(_lb_place, props=("subnets", "securityGroups"), on="update"),
    ),
    read=(
        Call(
            "DescribeLoadBalancers",
            {"LoadBalancerArns": ["$id"]},
            result=fields(
                "LoadBalancers[0]",
                "LoadBalancerArn",
                "VpcId",
                "SecurityGroups",
                "IpAddressType",
                Name="LoadBalancerName",
                DnsName="DNSName",
                ZoneId="CanonicalHostedZoneId",
                LoadBalancerType="Type",
                Subnets="AvailabilityZones[].SubnetId",
                Internal="Scheme=='internal'",
            ),
        ),
        Do(_get_attributes("DescribeLoadBalancerAttributes", "LoadBalancerArn", LB_ATTRIBUTES)),
    ),
    delete=(Call("DeleteLoadBalancer", {"LoadBalancerArn": "$id"}),),
    settle=lambda ctx: ctx.poll(lambda: _lb_active(ctx), f"load balancer {ctx.id}"),
    autoname=Autoname(),
    renames={"loadBalancerType": "Type"},
    converts={
        "internal": lambda _, value: {"Scheme": "internal" if value else "internet-facing"},
        "loadBalancerType": lambda _, value: {"Type": value},
    },
    replaces=frozenset({"internal", "loadBalancerType", "name", "namePrefix", "customerOwnedIpv4Pool"}),
    computed=frozenset({"internal", "subnets", "securityGroups", "ipAddressType"}),
    defaults={
        "loadBalancerType": "application",
        "idleTimeout": 60,
        "enableHttp2": True,
        "enableDeletionProtection": False,
        "clientKeepAlive": 3600,
        "desyncMitigationMode": "defensive",
        "dropInvalidHeaderFields": False,
    },
    refuse=_lb_name,
    tags=tags(),
    outputs=lambda ctx, _: {"arn": ctx.id, "arnSuffix": _suffix(ctx.id)},
)

HEALTH = {
    "enabled": "HealthCheckEnabled",
    "path": "HealthCheckPath",
    "protocol": "HealthCheckProtocol",
    "port": "HealthCheckPort",
    "interval": "HealthCheckIntervalSeconds",
    "timeout": "HealthCheckTimeoutSeconds",
    "healthyThreshold": "HealthyThresholdCount",
    "unhealthyThreshold": "UnhealthyThresholdCount",
}


def _health(_: Context, value: Props) -> Props:
    unknown = set(value) - {*HEALTH, "matcher"}
    if unknown:
        raise shapes.NotModelledError(
            f"healthCheck.{', '.join(sorted(unknown))} has no counterpart in CreateTargetGroup"
        )
    words = {"path", "protocol", "port"}
    found: Props = {HEALTH[k]: str(v) if k in words else v for k, v in value.items() if k in HEALTH}
    return found | ({"Matcher": {"HttpCode": str(value["matcher"])}} if value.get("matcher") else {})


def _read_group(ctx: Context) -> Props | None:
    found = ctx.call("DescribeTargetGroups", {"TargetGroupArns": [ctx.id]})["TargetGroups"]
    if not found:
        return None
    group = found[0]
    check = {k: group[v] for k, v in HEALTH.items() if v in group}
    check |= {"matcher": group["Matcher"]["HttpCode"]} if group.get("Matcher") else {}
    return {**group, "Name": group["TargetGroupName"], "healthCheck": check}


TARGET_GROUP = Kind(
    "aws:lb/targetGroup:TargetGroup",
    "elbv2",
    create=Call(
        "CreateTargetGroup",
        props=(
            "name",
            "port",
            "protocol",
            "protocolVersion",
            "targetType",
            "vpcId",
            "ipAddressType",
            "healthCheck",
        ),
    ),
    id="TargetGroups[0].TargetGroupArn",
    follow=(
        Call("ModifyTargetGroup", {"TargetGroupArn": "$id"}, props=("healthCheck",), on="update"),
        Do(
            _set_attributes("ModifyTargetGroupAttributes", "TargetGroupArn", TG_ATTRIBUTES),
            props=tuple(TG_ATTRIBUTES),
            when=tuple(TG_ATTRIBUTES),
        ),
    ),
    read=(
        Do(_read_group),
        Do(_get_attributes("DescribeTargetGroupAttributes", "TargetGroupArn", TG_ATTRIBUTES)),
    ),
    delete=(Call("DeleteTargetGroup", {"TargetGroupArn": "$id"}),),
    autoname=Autoname(length=32),
    converts={"healthCheck": _health},
    replaces=frozenset(
        {"ipAddressType", "name", "namePrefix", "port", "protocol", "protocolVersion", "targetType", "vpcId"}
    ),
    computed=frozenset({"healthCheck", "protocolVersion", "ipAddressType"}),
    defaults={"targetType": "instance", "deregistrationDelay": 300, "slowStart": 0},
    tags=tags(),
    outputs=lambda ctx, live: {
        "arn": ctx.id,
        "arnSuffix": _suffix(ctx.id),
        "loadBalancerArns": live.get("LoadBalancerArns") or [],
    },
)


KINDS = (LOAD_BALANCER, TARGET_GROUP)
