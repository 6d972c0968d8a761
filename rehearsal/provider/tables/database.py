"""RDS: groups and the replication of backups."""

from __future__ import annotations

from rehearsal.provider.kinds import Autoname, Call, Context, Do, Kind
from rehearsal.provider.tables.common import MANAGED, fields
from rehearsal.provider.tables.tags import by_arn
from rehearsal.provider.wire import Props

TAGS = by_arn(
    "AddTagsToResource",
    "RemoveTagsFromResource",
    "ResourceName",
    listing="ListTagsForResource",
    found="TagList",
)

SUBNET_GROUP = Kind(
    "aws:rds/subnetGroup:SubnetGroup",
    "rds",
    create=Call("CreateDBSubnetGroup", props=("name", "description", "subnetIds")),
    id="$name",
    follow=(
        Call(
            "ModifyDBSubnetGroup",
            {"DBSubnetGroupName": "$id"},
            props=("description", "subnetIds"),
            on="update",
        ),
    ),
    read=(
        Call(
            "DescribeDBSubnetGroups",
            {"DBSubnetGroupName": "$id"},
            result=fields(
                "DBSubnetGroups[0]",
                "DBSubnetGroupName",
                "VpcId",
                "DBSubnetGroupArn",
                "DBSubnetGroupDescription",
                SubnetIds="Subnets[].SubnetIdentifier",
            ),
        ),
    ),
    delete=(Call("DeleteDBSubnetGroup", {"DBSubnetGroupName": "$id"}),),
    autoname=Autoname(lower=True),
    fills={"description": MANAGED},
    renames={
        "name": "DBSubnetGroupName",
        "description": "DBSubnetGroupDescription",
        "arn": "DBSubnetGroupArn",
    },
    replaces=frozenset({"name", "namePrefix"}),
    tags=TAGS,
)


def _parameters(value: list[Props]) -> list[Props]:
    return [
        {
            "ParameterName": p["name"],
            "ParameterValue": str(p["value"]),
            "ApplyMethod": p.get("applyMethod", "immediate"),
        }
        for p in value
    ]


def _change_parameters(ctx: Context) -> None:
    old, new = (_parameters(values.get("parameters") or []) for values in (ctx.old_inputs, ctx.inputs))
    gone = [p for p in old if p["ParameterName"] not in {n["ParameterName"] for n in new}]
    group = {"DBParameterGroupName": ctx.id}
    for start in range(0, len(new), 20):
        ctx.call("ModifyDBParameterGroup", {**group, "Parameters": new[start : start + 20]})
    if gone:
        ctx.call("ResetDBParameterGroup", {**group, "Parameters": gone})


PARAMETER_GROUP = Kind(
    "aws:rds/parameterGroup:ParameterGroup",
    "rds",
    create=Call("CreateDBParameterGroup", props=("name", "family", "description")),
    id="$name",
    follow=(Do(_change_parameters, props=("parameters",), when=("parameters",)),),
    read=(Call("DescribeDBParameterGroups", {"DBParameterGroupName": "$id"}, result="DBParameterGroups[0]"),),
    delete=(Call("DeleteDBParameterGroup", {"DBParameterGroupName": "$id"}),),
    autoname=Autoname(lower=True),
    fills={"description": MANAGED},
    renames={
        "name": "DBParameterGroupName",
        "family": "DBParameterGroupFamily",
        "arn": "DBParameterGroupArn",
    },
    replaces=frozenset({"name", "namePrefix", "description", "family"}),
    opaque=frozenset({"parameters"}),
    tags=TAGS,
)


def _replicating(ctx: Context) -> bool:
    found = ctx.call("DescribeDBInstanceAutomatedBackups", {"DBInstanceAutomatedBackupsArn": ctx.id})
    backups = found["DBInstanceAutomatedBackups"]
    return bool(backups) and backups[0].get("Status") in ("replicating", "active")


BACKUPS_REPLICATION = Kind(
    "aws:rds/instanceAutomatedBackupsReplication:InstanceAutomatedBackupsReplication",
    "rds",
    create=Call(
        "StartDBInstanceAutomatedBackupsReplication",
        props=("sourceDbInstanceArn", "kmsKeyId", "retentionPeriod"),
    ),
    id="DBInstanceAutomatedBackup.DBInstanceAutomatedBackupsArn",
    read=(
        Call(
            "DescribeDBInstanceAutomatedBackups",
            {"DBInstanceAutomatedBackupsArn": "$id"},
            result=fields(
                "DBInstanceAutomatedBackups[?Status!='retained']|[0]",
                "KmsKeyId",
                "BackupRetentionPeriod",
                SourceDbInstanceArn="DBInstanceArn",
            ),
        ),
    ),
    delete=(
        Call("StopDBInstanceAutomatedBackupsReplication", {"SourceDBInstanceArn": "$sourceDbInstanceArn"}),
    ),
    settle=lambda ctx: ctx.poll(lambda: _replicating(ctx), f"replication of backups {ctx.id}"),
    renames={"retentionPeriod": "BackupRetentionPeriod"},
    replaces=frozenset({"kmsKeyId", "preSignedUrl", "retentionPeriod", "sourceDbInstanceArn"}),
    defaults={"retentionPeriod": 7},
)


KINDS = (SUBNET_GROUP, PARAMETER_GROUP, BACKUPS_REPLICATION)
