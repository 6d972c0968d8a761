"""Elastic Load Balancing v2: listeners and their rules."""

from __future__ import annotations

from typing import Any

from rehearsal.provider import shapes
from rehearsal.provider.kinds import Call, Context, Do, Kind
from rehearsal.provider.tables.balancers import tags
from rehearsal.provider.tables.common import fields
from rehearsal.provider.wire import Props

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
            result=fields(
                "Listeners[0]",
                "LoadBalancerArn",
                "Port",
                "Protocol",
                "SslPolicy",
                "DefaultActions",
                CertificateArn="Certificates[0].CertificateArn",
            ),
        ),
    ),
    delete=(Call("DeleteListener", {"ListenerArn": "$id"}),),
    renames=_action_renames("defaultActions"),
    converts={"certificateArn": lambda _, value: {"Certificates": [{"CertificateArn": value}]}},
    replaces=frozenset({"loadBalancerArn"}),
    computed=frozenset({"sslPolicy", "protocol"}),
    tags=tags(),
    outputs=lambda ctx, _: {"arn": ctx.id},
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
    tags=tags(),
    outputs=lambda ctx, _: {"arn": ctx.id},
)


KINDS = (LISTENER, LISTENER_RULE)
