"""EC2: networks, security groups."""

from __future__ import annotations

import zlib
from typing import Any

from rehearsal.provider.kinds import Autoname, Call, Context, Do, Kind
from rehearsal.provider.tables.tags import ec2
from rehearsal.provider.wire import Props

MANAGED = "Managed by Pulumi"


def arn(kind: str) -> Any:
    """`arn` and `ownerId` of an EC2 resource."""

    def outputs(ctx: Context, live: Props) -> Props:
        owner = live.get("OwnerId") or ctx.call("GetCallerIdentity", {}, service="sts")["Account"]
        return {"ownerId": owner, "arn": f"arn:aws:ec2:{ctx.region}:{owner}:{kind}/{ctx.id}"}

    return outputs


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
    outputs=lambda ctx, live: {"allocationId": ctx.id},
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
            result="NatGateways[?State!='deleted' && State!='deleting']|[0].{SubnetId: SubnetId, Tags: Tags,"
            " ConnectivityType: ConnectivityType, AllocationId: NatGatewayAddresses[0].AllocationId,"
            " PublicIp: NatGatewayAddresses[0].PublicIp, PrivateIp: NatGatewayAddresses[0].PrivateIp,"
            " NetworkInterfaceId: NatGatewayAddresses[0].NetworkInterfaceId}",
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
    destination = next(iter(_destination(ctx).values()))
    return {"id": f"r-{ctx.inputs['routeTableId']}{zlib.crc32(destination.encode())}"}


def _read_route(ctx: Context) -> Props | None:
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
SG_NAME = Autoname()

SECURITY_GROUP = Kind(
    "aws:ec2/securityGroup:SecurityGroup",
    "ec2",
    create=Call("CreateSecurityGroup", props=("name", "description", "vpcId")),
    id="GroupId",
    follow=(
        Call(
            "RevokeSecurityGroupEgress",
            {
                "GroupId": "$id",
                "IpPermissions": [{"IpProtocol": "-1", "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}],
            },
            on="create",
        ),
    ),
    read=(Call("DescribeSecurityGroups", {"GroupIds": ["$id"]}, result="SecurityGroups[0]"),),
    delete=(Call("DeleteSecurityGroup", {"GroupId": "$id"}),),
    autoname=SG_NAME,
    fills={"description": MANAGED},
    renames={"name": "GroupName"},
    replaces=frozenset({"name", "namePrefix", "description", "vpcId"}),
    computed=frozenset({"vpcId"}),
    local=frozenset({"revokeRulesOnDelete"}),
    defaults={"revokeRulesOnDelete": False},
    tags=ec2("security-group"),
    outputs=arn("security-group"),
)

SOURCES = ("cidrIpv4", "cidrIpv6", "prefixListId", "referencedSecurityGroupId")
RULE = ("ipProtocol", "fromPort", "toPort", "description", *SOURCES)


def _permission(ctx: Context) -> Props:
    value = ctx.inputs
    permission: Props = {"IpProtocol": value["ipProtocol"]}
    if value["ipProtocol"] != "-1":
        permission |= {"FromPort": int(value["fromPort"]), "ToPort": int(value["toPort"])}
    note = {"Description": value["description"]} if value.get("description") else {}
    if value.get("cidrIpv4"):
        permission["IpRanges"] = [{"CidrIp": value["cidrIpv4"], **note}]
    if value.get("cidrIpv6"):
        permission["Ipv6Ranges"] = [{"CidrIpv6": value["cidrIpv6"], **note}]
    if value.get("prefixListId"):
        permission["PrefixListIds"] = [{"PrefixListId": value["prefixListId"], **note}]
    if value.get("referencedSecurityGroupId"):
        permission["UserIdGroupPairs"] = [{"GroupId": value["referencedSecurityGroupId"], **note}]
    return permission


def _one_source(inputs: Props) -> dict[str, str]:
    given = [s for s in SOURCES if inputs.get(s)]
    return (
        {}
        if len(given) == 1
        else {"cidrIpv4": f"exactly one of {', '.join(SOURCES)} must be given, not {len(given)}"}
    )


def _modified_rule(ctx: Context) -> Props:
    members = {"referencedSecurityGroupId": "ReferencedGroupId"}
    rule = {
        members.get(p, p[0].upper() + p[1:]): ctx.inputs[p] for p in RULE if ctx.inputs.get(p) is not None
    }
    return {
        "GroupId": ctx.inputs["securityGroupId"],
        "SecurityGroupRules": [{"SecurityGroupRuleId": ctx.id, "SecurityGroupRule": rule}],
    }


def _rule(direction: str) -> Kind:
    name = f"SecurityGroup{direction}Rule"
    return Kind(
        f"aws:vpc/s{name[1:]}:{name}",
        "ec2",
        create=Call(
            f"AuthorizeSecurityGroup{direction}",
            lambda ctx: {"GroupId": ctx.inputs["securityGroupId"], "IpPermissions": [_permission(ctx)]},
            props=(),
        ),
        id="SecurityGroupRules[0].SecurityGroupRuleId",
        follow=(Call("ModifySecurityGroupRules", _modified_rule, on="update", when=RULE),),
        read=(
            Call(
                "DescribeSecurityGroupRules",
                {"SecurityGroupRuleIds": ["$id"]},
                result="SecurityGroupRules[0].{SecurityGroupId: GroupId, SecurityGroupRuleId: SecurityGroupRuleId,"
                " IpProtocol: IpProtocol, FromPort: FromPort, ToPort: ToPort, CidrIpv4: CidrIpv4, CidrIpv6: CidrIpv6,"
                " PrefixListId: PrefixListId, ReferencedSecurityGroupId: ReferencedGroupInfo.GroupId,"
                " Description: Description, Tags: Tags, OwnerId: GroupOwnerId}",
            ),
        ),
        delete=(
            Call(
                f"RevokeSecurityGroup{direction}",
                {"GroupId": "$securityGroupId", "SecurityGroupRuleIds": ["$id"]},
            ),
        ),
        replaces=frozenset({"securityGroupId"}),
        local=frozenset({"securityGroupId"}),
        refuse=_one_source,
        tags=ec2("security-group-rule"),
        outputs=arn("security-group-rule"),
    )


INGRESS = _rule("Ingress")
EGRESS = _rule("Egress")
KINDS = (
    *(VPC, SUBNET, INTERNET_GATEWAY, EIP, NAT_GATEWAY, ROUTE_TABLE, ROUTE, ROUTE_TABLE_ASSOCIATION),
    *(SECURITY_GROUP, INGRESS, EGRESS),
)
