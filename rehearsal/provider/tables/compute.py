"""EC2 endpoints and launch templates, Auto Scaling."""

from __future__ import annotations

from typing import Any

from rehearsal.provider import shapes
from rehearsal.provider.kinds import Autoname, Call, Context, Do, Kind
from rehearsal.provider.tables.network import arn
from rehearsal.provider.tables.tags import ec2
from rehearsal.provider.wire import Props


def _endpoint_lists(ctx: Context) -> None:
    request: Props = {}
    for prop, name in (
        ("routeTableIds", "RouteTableIds"),
        ("subnetIds", "SubnetIds"),
        ("securityGroupIds", "SecurityGroupIds"),
    ):
        old, new = (set(values.get(prop) or []) for values in (ctx.old_inputs, ctx.inputs))
        request |= {f"Add{name}": sorted(new - old)} if new - old else {}
        request |= {f"Remove{name}": sorted(old - new)} if old - new else {}
    if "policy" in ctx.changed:
        request["PolicyDocument"] = shapes.text(ctx.inputs["policy"])
    ctx.call("ModifyVpcEndpoint", {"VpcEndpointId": ctx.id, **request})


def _endpoint_is(ctx: Context, state: str) -> bool:
    found = ctx.call("DescribeVpcEndpoints", {"VpcEndpointIds": [ctx.id]})["VpcEndpoints"]
    return bool(found) and str(found[0].get("State", state)).lower() == state


def _endpoint_outputs(ctx: Context, live: Props) -> Props:
    found = ctx.call("DescribeManagedPrefixLists", {})["PrefixLists"]
    ours = [p["PrefixListId"] for p in found if p["PrefixListName"] == live.get("ServiceName")]
    return arn("vpc-endpoint")(ctx, live) | {"prefixListId": ours[0] if ours else None}


VPC_ENDPOINT = Kind(
    "aws:ec2/vpcEndpoint:VpcEndpoint",
    "ec2",
    create=Call(
        "CreateVpcEndpoint",
        props=(
            *("vpcId", "serviceName", "vpcEndpointType", "routeTableIds", "subnetIds", "securityGroupIds"),
            *("privateDnsEnabled", "policy"),
        ),
    ),
    id="VpcEndpoint.VpcEndpointId",
    follow=(
        Do(_endpoint_lists, props=("routeTableIds", "subnetIds", "securityGroupIds", "policy"), on="update"),
    ),
    read=(
        Call(
            "DescribeVpcEndpoints",
            {"VpcEndpointIds": ["$id"]},
            result="VpcEndpoints[?State!='deleted']|[0].{VpcId: VpcId, ServiceName: ServiceName, VpcEndpointType: VpcEndpointType,"
            " RouteTableIds: RouteTableIds, SubnetIds: SubnetIds, SecurityGroupIds: Groups[].GroupId, State: State,"
            " PrivateDnsEnabled: PrivateDnsEnabled, PolicyDocument: PolicyDocument, Tags: Tags, OwnerId: OwnerId}",
        ),
    ),
    delete=(Call("DeleteVpcEndpoints", {"VpcEndpointIds": ["$id"]}),),
    settle=lambda ctx: ctx.poll(lambda: _endpoint_is(ctx, "available"), f"VPC endpoint {ctx.id}"),
    renames={"policy": "PolicyDocument"},
    replaces=frozenset({"serviceName", "vpcEndpointType", "vpcId"}),
    computed=frozenset({"policy", "subnetIds", "securityGroupIds", "privateDnsEnabled", "routeTableIds"}),
    defaults={"vpcEndpointType": "Gateway"},
    tags=ec2("vpc-endpoint"),
    outputs=_endpoint_outputs,
)

TEMPLATE_OWN = frozenset(
    {"name", "namePrefix", "description", "defaultVersion", "updateDefaultVersion", "tags", "region"}
)


def _template_data(ctx: Context) -> Props:
    shape = ctx.clients.operation("ec2", "CreateLaunchTemplate").input_shape.members["LaunchTemplateData"]
    content = {k: v for k, v in ctx.inputs.items() if k not in TEMPLATE_OWN}
    data: Props = {}
    for prop, value in content.items():
        member = shapes.member_for(shape, prop, ctx.kind.renames, prop)
        if member is None:
            raise shapes.NotModelledError(
                f"{ctx.kind.token}: {prop} has no counterpart in LaunchTemplateData"
            )
        data[member] = shapes.to_api(shape.members[member], value, ctx.kind.renames, prop)
    return data


def _note(ctx: Context) -> Props:
    return {"VersionDescription": ctx.inputs["description"]} if ctx.inputs.get("description") else {}


def _create_template(ctx: Context) -> Any:
    request = {
        "LaunchTemplateName": ctx.inputs["name"],
        "LaunchTemplateData": _template_data(ctx),
        **_note(ctx),
    }
    if ctx.tags and ctx.kind.tags and ctx.kind.tags.create:
        request |= ctx.kind.tags.create(ctx.tags)
    return ctx.call("CreateLaunchTemplate", request)["LaunchTemplate"]


def _new_version(ctx: Context) -> None:
    if ctx.changed - {"tags", "updateDefaultVersion", "defaultVersion"}:
        request = {"LaunchTemplateId": ctx.id, "LaunchTemplateData": _template_data(ctx), **_note(ctx)}
        made = ctx.call("CreateLaunchTemplateVersion", request)["LaunchTemplateVersion"]["VersionNumber"]
    else:
        made = ctx.state["latestVersion"]
    default = made if ctx.inputs.get("updateDefaultVersion") else ctx.inputs.get("defaultVersion")
    if default is not None:
        ctx.call("ModifyLaunchTemplate", {"LaunchTemplateId": ctx.id, "DefaultVersion": str(default)})


def _latest(ctx: Context) -> Props | None:
    found = ctx.call("DescribeLaunchTemplateVersions", {"LaunchTemplateId": ctx.id, "Versions": ["$Latest"]})
    versions = found["LaunchTemplateVersions"]
    if not versions:
        return None
    data = dict(versions[0]["LaunchTemplateData"])
    # moto adds the template's own tags to what its servers get; AWS keeps them apart
    specs = [s for s in data.get("TagSpecifications", []) if s["ResourceType"] != "launch-template"]
    return data | {"TagSpecifications": specs}


TEMPLATE_DATA = (
    *(
        "imageId",
        "instanceType",
        "userData",
        "ebsOptimized",
        "metadataOptions",
        "blockDeviceMappings",
        "monitoring",
    ),
    *("iamInstanceProfile", "vpcSecurityGroupIds", "tagSpecifications", "instanceInitiatedShutdownBehavior"),
    *(
        "keyName",
        "disableApiTermination",
        "disableApiStop",
        "networkInterfaces",
        "placement",
        "creditSpecification",
    ),
)

LAUNCH_TEMPLATE = Kind(
    "aws:ec2/launchTemplate:LaunchTemplate",
    "ec2",
    create=Do(
        _create_template,
        props=("name", "description", "updateDefaultVersion", "defaultVersion", *TEMPLATE_DATA),
    ),
    id="LaunchTemplateId",
    follow=(
        Do(
            _new_version,
            props=("description", "updateDefaultVersion", "defaultVersion", *TEMPLATE_DATA),
            on="update",
        ),
    ),
    read=(
        Call(
            "DescribeLaunchTemplates",
            {"LaunchTemplateIds": ["$id"]},
            result="LaunchTemplates[0].{Name: LaunchTemplateName, LatestVersion: LatestVersionNumber,"
            " DefaultVersion: DefaultVersionNumber, Tags: Tags}",
        ),
        Do(_latest),
    ),
    delete=(Call("DeleteLaunchTemplate", {"LaunchTemplateId": "$id"}),),
    autoname=Autoname(),
    renames={"vpcSecurityGroupIds": "SecurityGroupIds"},
    replaces=frozenset({"name", "namePrefix"}),
    computed=frozenset({"defaultVersion"}),
    local=frozenset({"defaultVersion"}),
    unstable={"latestVersion": frozenset(TEMPLATE_DATA), "defaultVersion": frozenset(TEMPLATE_DATA)},
    tags=ec2("launch-template"),
    outputs=arn("launch-template"),
)


# --- Auto Scaling ------------------------------------------------------------------------------------------


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
    ctx.call(
        "UpdateAutoScalingGroup",
        {"AutoScalingGroupName": ctx.id, "MinSize": 0, "MaxSize": 0, "DesiredCapacity": 0},
    )

    def empty() -> bool:
        found = ctx.call("DescribeAutoScalingGroups", {"AutoScalingGroupNames": [ctx.id]})[
            "AutoScalingGroups"
        ]
        return not any(i["LifecycleState"] != "Terminated" for g in found for i in g["Instances"])

    ctx.poll(empty, f"{ctx.id} to be empty")


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
        "vpcZoneIdentifiers": lambda ctx, value: {"VPCZoneIdentifier": ",".join(value)},
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

KINDS = (VPC_ENDPOINT, LAUNCH_TEMPLATE, GROUP, POLICY)
