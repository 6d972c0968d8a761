"""RDS: DB instances."""

from __future__ import annotations

from rehearsal.provider.kinds import Autoname, Call, Context, Do, Kind
from rehearsal.provider.tables.database import TAGS
from rehearsal.provider.wire import Props

MODIFIED = (
    *(
        "identifier",
        "allocatedStorage",
        "storageType",
        "instanceClass",
        "engineVersion",
        "multiAz",
        "password",
        "port",
    ),
    *(
        "dbSubnetGroupName",
        "parameterGroupName",
        "vpcSecurityGroupIds",
        "publiclyAccessible",
        "backupRetentionPeriod",
    ),
    *(
        "backupWindow",
        "maintenanceWindow",
        "copyTagsToSnapshot",
        "autoMinorVersionUpgrade",
        "maxAllocatedStorage",
    ),
    *(
        "iops",
        "storageThroughput",
        "monitoringInterval",
        "monitoringRoleArn",
        "iamDatabaseAuthenticationEnabled",
    ),
    *(
        "performanceInsightsEnabled",
        "performanceInsightsKmsKeyId",
        "performanceInsightsRetentionPeriod",
        "caCertIdentifier",
    ),
)
ONCE = (
    "engine",
    "dbName",
    "username",
    "storageEncrypted",
    "kmsKeyId",
    "availabilityZone",
    "timezone",
    "characterSetName",
)
LOCAL = frozenset(
    {"skipFinalSnapshot", "finalSnapshotIdentifier", "applyImmediately", "deleteAutomatedBackups"}
)


def _find(ctx: Context) -> Props | None:
    """The instance by its resource id; an identifier serves as well (import)."""
    if ctx.id.startswith("db-"):
        asked: Props = {"Filters": [{"Name": "dbi-resource-id", "Values": [ctx.id]}]}
    else:
        asked = {"DBInstanceIdentifier": ctx.id}
    found = ctx.call("DescribeDBInstances", asked)["DBInstances"]
    return found[0] if found else None


def _live(ctx: Context) -> Props | None:
    found = _find(ctx)
    if found is None:
        return None
    ctx.id = found["DbiResourceId"]
    endpoint = found.get("Endpoint") or {}
    groups = found.get("DBParameterGroups") or [{}]
    version = str(found.get("EngineVersion", ""))
    wanted = str(ctx.inputs.get("engineVersion") or "")
    return {
        **found,
        "Port": endpoint.get("Port"),
        "Address": endpoint.get("Address"),
        "HostedZoneId": endpoint.get("HostedZoneId"),
        "Endpoint": f"{endpoint['Address']}:{endpoint['Port']}" if endpoint.get("Address") else None,
        "DBSubnetGroupName": (found.get("DBSubnetGroup") or {}).get("DBSubnetGroupName"),
        "DBParameterGroupName": groups[0].get("DBParameterGroupName"),
        "VpcSecurityGroupIds": [g["VpcSecurityGroupId"] for g in found.get("VpcSecurityGroups") or []],
        "EngineVersion": wanted if wanted and version.startswith(f"{wanted}.") else version,
        "EngineVersionActual": version,
        "Replicas": found.get("ReadReplicaDBInstanceIdentifiers") or [],
    }


def _settle(ctx: Context) -> None:
    """Available, and nothing that was to be applied at once still pending."""
    at_once = not ctx.old_inputs or ctx.inputs.get("applyImmediately", False)

    def ready() -> bool:
        found = _find(ctx)
        if found is None:
            raise RuntimeError(f"DB instance {ctx.id} is gone")
        pending = found.get("PendingModifiedValues") if at_once else None
        return bool(found["DBInstanceStatus"] == "available" and not pending)

    ctx.poll(ready, f"DB instance {ctx.inputs.get('identifier')} to be available")


def _modify(ctx: Context) -> None:
    """One ModifyDBInstance with what changed; what AWS cannot change alone sends none (facts, section 3)."""
    if not ctx.changed & {*MODIFIED, "enabledCloudwatchLogsExports", "deletionProtection"}:
        return
    found = _find(ctx)
    if found is None:
        raise RuntimeError(f"DB instance {ctx.id} is gone")
    props = tuple(p for p in MODIFIED if p in ctx.changed)
    extra: Props = {
        "DBInstanceIdentifier": found["DBInstanceIdentifier"],
        "ApplyImmediately": bool(ctx.inputs.get("applyImmediately", False)),
        "DeletionProtection": bool(ctx.inputs.get("deletionProtection", False)),
    }
    if "identifier" in props:
        extra["NewDBInstanceIdentifier"] = ctx.inputs["identifier"]
        props = tuple(p for p in props if p != "identifier")
    old, new = (set(v.get("enabledCloudwatchLogsExports") or []) for v in (ctx.old_inputs, ctx.inputs))
    if old != new:
        extra["CloudwatchLogsExportConfiguration"] = {
            "EnableLogTypes": sorted(new - old),
            "DisableLogTypes": sorted(old - new),
        }
    ctx.run(Call("ModifyDBInstance", props=props), extra)


def _delete(ctx: Context) -> None:
    found = _find(ctx)
    if found is None:
        return
    request: Props = {
        "DBInstanceIdentifier": found["DBInstanceIdentifier"],
        "SkipFinalSnapshot": bool(ctx.value("skipFinalSnapshot")),
        "DeleteAutomatedBackups": ctx.value("deleteAutomatedBackups") is not False,
    }
    if not request["SkipFinalSnapshot"]:
        if not ctx.value("finalSnapshotIdentifier"):
            raise RuntimeError("final_snapshot_identifier is required when skip_final_snapshot is false")
        request["FinalDBSnapshotIdentifier"] = ctx.value("finalSnapshotIdentifier")
    ctx.call("DeleteDBInstance", request)
    ctx.poll(lambda: _gone(ctx), f"DB instance {found['DBInstanceIdentifier']} to go")


def _gone(ctx: Context) -> bool:
    from botocore.exceptions import ClientError

    try:
        return _find(ctx) is None
    except ClientError as error:
        if "NotFound" in error.response["Error"]["Code"]:
            return True
        raise


def _imported(_: Context, live: Props) -> Props:
    return {
        "skipFinalSnapshot": True,
        "enabledCloudwatchLogsExports": live.get("EnabledCloudwatchLogsExports") or None,
    }


INSTANCE = Kind(
    "aws:rds/instance:Instance",
    "rds",
    create=Call(
        "CreateDBInstance", props=(*MODIFIED, *ONCE, "enabledCloudwatchLogsExports", "deletionProtection")
    ),
    id="DBInstance.DbiResourceId",
    follow=(
        Do(
            _modify,
            props=(*MODIFIED, "enabledCloudwatchLogsExports", "deletionProtection", *sorted(LOCAL)),
            on="update",
        ),
    ),
    read=(Do(_live),),
    delete=(Do(_delete),),
    settle=_settle,
    autoname=Autoname("identifier", separator=""),
    renames={
        "identifier": "DBInstanceIdentifier",
        "username": "MasterUsername",
        "password": "MasterUserPassword",
        "instanceClass": "DBInstanceClass",
        "parameterGroupName": "DBParameterGroupName",
        "backupWindow": "PreferredBackupWindow",
        "maintenanceWindow": "PreferredMaintenanceWindow",
        "enabledCloudwatchLogsExports": "EnableCloudwatchLogsExports",
        "caCertIdentifier": "CACertificateIdentifier",
        "resourceId": "DbiResourceId",
        "arn": "DBInstanceArn",
        "status": "DBInstanceStatus",
        "latestRestorableTime": "LatestRestorableTime",
    },
    replaces=frozenset(
        {
            "availabilityZone",
            "characterSetName",
            "dbName",
            "engine",
            "kmsKeyId",
            "storageEncrypted",
            "timezone",
            "username",
        }
        | {"snapshotIdentifier", "restoreToPointInTime"}
    ),
    computed=frozenset(
        {
            "availabilityZone",
            "backupRetentionPeriod",
            "backupWindow",
            "maintenanceWindow",
            "caCertIdentifier",
            "port",
        }
        | {
            "dbSubnetGroupName",
            "parameterGroupName",
            "vpcSecurityGroupIds",
            "engineVersion",
            "kmsKeyId",
            "storageType",
        }
        | {
            "multiAz",
            "username",
            "dbName",
            "engine",
            "allocatedStorage",
            "iops",
            "licenseModel",
            "optionGroupName",
        }
        | {
            "storageThroughput",
            "networkType",
            "characterSetName",
            "timezone",
            "identifier",
            "copyTagsToSnapshot",
        }
    )
    - {"copyTagsToSnapshot"},
    local=LOCAL,
    opaque=frozenset({"password", "enabledCloudwatchLogsExports", "port"}),
    defaults={
        "applyImmediately": False,
        "autoMinorVersionUpgrade": True,
        "deleteAutomatedBackups": True,
        "skipFinalSnapshot": False,
        "publiclyAccessible": False,
        "monitoringInterval": 0,
        "copyTagsToSnapshot": False,
        "deletionProtection": False,
    },
    tags=TAGS,
    imported=_imported,
)


KINDS = (INSTANCE,)
