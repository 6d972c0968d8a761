"""RDS for PostgreSQL."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from infra.outputs import DatabaseSettings
from recovery.errors import ActionFailed, Refusal
from recovery.sites.aws.clients import Clients
from recovery.sites.aws.errors import code, explained
from recovery.sites.ports import Backups, Instance

if TYPE_CHECKING:
    from mypy_boto3_rds.type_defs import DBInstanceAutomatedBackupTypeDef, DBInstanceTypeDef

_NOT_NOW = {"InvalidDBInstanceState", "InvalidDBInstanceStateFault", "InvalidDBInstanceStatus"}
_THERE = {"DBInstanceAlreadyExists", "DBInstanceAlreadyExistsFault"}
_GONE = {"DBInstanceNotFound", "DBInstanceNotFoundFault"}
MADE_BY = "lifeboat-run"
"""Tag of everything that a recovery made."""


@explained
class RdsDatabase:
    """See recovery.sites.ports.Database."""

    def __init__(self, clients: Clients) -> None:
        self.clients = clients

    def backups(self) -> Sequence[Backups]:
        """Backups replicated to this region, and the region's own."""
        pages = self.clients.rds.get_paginator("describe_db_instance_automated_backups").paginate()
        found = (_backups(b) for page in pages for b in page["DBInstanceAutomatedBackups"])
        return tuple(b for b in found if b is not None)

    def find(self, identifier: str) -> Instance | None:
        """Describe it."""
        try:
            reply = self.clients.rds.describe_db_instances(DBInstanceIdentifier=identifier)
        except ClientError as error:
            if code(error) in _GONE:
                return None
            raise
        return _instance(reply["DBInstances"][0])

    def restore(
        self, backups: Backups, to: datetime | None, identifier: str, settings: DatabaseSettings,
        tags: Mapping[str, str],
    ) -> Instance:  # fmt: skip
        """RestoreDBInstanceToPointInTime; single-zone, since a second zone comes with re-protection."""
        known = self.find(identifier)
        if known is not None:
            return self._ours(known, tags)
        try:
            return self._restore(backups, to, identifier, settings, tags)
        except ClientError as error:
            if code(error) in _THERE and (made := self.find(identifier)):
                return self._ours(made, tags)  # by the call before, whose answer never came
            if code(error) != "KMSKeyNotAccessibleFault":
                raise
            raise self._key_failure(settings) from error

    def _restore(
        self, backups: Backups, to: datetime | None, identifier: str, settings: DatabaseSettings,
        tags: Mapping[str, str],
    ) -> Instance:  # fmt: skip
        moment: dict[str, Any] = {"RestoreTime": to} if to else {"UseLatestRestorableTime": True}
        reply = self.clients.rds.restore_db_instance_to_point_in_time(
            SourceDBInstanceAutomatedBackupsArn=backups.id,
            TargetDBInstanceIdentifier=identifier,
            DBInstanceClass=settings.instance_class,
            DBSubnetGroupName=settings.subnet_group,
            DBParameterGroupName=settings.parameter_group,
            VpcSecurityGroupIds=list(settings.security_group_ids),
            StorageType=settings.storage_type,
            Port=settings.port,
            MultiAZ=False,
            PubliclyAccessible=False,
            AutoMinorVersionUpgrade=False,
            CopyTagsToSnapshot=True,
            BackupRetentionPeriod=settings.backup_retention_days,
            PreferredBackupWindow=settings.backup_window,
            DeletionProtection=settings.deletion_protection,
            EnableCloudwatchLogsExports=list(settings.log_exports),
            Tags=[{"Key": key, "Value": value} for key, value in tags.items()],
            **moment,
        )
        return _instance(reply["DBInstance"])

    def set_master_password(self, identifier: str, password: str) -> bool:
        """ModifyDBInstance."""
        return self._modify(identifier, MasterUserPassword=password)

    def change(
        self, identifier: str, *, multi_az: bool | None = None, backup_retention_days: int | None = None
    ) -> bool:
        """ModifyDBInstance, only where it differs from what stands."""
        instance = self.find(identifier)
        if instance is None:
            raise ActionFailed(f"database {identifier} is not in {self.clients.region}")
        wanted: dict[str, Any] = {}
        if multi_az is not None and multi_az != instance.multi_az:
            wanted["MultiAZ"] = multi_az
        if backup_retention_days is not None and backup_retention_days != instance.backup_retention_days:
            wanted["BackupRetentionPeriod"] = backup_retention_days
        return not wanted or self._modify(identifier, **wanted)

    def delete(self, identifier: str) -> None:
        """DeleteDBInstance without a final snapshot: what it was restored from is still there."""
        instance = self.find(identifier)
        if instance is None or instance.status == "deleting":
            return
        if MADE_BY not in instance.tags:
            raise Refusal(
                f"database {identifier} carries no tag {MADE_BY}: no recovery made it, so none deletes it"
            )
        self._modify(identifier, DeletionProtection=False)
        self.clients.rds.delete_db_instance(
            DBInstanceIdentifier=identifier, SkipFinalSnapshot=True, DeleteAutomatedBackups=True
        )

    def key_trouble(self, settings: DatabaseSettings) -> str | None:
        """Ask KMS for the key's state."""
        state, cure = self._key_state(settings)
        return f"{state}: backups cannot be read. {cure}" if state else None

    def _key_failure(self, settings: DatabaseSettings) -> ActionFailed:
        state, cure = self._key_state(settings)
        usable = f"RDS may not use key {settings.kms_key_arn}: see its policy and grants"
        return ActionFailed(
            f"AWS: KMSKeyNotAccessibleFault: {state or usable}",
            means="the replicated backups cannot be read until the key is back; nothing was created; "
            "everything else goes on",
            cure=f"{cure or f'aws kms get-key-policy --key-id {settings.kms_key_arn}'}, then dr resume",
        )

    def _key_state(self, settings: DatabaseSettings) -> tuple[str, str]:
        """What is wrong with the key, and the command that mends it; both empty when it is enabled."""
        region, arn = self.clients.region, settings.kms_key_arn
        try:
            key = self.clients.kms.describe_key(KeyId=arn)["KeyMetadata"]
        except ClientError as error:
            return f"key {arn}: {code(error)}", f"aws kms describe-key --region {region} --key-id {arn}"
        where = f"--region {region} --key-id {key['KeyId']}"
        match key.get("KeyState", "Enabled"):
            case "Enabled":
                return "", ""
            case "PendingDeletion":
                until = key.get("DeletionDate")
                day = f" (until {until:%Y-%m-%d})" if until else ""
                cure = f"aws kms cancel-key-deletion {where} && aws kms enable-key {where}"
                return f"key {key['KeyId']} in {region} is pending deletion{day}", cure
            case "Disabled":
                return f"key {key['KeyId']} in {region} is disabled", f"aws kms enable-key {where}"
            case state:
                return f"key {key['KeyId']} in {region} is {state}", f"aws kms describe-key {where}"

    def _modify(self, identifier: str, **values: Any) -> bool:
        try:
            self.clients.rds.modify_db_instance(
                DBInstanceIdentifier=identifier, ApplyImmediately=True, **values
            )
        except ClientError as error:
            if code(error) in _NOT_NOW:
                return False
            raise
        return True

    @staticmethod
    def _ours(instance: Instance, tags: Mapping[str, str]) -> Instance:
        if instance.tags.get(MADE_BY) != tags.get(MADE_BY):
            raise Refusal(
                f"a database {instance.identifier} stands already and this run did not make it",
                means="restoring over it is impossible, and using it would not be a restore",
                cure="find out whose it is (tags), then abort this run or delete that database",
            )
        return instance


def _backups(found: DBInstanceAutomatedBackupTypeDef) -> Backups | None:
    window = found.get("RestoreWindow", {})
    if "LatestTime" not in window or "EarliestTime" not in window:
        return None
    return Backups(
        id=found.get("DBInstanceAutomatedBackupsArn", ""),
        database=found.get("DBInstanceIdentifier", ""),
        source_region=found.get("DBInstanceArn", ":::").split(":")[3] or found.get("Region", ""),
        earliest=window["EarliestTime"],
        latest=window["LatestTime"],
        status=found.get("Status", ""),
        storage_gb=found.get("AllocatedStorage", 0),
        engine_version=found.get("EngineVersion", ""),
    )


def _instance(found: DBInstanceTypeDef) -> Instance:
    endpoint = found.get("Endpoint", {})
    return Instance(
        identifier=found["DBInstanceIdentifier"],
        resource_id=found.get("DbiResourceId", ""),
        arn=found.get("DBInstanceArn", ""),
        status=found.get("DBInstanceStatus", "unknown"),
        host=endpoint.get("Address"),
        port=endpoint.get("Port", 5432),
        engine_version=found.get("EngineVersion", ""),
        multi_az=found.get("MultiAZ", False),
        backup_retention_days=found.get("BackupRetentionPeriod", 0),
        latest_restorable=found.get("LatestRestorableTime"),
        tags={tag.get("Key", ""): tag.get("Value", "") for tag in found.get("TagList", [])},
    )
