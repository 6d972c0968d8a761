"""ModifyDBInstance: what changes at once, what waits for the maintenance window, and what it does.

Which is which follows the RDS User Guide, "Settings for DB instances".
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from psycopg import sql

from rehearsal.aws.rds import checks

if TYPE_CHECKING:
    from rehearsal.aws.rds.instance import DBInstance

AT_ONCE = {
    "PreferredBackupWindow": "preferred_backup_window",
    "PreferredMaintenanceWindow": "preferred_maintenance_window",
    "DeletionProtection": "deletion_protection",
    "CopyTagsToSnapshot": "copy_tags_to_snapshot",
    "AutoMinorVersionUpgrade": "auto_minor_version_upgrade",
    "VpcSecurityGroupIds": "vpc_security_group_ids",
    "DBParameterGroupName": "db_parameter_group_name",
    "MaxAllocatedStorage": "max_allocated_storage",
    "PubliclyAccessible": "publicly_accessible",
    "CACertificateIdentifier": "ca_certificate_identifier",
    "MonitoringInterval": "monitoring_interval",
    "MonitoringRoleArn": "monitoring_role_arn",
    "OptionGroupName": "option_group_name",
    "EnableIAMDatabaseAuthentication": "enable_iam_database_authentication",
}
"""Parameter -> attribute: taken over before the call returns."""
IN_TURN = {
    "MultiAZ": "multi_az",
    "DBInstanceClass": "db_instance_class",
    "AllocatedStorage": "allocated_storage",
    "StorageType": "storage_type",
    "Iops": "iops",
    "StorageThroughput": "storage_throughput",
    "EngineVersion": "engine_version",
    "BackupRetentionPeriod": "backup_retention_period",
    "NewDBInstanceIdentifier": "db_instance_identifier",
    "DBPortNumber": "port",
}
"""Parameter -> attribute: pending first; done now with ApplyImmediately, else in the maintenance window."""
_PENDING_NAME = {"NewDBInstanceIdentifier": "DBInstanceIdentifier", "DBPortNumber": "Port"}
_ASKED_NAME = {pending: asked for asked, pending in _PENDING_NAME.items()}
_SILENT = frozenset(
    {
        "DBInstanceIdentifier",
        "ApplyImmediately",
        "AllowMajorVersionUpgrade",
        "CloudwatchLogsExportConfiguration",
    }
)
_RESTARTING = frozenset({"DBInstanceClass", "EngineVersion", "DBPortNumber"})


def modify(database: DBInstance, params: dict[str, Any], cause: str) -> None:
    """Take the call's parameters (AWS's names); raises AWS's errors before anything has changed."""
    _check(database, params)
    if params.get("ApplyImmediately"):  # takes what is pending along
        waiting = {
            _ASKED_NAME.get(name, name): value for name, value in database.pending_modified_values.items()
        }
        params = {**waiting, **params}
    if _turn_log_exports(database, params.get("CloudwatchLogsExportConfiguration") or {}):
        database.server.take_time("configuring-log-exports", cause, lambda: None)
    for name, attribute in AT_ONCE.items():
        if name in params and params[name] != getattr(database, attribute):
            setattr(database, attribute, params[name])
            if name == "DBParameterGroupName":  # a newly associated group counts from the next reboot on
                database.pending_reboot = True
    if "MasterUserPassword" in params:
        _set_password(database, params["MasterUserPassword"], cause)
    for name, attribute in IN_TURN.items():
        if name in params and params[name] != getattr(database, attribute):
            database.pending_modified_values[_PENDING_NAME.get(name, name)] = params[name]
            if params.get("ApplyImmediately") or _soon(name, database, params[name]):
                _APPLY.get(name, _apply_plain)(database, name, params[name], cause)


def _check(database: DBInstance, params: dict[str, Any]) -> None:
    if database.status not in checks.MODIFIABLE:
        raise checks.refuse("InvalidDBInstanceState", "Database instance is not in available state.")
    unknown = [
        name
        for name, value in params.items()
        if value and name not in {*AT_ONCE, *IN_TURN, *_SILENT, "MasterUserPassword"}
    ]
    if unknown:
        raise NotImplementedError(f"the rehearsal's ModifyDBInstance does not know {', '.join(unknown)}")
    backend = database.backend
    if "MasterUserPassword" in params:
        checks.password_allowed(params["MasterUserPassword"])
    if "BackupRetentionPeriod" in params:
        checks.retention_allowed(params["BackupRetentionPeriod"])
    if params.get("EngineVersion"):
        params["EngineVersion"] = checks.engine_version(params["EngineVersion"])
        checks.no_downgrade(str(database.engine_version), params["EngineVersion"])
    if params.get("DBInstanceClass"):
        checks.instance_class(params["DBInstanceClass"])
    checks.windows(
        params.get("PreferredMaintenanceWindow") or database.preferred_maintenance_window,
        params.get("PreferredBackupWindow") or database.preferred_backup_window,
    )
    name = params.get("NewDBInstanceIdentifier", database.db_instance_identifier)
    if name != database.db_instance_identifier:
        checks.new_identifier(backend, name)
    if params.get("AllocatedStorage", database.allocated_storage) < database.allocated_storage:
        raise checks.refuse("InvalidParameterValue", "The allocated storage size can't be decreased.")
    checks.parameter_group(backend, params.get("DBParameterGroupName"))
    checks.security_groups(backend, params.get("VpcSecurityGroupIds") or [], database.db_subnet_group.vpc_id)


def _soon(name: str, database: DBInstance, value: Any) -> bool:
    """Retention between two values that are not 0 changes at once; the port always does."""
    if name == "BackupRetentionPeriod":
        return bool(value) and bool(database.backup_retention_period)
    return name == "DBPortNumber"


def _turn_log_exports(database: DBInstance, wanted: dict[str, Any]) -> bool:
    on, off = set(wanted.get("EnableLogTypes") or []), set(wanted.get("DisableLogTypes") or [])
    exports = (set(database.enabled_cloudwatch_logs_exports) | on) - off
    changed = exports != set(database.enabled_cloudwatch_logs_exports)
    database.enabled_cloudwatch_logs_exports = sorted(exports)
    return changed


def _set_password(database: DBInstance, password: str, cause: str) -> None:
    database.pending_modified_values["MasterUserPassword"] = "****"
    server = database.server

    def then() -> None:
        with server.cluster.connect() as connection:
            user = sql.Identifier(database.master_username)
            connection.execute(sql.SQL("ALTER ROLE {} LOGIN PASSWORD {}").format(user, sql.Literal(password)))
        database.pending_modified_values.pop("MasterUserPassword", None)

    server.take_time("resetting-master-credentials", cause, then)


def _settled(database: DBInstance, name: str, value: Any) -> None:
    setattr(database, IN_TURN[name], value)
    database.pending_modified_values.pop(_PENDING_NAME.get(name, name), None)


def _apply_plain(database: DBInstance, name: str, value: Any, cause: str) -> None:
    server = database.server

    def then() -> None:
        _settled(database, name, value)
        if name in _RESTARTING:
            server.close()
            server.open()

    server.take_time("modifying", cause, then)


def _apply_multi_az(database: DBInstance, name: str, value: Any, cause: str) -> None:
    what = "rds.multi-az" if value else "rds.modify"
    database.server.take_time("modifying", cause, lambda: _settled(database, name, value), what=what)


def _apply_retention(database: DBInstance, name: str, value: Any, cause: str) -> None:
    server, before = database.server, database.backup_retention_period
    if value and before:
        _settled(database, name, value)
        return

    def then() -> None:
        _settled(database, name, value)
        server.close()  # turning backups on or off restarts the instance
        if not value:
            server.archive.remove()
        server.archive.prepare()
        server.open()

    server.take_time("modifying", cause, then)
    if value:
        server.jobs.submit("backing-up", server.back_up, cause)


def _apply_rename(database: DBInstance, name: str, value: Any, cause: str) -> None:
    server, backend, old = database.server, database.backend, database.db_instance_identifier

    def then() -> None:
        server.close()
        with server.fleet.lock:
            if backend.databases.get(old) is database:
                del backend.databases[old]
            _settled(database, name, value)
            backend.databases[database.db_instance_identifier] = database
        server.open()

    server.take_time("renaming", cause, then)


_APPLY: dict[str, Callable[[DBInstance, str, Any, str], None]] = {
    "MultiAZ": _apply_multi_az,
    "BackupRetentionPeriod": _apply_retention,
    "NewDBInstanceIdentifier": _apply_rename,
}
