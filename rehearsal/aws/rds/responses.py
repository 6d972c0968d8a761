"""Operations of RDS's API that moto does not answer, or answers without their parameters."""

from __future__ import annotations

from typing import Any

from moto.core.responses import ActionResult, PaginatedResult
from moto.rds.responses import RDSResponse


def add_operations() -> None:
    """Teach moto's RDS the operations of this module."""
    for operation in (
        reboot_db_instance,
        reset_db_parameter_group,
        describe_db_instance_automated_backups,
        start_db_instance_automated_backups_replication,
        stop_db_instance_automated_backups_replication,
        delete_db_instance_automated_backup,
    ):
        setattr(RDSResponse, operation.__name__, operation)


def reboot_db_instance(self: Any) -> ActionResult:
    """RebootDBInstance."""
    failover = bool(self.params.get("ForceFailover"))
    return _instance(self.backend.reboot_db_instance(self.params["DBInstanceIdentifier"], failover=failover))


def reset_db_parameter_group(self: Any) -> ActionResult:
    """ResetDBParameterGroup."""
    params = _params(self)
    names = [each["ParameterName"] for each in params.get("Parameters", [])]
    group = self.backend.reset_db_parameter_group(
        params["DBParameterGroupName"], None if params.get("ResetAllParameters") else names
    )
    return ActionResult({"DBParameterGroupName": group.name})


def describe_db_instance_automated_backups(self: Any) -> ActionResult:
    """DescribeDBInstanceAutomatedBackups."""
    found = self.backend.describe_db_instance_automated_backups(**_params(self))
    return PaginatedResult({"DBInstanceAutomatedBackups": found})


def start_db_instance_automated_backups_replication(self: Any) -> ActionResult:
    """StartDBInstanceAutomatedBackupsReplication."""
    return _backup(self.backend.start_replication(_params(self)))


def stop_db_instance_automated_backups_replication(self: Any) -> ActionResult:
    """StopDBInstanceAutomatedBackupsReplication."""
    return _backup(self.backend.stop_replication(self.params["SourceDBInstanceArn"]))


def delete_db_instance_automated_backup(self: Any) -> ActionResult:
    """DeleteDBInstanceAutomatedBackup."""
    arn, resource_id = self.params.get("DBInstanceAutomatedBackupsArn"), self.params.get("DbiResourceId")
    return _backup(self.backend.delete_automated_backup(resource_id=resource_id, arn=arn))


def _params(response: Any) -> dict[str, Any]:
    """The call's parameters under AWS's own names."""
    params = response.params
    return dict(params.original_dict() if hasattr(params, "original_dict") else params)


def _instance(database: Any) -> ActionResult:
    return ActionResult({"DBInstance": database})


def _backup(shown: dict[str, Any]) -> ActionResult:
    return ActionResult({"DBInstanceAutomatedBackup": shown})
