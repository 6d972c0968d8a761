"""Elastic Load Balancing v2."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from rehearsal.provider import shapes
from rehearsal.provider.kinds import Autoname, Call, Context, Do, Kind
from rehearsal.provider.tables.tags import by_arn
from rehearsal.provider.wire import Props


def _tags() -> Any:
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
            result="LoadBalancers[0].{Name: LoadBalancerName, LoadBalancerArn: LoadBalancerArn, DnsName: DNSName,"
            " ZoneId: CanonicalHostedZoneId, VpcId: VpcId, LoadBalancerType: Type, SecurityGroups: SecurityGroups,"
            " Subnets: AvailabilityZones[].SubnetId, IpAddressType: IpAddressType, Internal: Scheme=='internal'}",
        ),
        Do(_get_attributes("DescribeLoadBalancerAttributes", "LoadBalancerArn", LB_ATTRIBUTES)),
    ),
    delete=(Call("DeleteLoadBalancer", {"LoadBalancerArn": "$id"}),),
    settle=lambda ctx: ctx.poll(lambda: _lb_active(ctx), f"load balancer {ctx.id}"),
    autoname=Autoname(),
    renames={"loadBalancerType": "Type"},
    converts={
        "internal": lambda ctx, value: {"Scheme": "internal" if value else "internet-facing"},
        "loadBalancerType": lambda ctx, value: {"Type": value},
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
    tags=_tags(),
    outputs=lambda ctx, live: {"arn": ctx.id, "arnSuffix": _suffix(ctx.id)},
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
    tags=_tags(),
    outputs=lambda ctx, live: {
        "arn": ctx.id,
        "arnSuffix": _suffix(ctx.id),
        "loadBalancerArns": live.get("LoadBalancerArns") or [],
    },
)

ACTION = {"redirect": "RedirectConfig", "fixedResponse": "FixedResponseConfig", "forward": "ForwardConfig"}


def _action_renames(prop: str) -> dict[str, str]:
    return {f"{prop}.{k}": v for k, v in ACTION.items()} | {
        f"{prop}.forward.targetGroups.arn": "TargetGroupArn"
    }


LISTENED = ("port", "protocol", "sslPolicy", "certificateArn", "defaultActions", "alpnPolicy")
LISTENER = Kind(
    "aws:lb/listener:Listener",
    "elbv2",
    create=Call("CreateListener", props=("loadBalancerArn", *LISTENED)),
    id="Listeners[0].ListenerArn",
    follow=(Call("ModifyListener", {"ListenerArn": "$id"}, props=LISTENED, on="update"),),
    read=(
        Call(
            "DescribeListeners",
            {"ListenerArns": ["$id"]},
            result="Listeners[0].{LoadBalancerArn: LoadBalancerArn, Port: Port, Protocol: Protocol, SslPolicy: SslPolicy,"
            " CertificateArn: Certificates[0].CertificateArn, DefaultActions: DefaultActions}",
        ),
    ),
    delete=(Call("DeleteListener", {"ListenerArn": "$id"}),),
    renames=_action_renames("defaultActions"),
    converts={"certificateArn": lambda ctx, value: {"Certificates": [{"CertificateArn": value}]}},
    replaces=frozenset({"loadBalancerArn"}),
    computed=frozenset({"sslPolicy", "protocol"}),
    tags=_tags(),
    outputs=lambda ctx, live: {"arn": ctx.id},
)

CONDITIONS = {
    "pathPattern": ("path-pattern", "PathPatternConfig"),
    "hostHeader": ("host-header", "HostHeaderConfig"),
    "httpHeader": ("http-header", "HttpHeaderConfig"),
    "httpRequestMethod": ("http-request-method", "HttpRequestMethodConfig"),
    "sourceIp": ("source-ip", "SourceIpConfig"),
}


def _conditions(ctx: Context, value: list[Props]) -> Props:
    shape = ctx.clients.operation("elbv2", "CreateRule").input_shape.members["Conditions"].member
    made = []
    for condition in value:
        for key, content in condition.items():
            if key not in CONDITIONS:
                raise shapes.NotModelledError(f"conditions[].{key} has no counterpart in CreateRule")
            field, member = CONDITIONS[key]
            made.append(
                {
                    "Field": field,
                    member: shapes.to_api(shape.members[member], content, {}, f"conditions.{key}"),
                }
            )
    return {"Conditions": made}


def _read_rule(ctx: Context) -> Props | None:
    found = ctx.call("DescribeRules", {"RuleArns": [ctx.id]})["Rules"]
    if not found:
        return None
    fields = {field: (key, member) for key, (field, member) in CONDITIONS.items()}
    conditions = []
    for condition in found[0]["Conditions"]:
        key, member = fields[condition["Field"]]
        conditions.append({key: condition.get(member) or {"values": condition.get("Values")}})
    listener = ctx.id.replace(":listener-rule/", ":listener/").rsplit("/", 1)[0]
    return {**found[0], "Conditions": conditions, "ListenerArn": listener}


def _free_priority(ctx: Context) -> Any:
    """Without a priority: the highest one, plus 1."""
    rules = ctx.call("DescribeRules", {"ListenerArn": ctx.inputs["listenerArn"]})["Rules"]
    taken = [int(r["Priority"]) for r in rules if r["Priority"].isdigit()]
    return {"Priority": max(taken, default=0) + 1}


def _create_rule(ctx: Context) -> Any:
    extra = {} if ctx.inputs.get("priority") else _free_priority(ctx)
    if ctx.tags and ctx.kind.tags and ctx.kind.tags.create:
        extra |= ctx.kind.tags.create(ctx.tags)
    return ctx.run(Call("CreateRule", props=("listenerArn", "priority", "conditions", "actions")), extra)


LISTENER_RULE = Kind(
    "aws:lb/listenerRule:ListenerRule",
    "elbv2",
    create=Do(_create_rule, props=("listenerArn", "priority", "conditions", "actions")),
    id="Rules[0].RuleArn",
    follow=(
        Call("ModifyRule", {"RuleArn": "$id"}, props=("conditions", "actions"), on="update"),
        Call(
            "SetRulePriorities",
            lambda ctx: {"RulePriorities": [{"RuleArn": ctx.id, "Priority": int(ctx.inputs["priority"])}]},
            on="update",
            when=("priority",),
        ),
    ),
    read=(Do(_read_rule),),
    delete=(Call("DeleteRule", {"RuleArn": "$id"}),),
    renames=_action_renames("actions"),
    converts={"conditions": _conditions},
    replaces=frozenset({"listenerArn"}),
    computed=frozenset({"priority"}),
    tags=_tags(),
    outputs=lambda ctx, live: {"arn": ctx.id},
)

KINDS = (LOAD_BALANCER, TARGET_GROUP, LISTENER, LISTENER_RULE)
