"""EC2 Auto Scaling."""

from __future__ import annotations

from rehearsal.provider import shapes
from rehearsal.provider.kinds import Autoname, Call, Context, Do, Kind
from rehearsal.provider.wire import Props


def _group_tags(ctx: Context, value: list[Props]) -> list[Props]:
    return [
        {
            "Key": t["key"],
            "Value": t["value"],
            "PropagateAtLaunch": bool(t["propagateAtLaunch"]),
            "ResourceId": ctx.inputs["name"],
            "ResourceType": "auto-scaling-group",
        }
        for t in value
    ]


def _change_tags(ctx: Context) -> None:
    old, new = (_group_tags(ctx, values.get("tags") or []) for values in (ctx.old_inputs, ctx.inputs))
    gone = [t for t in old if t["Key"] not in {n["Key"] for n in new}]
    if gone:
        ctx.call("DeleteTags", {"Tags": gone})
    if new:
        ctx.call("CreateOrUpdateTags", {"Tags": new})


def _change_target_groups(ctx: Context) -> None:
    old, new = (set(values.get("targetGroupArns") or []) for values in (ctx.old_inputs, ctx.inputs))
    name = ctx.inputs["name"]
    if new - old:
        ctx.call(
            "AttachLoadBalancerTargetGroups",
            {"AutoScalingGroupName": name, "TargetGroupARNs": sorted(new - old)},
        )
    if old - new:
        ctx.call(
            "DetachLoadBalancerTargetGroups",
            {"AutoScalingGroupName": name, "TargetGroupARNs": sorted(old - new)},
        )


def _collect_metrics(ctx: Context) -> None:
    old, new = (set(values.get("enabledMetrics") or []) for values in (ctx.old_inputs, ctx.inputs))
    request = {"AutoScalingGroupName": ctx.inputs["name"]}
    if old - new:
        ctx.call("DisableMetricsCollection", {**request, "Metrics": sorted(old - new)})
    if new - old:
        grain = ctx.inputs.get("metricsGranularity", "1Minute")
        ctx.call("EnableMetricsCollection", {**request, "Metrics": sorted(new - old), "Granularity": grain})


def _refresh(ctx: Context) -> None:
    wanted = ctx.inputs.get("instanceRefresh")
    triggers = {"launchTemplate", *(wanted or {}).get("triggers", [])}
    if not wanted or not ctx.changed & triggers:
        return
    shape = ctx.clients.operation("autoscaling", "StartInstanceRefresh").input_shape
    request: Props = {"AutoScalingGroupName": ctx.inputs["name"], "Strategy": wanted["strategy"]}
    if wanted.get("preferences"):
        request["Preferences"] = shapes.to_api(
            shape.members["Preferences"], wanted["preferences"], {}, "instanceRefresh"
        )
    ctx.call("StartInstanceRefresh", request)


def _capacity(ctx: Context) -> None:
    """Create waits for the servers, an update when the numbers changed (facts, section 4)."""
    moved = ctx.changed & {"minSize", "desiredCapacity"} or not ctx.old_inputs
    if ctx.inputs.get("waitForCapacityTimeout", "10m") in ("0", "0s") or not moved:
        return
    wanted = max(int(ctx.inputs.get("minSize", 0)), int(ctx.inputs.get("desiredCapacity") or 0))

    def there() -> bool:
        found = ctx.call("DescribeAutoScalingGroups", {"AutoScalingGroupNames": [ctx.id]})[
            "AutoScalingGroups"
        ]
        up = [i for g in found for i in g["Instances"] if i["LifecycleState"] == "InService"]
        return len([i for i in up if i["HealthStatus"].lower() == "healthy"]) >= wanted

    ctx.poll(there, f"capacity of {ctx.id}")


def _empty_group(ctx: Context) -> None:
    """Unless forced: size zero first, then wait until the last server is gone."""
    if ctx.value("forceDelete"):
        return

    def servers() -> list[Props] | None:
        found = ctx.call("DescribeAutoScalingGroups", {"AutoScalingGroupNames": [ctx.id]})[
            "AutoScalingGroups"
        ]
        return [i for g in found for i in g["Instances"]] if found else None

    if servers() is None:
        return
    size = {"MinSize": 0, "MaxSize": 0, "DesiredCapacity": 0}
    ctx.call("UpdateAutoScalingGroup", {"AutoScalingGroupName": ctx.id, **size})
    ctx.poll(lambda: not servers(), f"{ctx.id} to be empty")


GROUP_SIZES = (
    *("minSize", "maxSize", "desiredCapacity", "launchTemplate", "vpcZoneIdentifiers", "healthCheckType"),
    *("healthCheckGracePeriod", "defaultCooldown", "terminationPolicies", "defaultInstanceWarmup"),
    *("maxInstanceLifetime", "capacityRebalance"),
)
GROUP = Kind(
    "aws:autoscaling/group:Group",
    "autoscaling",
    create=Call("CreateAutoScalingGroup", props=("name", *GROUP_SIZES, "targetGroupArns", "tags")),
    id="$name",
    follow=(
        Call("UpdateAutoScalingGroup", {"AutoScalingGroupName": "$name"}, props=GROUP_SIZES, on="update"),
        Do(_change_tags, props=("tags",), on="update"),
        Do(_change_target_groups, props=("targetGroupArns",), on="update"),
        Do(_collect_metrics, props=("enabledMetrics", "metricsGranularity"), when=("enabledMetrics",)),
        Do(_refresh, on="update", when=GROUP_SIZES),
    ),
    read=(
        Call(
            "DescribeAutoScalingGroups",
            {"AutoScalingGroupNames": ["$id"]},
            result="AutoScalingGroups[?Status!='Delete in progress']|[0]",
        ),
    ),
    delete=(
        Do(_empty_group),
        Call("DeleteAutoScalingGroup", {"AutoScalingGroupName": "$id", "ForceDelete": "$forceDelete"}),
    ),
    settle=_capacity,
    autoname=Autoname(),
    renames={
        "name": "AutoScalingGroupName",
        "launchTemplate.id": "LaunchTemplateId",
        "launchTemplate.name": "LaunchTemplateName",
        "vpcZoneIdentifiers": "VPCZoneIdentifier",
        "arn": "AutoScalingGroupARN",
    },
    converts={
        "vpcZoneIdentifiers": lambda _, value: {"VPCZoneIdentifier": ",".join(value)},
        "tags": lambda ctx, value: {"Tags": _group_tags(ctx, value)},
    },
    replaces=frozenset({"name", "namePrefix"}),
    computed=frozenset({"desiredCapacity", "healthCheckType", "defaultCooldown", "serviceLinkedRoleArn"}),
    local=frozenset({"instanceRefresh", "waitForCapacityTimeout", "forceDelete", "metricsGranularity"}),
    opaque=frozenset({"vpcZoneIdentifiers", "tags", "enabledMetrics"}),
    defaults={
        "healthCheckGracePeriod": 300,
        "forceDelete": False,
        "waitForCapacityTimeout": "10m",
        "metricsGranularity": "1Minute",
    },
)

POLICY_PROPS = (
    "name",
    "autoscalingGroupName",
    "policyType",
    "targetTrackingConfiguration",
    "estimatedInstanceWarmup",
)
POLICY = Kind(
    "aws:autoscaling/policy:Policy",
    "autoscaling",
    create=Call("PutScalingPolicy", props=POLICY_PROPS),
    id="$name",
    follow=(Call("PutScalingPolicy", props=POLICY_PROPS, on="update"),),
    read=(
        Call(
            "DescribePolicies",
            {"AutoScalingGroupName": "$autoscalingGroupName", "PolicyNames": ["$id"]},
            result="ScalingPolicies[0]",
        ),
    ),
    delete=(Call("DeletePolicy", {"AutoScalingGroupName": "$autoscalingGroupName", "PolicyName": "$id"}),),
    autoname=Autoname(),
    renames={"name": "PolicyName", "arn": "PolicyARN"},
    replaces=frozenset({"autoscalingGroupName", "name"}),
    defaults={"policyType": "SimpleScaling", "enabled": True},
)


KINDS = (GROUP, POLICY)
