"""EC2: networks and routes."""

from __future__ import annotations

import zlib

from rehearsal.provider.kinds import Call, Context, Do, Kind
from rehearsal.provider.tables.common import arn, fields
from rehearsal.provider.tables.tags import ec2
from rehearsal.provider.wire import Props


def _attribute(name: str) -> Call:
    return Call(
        "DescribeVpcAttribute",
        {"VpcId": "$id", "Attribute": name[0].lower() + name[1:]},
        result=f"{{{name}: {name}.Value}}",
    )


def _modify_attribute(prop: str) -> Call:
    member = prop[0].upper() + prop[1:]
    return Call("ModifyVpcAttribute", {"VpcId": "$id", member: {"Value": f"${prop}"}}, when=(prop,))


VPC = Kind(
    "aws:ec2/vpc:Vpc",
    "ec2",
    create=Call("CreateVpc", props=("cidrBlock", "instanceTenancy")),
    id="Vpc.VpcId",
    follow=(_modify_attribute("enableDnsSupport"), _modify_attribute("enableDnsHostnames")),
    read=(
        Call("DescribeVpcs", {"VpcIds": ["$id"]}, result="Vpcs[0]"),
        _attribute("EnableDnsSupport"),
        _attribute("EnableDnsHostnames"),
    ),
    delete=(Call("DeleteVpc", {"VpcId": "$id"}),),
    replaces=frozenset({"cidrBlock", "instanceTenancy"}),
    defaults={"enableDnsSupport": True, "enableDnsHostnames": False, "instanceTenancy": "default"},
    tags=ec2("vpc"),
    outputs=arn("vpc"),
)

SUBNET = Kind(
    "aws:ec2/subnet:Subnet",
    "ec2",
    create=Call("CreateSubnet", props=("vpcId", "cidrBlock", "availabilityZone", "availabilityZoneId")),
    id="Subnet.SubnetId",
    follow=(
        Call(
            "ModifySubnetAttribute",
            {"SubnetId": "$id", "MapPublicIpOnLaunch": {"Value": "$mapPublicIpOnLaunch"}},
            when=("mapPublicIpOnLaunch",),
        ),
    ),
    read=(Call("DescribeSubnets", {"SubnetIds": ["$id"]}, result="Subnets[0]"),),
    delete=(Call("DeleteSubnet", {"SubnetId": "$id"}),),
    replaces=frozenset({"vpcId", "cidrBlock", "availabilityZone", "availabilityZoneId"}),
    computed=frozenset({"availabilityZone", "availabilityZoneId"}),
    defaults={"mapPublicIpOnLaunch": False},
    tags=ec2("subnet"),
    outputs=arn("subnet"),
)


def _move_gateway(ctx: Context) -> None:
    if ctx.state.get("vpcId") and ctx.old_inputs.get("vpcId"):
        ctx.call("DetachInternetGateway", {"InternetGatewayId": ctx.id, "VpcId": ctx.old_inputs["vpcId"]})
    if ctx.inputs.get("vpcId"):
        ctx.call("AttachInternetGateway", {"InternetGatewayId": ctx.id, "VpcId": ctx.inputs["vpcId"]})


def _detach_gateway(ctx: Context) -> None:
    if ctx.value("vpcId"):
        ctx.call("DetachInternetGateway", {"InternetGatewayId": ctx.id, "VpcId": ctx.value("vpcId")})


INTERNET_GATEWAY = Kind(
    "aws:ec2/internetGateway:InternetGateway",
    "ec2",
    create=Call("CreateInternetGateway"),
    id="InternetGateway.InternetGatewayId",
    follow=(Do(_move_gateway, props=("vpcId",), when=("vpcId",)),),
    read=(
        Call(
            "DescribeInternetGateways",
            {"InternetGatewayIds": ["$id"]},
            result="InternetGateways[0].{OwnerId: OwnerId, Tags: Tags, VpcId: Attachments[0].VpcId}",
        ),
    ),
    delete=(Do(_detach_gateway), Call("DeleteInternetGateway", {"InternetGatewayId": "$id"})),
    computed=frozenset({"vpcId"}),
    tags=ec2("internet-gateway"),
    outputs=arn("internet-gateway"),
)

EIP = Kind(
    "aws:ec2/eip:Eip",
    "ec2",
    create=Call("AllocateAddress", props=("domain",)),
    id="AllocationId",
    read=(Call("DescribeAddresses", {"AllocationIds": ["$id"]}, result="Addresses[0]"),),
    delete=(Call("ReleaseAddress", {"AllocationId": "$id"}),),
    replaces=frozenset({"domain"}),
    computed=frozenset({"domain"}),
    tags=ec2("elastic-ip"),
    outputs=lambda ctx, _: {"allocationId": ctx.id},
)


def _nat_is(ctx: Context, *states: str) -> bool:
    found = ctx.call("DescribeNatGateways", {"NatGatewayIds": [ctx.id]})["NatGateways"]
    state = found[0]["State"] if found else "deleted"
    if state == "failed":
        raise RuntimeError(f"{ctx.id} failed: {found[0].get('FailureMessage', 'AWS does not say why')}")
    return state in states


NAT_GATEWAY = Kind(
    "aws:ec2/natGateway:NatGateway",
    "ec2",
    create=Call("CreateNatGateway", props=("allocationId", "subnetId", "connectivityType", "privateIp")),
    id="NatGateway.NatGatewayId",
    read=(
        Call(
            "DescribeNatGateways",
            {"NatGatewayIds": ["$id"]},
            result=fields(
                "NatGateways[?State!='deleted' && State!='deleting']|[0]",
                "SubnetId",
                "Tags",
                "ConnectivityType",
                AllocationId="NatGatewayAddresses[0].AllocationId",
                PublicIp="NatGatewayAddresses[0].PublicIp",
                PrivateIp="NatGatewayAddresses[0].PrivateIp",
                NetworkInterfaceId="NatGatewayAddresses[0].NetworkInterfaceId",
            ),
        ),
    ),
    delete=(Call("DeleteNatGateway", {"NatGatewayId": "$id"}),),
    settle=lambda ctx: ctx.poll(lambda: _nat_is(ctx, "available"), f"NAT gateway {ctx.id}"),
    after_delete=lambda ctx: ctx.poll(lambda: _nat_is(ctx, "deleted"), f"NAT gateway {ctx.id} to go"),
    replaces=frozenset({"allocationId", "subnetId", "connectivityType", "privateIp"}),
    computed=frozenset({"privateIp"}),
    defaults={"connectivityType": "public"},
    tags=ec2("natgateway"),
)

ROUTE_TABLE = Kind(
    "aws:ec2/routeTable:RouteTable",
    "ec2",
    create=Call("CreateRouteTable", props=("vpcId",)),
    id="RouteTable.RouteTableId",
    read=(Call("DescribeRouteTables", {"RouteTableIds": ["$id"]}, result="RouteTables[0]"),),
    delete=(Call("DeleteRouteTable", {"RouteTableId": "$id"}),),
    replaces=frozenset({"vpcId"}),
    tags=ec2("route-table"),
    outputs=arn("route-table"),
)

DESTINATIONS = ("destinationCidrBlock", "destinationIpv6CidrBlock", "destinationPrefixListId")
TARGETS = (
    "gatewayId",
    "natGatewayId",
    "transitGatewayId",
    "vpcPeeringConnectionId",
    "networkInterfaceId",
    "vpcEndpointId",
)


def _destination(ctx: Context) -> Props:
    return {d[0].upper() + d[1:]: ctx.value(d) for d in DESTINATIONS if ctx.value(d)}


def _create_route(ctx: Context) -> Props:
    ctx.run(Call("CreateRoute", props=("routeTableId", *DESTINATIONS, *TARGETS)))
    return {"id": _route_id(ctx)}


def _route_id(ctx: Context) -> str:
    destination = next(iter(_destination(ctx).values()))
    return f"r-{ctx.value('routeTableId')}{zlib.crc32(destination.encode())}"


def _read_route(ctx: Context) -> Props | None:
    ctx.id = ctx.id or _route_id(ctx)
    tables = ctx.call("DescribeRouteTables", {"RouteTableIds": [ctx.value("routeTableId")]})["RouteTables"]
    wanted = _destination(ctx).items()
    found = (r for t in tables for r in t["Routes"] if wanted <= r.items())
    return next(({"RouteTableId": ctx.value("routeTableId"), **r} for r in found), None)


ROUTE = Kind(
    "aws:ec2/route:Route",
    "ec2",
    create=Do(_create_route, props=("routeTableId", *DESTINATIONS, *TARGETS)),
    id="id",
    follow=(Call("ReplaceRoute", props=("routeTableId", *DESTINATIONS, *TARGETS), on="update"),),
    read=(Do(_read_route),),
    delete=(
        Call("DeleteRoute", lambda ctx: {"RouteTableId": ctx.value("routeTableId"), **_destination(ctx)}),
    ),
    replaces=frozenset({"routeTableId", *DESTINATIONS}),
    computed=frozenset({"networkInterfaceId"}),
    gone=("InvalidRoute.NotFound",),
    locate=lambda given: (
        "",
        dict(zip(("routeTableId", "destinationCidrBlock"), given.split("_", 1), strict=True)),
    ),
)


def _association(ctx: Context) -> Props | None:
    asked = [{"Name": "association.subnet-id", "Values": [ctx.value("subnetId")]}]
    tables = ctx.call("DescribeRouteTables", {"Filters": asked})["RouteTables"]
    found = (a for t in tables for a in t["Associations"] if a.get("SubnetId") == ctx.value("subnetId"))
    return next(found, None)


def _associate(ctx: Context) -> None:
    current = _association(ctx)
    assert current
    ctx.call(
        "ReplaceRouteTableAssociation",
        {"AssociationId": current["RouteTableAssociationId"], "RouteTableId": ctx.inputs["routeTableId"]},
    )


def _disassociate(ctx: Context) -> None:
    current = _association(ctx)
    if current:
        ctx.call("DisassociateRouteTable", {"AssociationId": current["RouteTableAssociationId"]})


ROUTE_TABLE_ASSOCIATION = Kind(
    "aws:ec2/routeTableAssociation:RouteTableAssociation",
    "ec2",
    create=Call("AssociateRouteTable", props=("subnetId", "routeTableId")),
    id="AssociationId",
    follow=(Do(_associate, props=("routeTableId",), on="update"),),
    read=(Do(_association),),
    delete=(Do(_disassociate),),
    replaces=frozenset({"subnetId", "gatewayId"}),
)

KINDS = (VPC, SUBNET, INTERNET_GATEWAY, EIP, NAT_GATEWAY, ROUTE_TABLE, ROUTE, ROUTE_TABLE_ASSOCIATION)
