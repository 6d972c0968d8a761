"""Restores: which backup, which moment, and what the new instance gets when the caller passes nothing."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from rehearsal.aws.rds import checks, snapshots
from rehearsal.postgres.archive import Archive
from rehearsal.postgres.cluster import Recovery

if TYPE_CHECKING:
    from rehearsal.aws.rds.backend import Backend
    from rehearsal.aws.rds.instance import DBInstance

_INHERITED = (
    "engine",
    "engine_version",
    "db_instance_class",
    "allocated_storage",
    "storage_type",
    "iops",
    "port",
    "master_username",
    "storage_encrypted",
    "backup_retention_period",
    "preferred_backup_window",
    "auto_minor_version_upgrade",
)
"""What a restored instance has from its source. All else is AWS's default unless passed: default security,
subnet, parameter and option groups, Single-AZ, no log exports, no deletion protection, no tags."""
_PASSED = frozenset(
    {
        "db_instance_class",
        "port",
        "availability_zone",
        "db_subnet_group_name",
        "multi_az",
        "publicly_accessible",
        "auto_minor_version_upgrade",
        "iops",
        "storage_throughput",
        "option_group_name",
        "copy_tags_to_snapshot",
        "tags",
        "storage_type",
        "vpc_security_group_ids",
        "enable_iam_database_authentication",
        "enable_cloudwatch_logs_exports",
        "db_parameter_group_name",
        "deletion_protection",
        "max_allocated_storage",
        "allocated_storage",
        "backup_retention_period",
        "preferred_backup_window",
        "ca_certificate_identifier",
    }
)
_READ_HERE = frozenset(
    {
        "source_db_instance_identifier",
        "target_db_instance_identifier",
        "restore_time",
        "use_latest_restorable_time",
        "source_dbi_resource_id",
        "source_db_instance_automated_backups_arn",
        "db_instance_identifier",
        "db_snapshot_identifier",
        "license_model",
        "engine",
    }
)


@dataclass(frozen=True)
class Source:
    """Where a restore reads from: the instance as it was, its archive, the key of what is restored."""

    database: DBInstance
    archive: Archive
    kms_key: str | None


def to_point_in_time(backend: Backend, asked: dict[str, Any], cause: str) -> DBInstance:
    """RestoreDBInstanceToPointInTime."""
    target = asked.get("target_db_instance_identifier") or ""
    checks.new_identifier(backend, target)
    source = _source(backend, asked)
    settings = _settings(source, asked, target)
    checks.groups(backend, settings)
    if source.kms_key:
        checks.kms_key_arn(backend, source.kms_key)
    moment = _moment(source, asked)
    base = source.archive.base_for(moment)
    recovery = Recovery.until(source.archive, moment)
    database = backend.put(settings)
    database.server.restore(base, recovery, cause)
    return database


def _source(backend: Backend, asked: dict[str, Any]) -> Source:
    given = {
        name: asked[name]
        for name in (
            "source_db_instance_identifier",
            "source_dbi_resource_id",
            "source_db_instance_automated_backups_arn",
        )
        if asked.get(name)
    }
    if len(given) != 1:
        raise checks.refuse(
            "InvalidParameterCombination",
            "Exactly one of SourceDBInstanceIdentifier, SourceDbiResourceId and "
            "SourceDBInstanceAutomatedBackupsArn must be specified.",
        )
    (name, value), fleet = next(iter(given.items())), backend.fleet
    if name == "source_db_instance_identifier":
        database = backend._existing(value)
        if not database.backup_retention_period:
            raise checks.refuse("PointInTimeRestoreNotEnabled", f"Backups of {value} are not enabled.")
        return Source(database, database.server.archive, database.kms_key_id)
    for server in fleet.servers:
        if server.region == backend.region_name and value in (server.id, server.backup_arn):
            return Source(server.database, server.archive, server.database.kms_key_id)
    for each in fleet.replications:
        if each.region == backend.region_name and value == each.arn:
            return Source(each.source.database, each.archive, each.kms_key)
    message = f"No automated backup {value} in {backend.region_name}."
    raise checks.refuse("DBInstanceAutomatedBackupNotFound", message)


def _settings(source: Source, asked: dict[str, Any], target: str) -> dict[str, Any]:
    unknown = [name for name, value in asked.items() if value and name not in _PASSED | _READ_HERE]
    if unknown:
        raise NotImplementedError(f"the rehearsal's restore does not know {', '.join(unknown)}")
    settings = {name: getattr(source.database, name) for name in _INHERITED}
    settings["db_name"] = source.database.db_name
    settings["kms_key_id"] = source.kms_key
    settings |= {name: value for name, value in asked.items() if name in _PASSED and value is not None}
    settings["db_instance_identifier"] = target
    if settings["allocated_storage"] < source.database.allocated_storage:
        raise checks.refuse(
            "InvalidParameterValue", "Allocated storage size can't be less than the source instance size."
        )
    if asked.get("engine", settings["engine"]) != settings["engine"]:
        message = f"The engine {asked['engine']} is not the one of what is restored."
        raise checks.refuse("InvalidParameterCombination", message)
    checks.retention_allowed(settings["backup_retention_period"])
    checks.shape(settings)
    return settings


def _moment(source: Source, asked: dict[str, Any]) -> datetime:
    latest, wanted = asked.get("use_latest_restorable_time"), asked.get("restore_time")
    if bool(latest) == bool(wanted):
        message = "Exactly one of RestoreTime and UseLatestRestorableTime must be specified."
        raise checks.refuse("InvalidParameterCombination", message)
    window = source.archive.window()
    if window is None:
        raise checks.refuse("InvalidDBInstanceState", "There is no automated backup to restore from yet.")
    if not wanted:
        return window.latest
    moment = wanted if isinstance(wanted, datetime) else datetime.fromisoformat(str(wanted))
    moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    if moment > window.latest:
        raise checks.refuse(
            "InvalidParameterValue",
            f"The specified instance cannot be restored to a time later than {_iso(window.latest)}.",
        )
    if moment < window.earliest:
        raise checks.refuse(
            "InvalidParameterValue",
            f"The specified instance cannot be restored to a time earlier than {_iso(window.earliest)} "
            f"because its backup retention period is set to {source.database.backup_retention_period} days.",
        )
    return moment


def from_snapshot(backend: Backend, name: str, asked: dict[str, Any], cause: str) -> DBInstance:
    """RestoreDBInstanceFromDBSnapshot."""
    checks.new_identifier(backend, asked.get("db_instance_identifier") or "")
    snapshot = snapshots.restorable(backend, name)
    source = Source(snapshot.database, snapshot.database.server.archive, snapshot.kms_key_id)
    settings = _settings(source, asked, asked["db_instance_identifier"])
    checks.groups(backend, settings)
    if source.kms_key:
        checks.kms_key_arn(backend, source.kms_key)
    database = backend.put(settings)
    recovery = None
    if snapshot.snapshot_type == "automated":  # its log is in the archive
        recovery = Recovery.of_the_backup(source.archive)
    database.server.restore(snapshot.base, recovery, cause)
    return database


def _iso(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
