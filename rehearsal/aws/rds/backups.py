"""Automated backups as the API shows them, and their replication to another region."""

from __future__ import annotations

import random
import string
import time
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from moto.rds import exceptions

from rehearsal.aws.rds import checks
from rehearsal.postgres.archive import Archive, Base

if TYPE_CHECKING:
    from rehearsal.aws.rds.backend import Backend
    from rehearsal.aws.rds.fleet import Fleet
    from rehearsal.aws.rds.server import Server

_identities = random.SystemRandom()
_LETTERS = string.ascii_lowercase + string.digits
_NARROWING = ("DbiResourceId", "DBInstanceIdentifier", "DBInstanceAutomatedBackupsArn")
_FILTERS = {"status": "Status", "db-instance-id": "DBInstanceIdentifier", "dbi-resource-id": "DbiResourceId"}


def new_backup_arn(region: str, account: str) -> str:
    """An ARN for automated backups: `...:auto-backup:ab-<39 letters>`."""
    return f"arn:aws:rds:{region}:{account}:auto-backup:ab-" + "".join(_identities.choices(_LETTERS, k=39))


class Replication:
    """The replication of one instance's automated backups to one other region.

    Each file arrives a fixed time after it was whole in the source region; what has not arrived when the
    source region is lost never does.
    """

    def __init__(
        self, fleet: Fleet, source: Server, region: str, *, kms_key: str | None, retention: int, tags: Any
    ) -> None:
        world = fleet.world
        self._fleet = fleet
        self._world = world
        self.source = source
        self.source_arn: str = source.database.arn
        self.region = region
        self.kms_key = kms_key
        self.retention = retention
        self.tags = tags
        self.arn = new_backup_arn(region, source.database.account_id)
        # one that is started anew starts from nothing; what a stopped one copied is kept beside it
        folder = world.settings.home / "backups" / region / self.arn.rsplit(":", 1)[-1]
        self.archive = Archive(fleet.programs, folder)
        self.running = True
        self._lag = timedelta(seconds=world.cloud_seconds("rds.replication") / world.settings.scale)
        self._arrived: set[str] = set()

    @property
    def status(self) -> str:
        """`pending` until the first backup has arrived; `retained` once stopped, or its source is no more."""
        if not self.running or self.source.gone:
            return "retained"
        return "replicating" if self.archive.window() else "pending"

    def copy_due(self) -> None:
        """Copy what is due by now."""
        if not self.running or self.source.gone:
            return
        for base in self.source.archive.bases():
            if base.marker.name not in self._arrived and self._due(base.finished.timestamp()):
                self._copy_base(base)
        for path in self.source.archive.log_files():
            if path.name not in self._arrived and self._due(path.stat().st_mtime):
                self._copy_log(path)

    def _due(self, whole_at: float) -> bool:
        gone = self._world.is_lost(self.source.region) or self._world.is_lost(self.region)
        return not gone and time.time() >= whole_at + self._lag.total_seconds()

    def _copy_base(self, base: Base) -> None:
        part = self.archive.folder / "base" / f"{base.folder.name}.part"
        self._fleet.programs.copy_folder(base.folder, part, log=self.archive.log)
        if self._due(0):
            self.archive.add_base(part, base.started, base.finished)
            self._arrived.add(base.marker.name)

    def _copy_log(self, path: Path) -> None:
        part = self.archive.wal / f"{path.name}.part"
        content = path.read_bytes()
        with part.open("wb") as out:  # what follows a switch of the log is zeros; leave them out of the disk
            out.write(content.rstrip(b"\0"))
            out.truncate(len(content))
        part.chmod(0o600)
        self._fleet.programs.give(part)
        part.rename(part.with_suffix(""))
        self._arrived.add(path.name)

    def stop(self) -> None:
        """No more copies; what has arrived stays."""
        self.running = False


def start(backend: Backend, params: dict[str, Any]) -> Replication:
    """StartDBInstanceAutomatedBackupsReplication, in the destination region."""
    arn, fleet, region = str(params.get("SourceDBInstanceArn", "")), backend.fleet, backend.region_name
    source = fleet.by_arn(arn)
    if source is None:
        raise exceptions.DBInstanceNotFoundError(arn)
    if source.region == region:
        raise checks.refuse("InvalidParameterValue", "Source and destination region must be different.")
    if source.database.status == "creating" or not source.database.backup_retention_period:
        raise checks.refuse("InvalidDBInstanceState", f"{arn} has no automated backups to replicate.")
    retention = params.get("BackupRetentionPeriod", 7)
    checks.retention_allowed(retention, least=1)
    key = None
    if source.database.storage_encrypted:
        if not params.get("KmsKeyId"):
            raise checks.refuse(
                "InvalidParameterCombination",
                "Automated backups of an encrypted DB instance need a KmsKeyId of the destination region.",
            )
        key = checks.kms_key_arn(backend, params["KmsKeyId"])
    with fleet.lock:
        if any(
            each.source is source and each.region == region and each.running for each in fleet.replications
        ):
            message = f"Automated backups of {arn} are already replicated here."
            raise checks.refuse("InvalidDBInstanceAutomatedBackupState", message)
        tags = params.get("Tags", [])
        replication = Replication(fleet, source, region, kms_key=key, retention=retention, tags=tags)
        fleet.replications.append(replication)
    return replication


def find(fleet: Fleet, region: str, asked: dict[str, Any]) -> list[dict[str, Any]]:
    """DescribeDBInstanceAutomatedBackups of a region, narrowed by the call's parameters (AWS's names)."""
    shown = [
        describe(each, fleet.replications)
        for each in fleet.servers
        if each.region == region and each.database.backup_retention_period
    ]
    shown += [describe_replicated(each) for each in fleet.replications if each.region == region]
    wanted = {name: [asked[name]] for name in _NARROWING if asked.get(name)}
    wanted |= {_FILTERS[each["Name"]]: each["Values"] for each in asked.get("Filters", [])}
    found = [each for each in shown if all(each.get(name) in values for name, values in wanted.items())]
    if not found and (asked.get("DBInstanceAutomatedBackupsArn") or asked.get("DbiResourceId")):
        raise checks.refuse("DBInstanceAutomatedBackupNotFound", "The automated backup was not found.")
    return found


def delete(fleet: Fleet, region: str, resource_id: str | None, arn: str | None) -> dict[str, Any]:
    """DeleteDBInstanceAutomatedBackup."""
    for server in list(fleet.servers):
        if server.region == region and (server.id == resource_id or server.backup_arn == arn):
            if not server.gone:
                raise checks.refuse(
                    "InvalidDBInstanceAutomatedBackupState", "Only retained automated backups can be deleted."
                )
            shown = describe(server, fleet.replications)
            server.archive.remove()
            fleet.forget(server)
            return shown
    for each in list(fleet.replications):
        if each.region == region and each.arn == arn:
            if each.status != "retained":
                message = "Stop the replication of this automated backup first."
                raise checks.refuse("InvalidDBInstanceAutomatedBackupState", message)
            shown = describe_replicated(each)
            each.archive.remove()
            with fleet.lock:
                fleet.replications.remove(each)
            return shown
    raise checks.refuse("DBInstanceAutomatedBackupNotFound", "The automated backup was not found.")


def describe(server: Server, replications: list[Replication]) -> dict[str, Any]:
    """An instance's own automated backups as DescribeDBInstanceAutomatedBackups shows them."""
    database = server.database
    status = "retained" if server.gone else "active" if server.archive.bases() else "creating"
    return {
        **_common(server, server.archive),
        "Status": status,
        "KmsKeyId": database.kms_key_id,
        "BackupRetentionPeriod": database.backup_retention_period,
        "DBInstanceAutomatedBackupsArn": server.backup_arn,
        "DBInstanceAutomatedBackupsReplications": [
            {"DBInstanceAutomatedBackupsArn": each.arn}
            for each in replications
            if each.source is server and each.running
        ],
        "TagList": database.tags,
    }


def describe_replicated(replication: Replication) -> dict[str, Any]:
    """Replicated automated backups as the destination region shows them."""
    return {
        **_common(replication.source, replication.archive),
        "Status": replication.status,
        "KmsKeyId": replication.kms_key,
        "BackupRetentionPeriod": replication.retention,
        "DBInstanceAutomatedBackupsArn": replication.arn,
        "TagList": replication.tags,
    }


def _common(server: Server, archive: Archive) -> dict[str, Any]:
    database = server.database
    window = archive.window()
    return {
        "DBInstanceArn": database.arn,
        "DbiResourceId": server.id,
        "Region": server.region,
        "DBInstanceIdentifier": database.db_instance_identifier,
        "RestoreWindow": {"EarliestTime": window.earliest, "LatestTime": window.latest} if window else {},
        "AllocatedStorage": database.allocated_storage,
        "Port": database.port,
        "AvailabilityZone": database.availability_zone,
        "VpcId": database.db_subnet_group.vpc_id,
        "InstanceCreateTime": database.instance_create_time,
        "MasterUsername": database.master_username,
        "Engine": database.engine,
        "EngineVersion": database.engine_version,
        "LicenseModel": database.license_model,
        "OptionGroupName": database.option_group_name,
        "Encrypted": database.storage_encrypted,
        "StorageType": database.storage_type,
        "IAMDatabaseAuthenticationEnabled": bool(database.enable_iam_database_authentication),
        "PreferredBackupWindow": database.preferred_backup_window,
        "BackupTarget": "region",
    }
