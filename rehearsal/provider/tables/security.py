"""EC2: security groups and their rules."""

from __future__ import annotations

from rehearsal.provider.kinds import Autoname, Call, Context, Kind
from rehearsal.provider.tables.common import MANAGED, arn, fields
from rehearsal.provider.tables.tags import ec2
from rehearsal.provider.wire import Props

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
                result=fields(
                    "SecurityGroupRules[0]",
                    "SecurityGroupRuleId",
                    "IpProtocol",
                    "FromPort",
                    "ToPort",
                    "CidrIpv4",
                    "CidrIpv6",
                    "PrefixListId",
                    "Description",
                    "Tags",
                    SecurityGroupId="GroupId",
                    ReferencedSecurityGroupId="ReferencedGroupInfo.GroupId",
                    OwnerId="GroupOwnerId",
                ),
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

KINDS = (SECURITY_GROUP, INGRESS, EGRESS)
