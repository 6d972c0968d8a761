"""EC2: VPC endpoints and launch templates."""

from __future__ import annotations

from typing import Any

from rehearsal.provider import shapes
from rehearsal.provider.kinds import Autoname, Call, Context, Do, Kind
from rehearsal.provider.tables.common import arn, fields
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
    return {**arn("vpc-endpoint")(ctx, live), "prefixListId": ours[0] if ours else None}


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
            result=fields(
                "VpcEndpoints[?State!='deleted']|[0]",
                "VpcId",
                "ServiceName",
                "VpcEndpointType",
                "RouteTableIds",
                "SubnetIds",
                "State",
                "PrivateDnsEnabled",
                "PolicyDocument",
                "Tags",
                "OwnerId",
                SecurityGroupIds="Groups[].GroupId",
            ),
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
            result=fields(
                "LaunchTemplates[0]",
                "Tags",
                Name="LaunchTemplateName",
                LatestVersion="LatestVersionNumber",
                DefaultVersion="DefaultVersionNumber",
            ),
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


KINDS = (VPC_ENDPOINT, LAUNCH_TEMPLATE)
