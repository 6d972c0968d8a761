"""Databases by hand, with boto3 and psycopg: what infra declares, for tests of the RDS half."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

import boto3
import psycopg
from botocore.config import Config

from rehearsal.pki import ca_file
from rehearsal.steering import Steering
from rehearsal.world import WorldSettings, fetch
from tests.fakes.waiting import until

PASSWORD = "master-of-the-shop-1"
ONCE = Config(retries={"total_max_attempts": 1}, read_timeout=10, connect_timeout=2)


@dataclass(frozen=True)
class Databases:
    """RDS of a world."""

    settings: WorldSettings

    @property
    def here(self) -> str:
        return self.settings.primary

    @property
    def there(self) -> str:
        return self.settings.standby

    @property
    def steering(self) -> Steering:
        return Steering(self.settings)

    def client(self, service: str, region: str | None = None) -> Any:
        return boto3.client(
            service,
            region_name=region or self.here,
            endpoint_url=self.settings.api_url,
            aws_access_key_id="test",
            aws_secret_access_key="test",
            config=ONCE,
        )

    def key(self, region: str | None = None) -> str:
        arn: str = self.client("kms", region).create_key()["KeyMetadata"]["Arn"]
        return arn

    def create(self, name: str, **more: Any) -> dict[str, Any]:
        """A small encrypted database; answers what CreateDBInstance does."""
        wanted = {
            "DBInstanceIdentifier": name,
            "DBInstanceClass": "db.t4g.small",
            "Engine": "postgres",
            "EngineVersion": "17",
            "AllocatedStorage": 20,
            "MasterUsername": "shop_master",
            "MasterUserPassword": PASSWORD,
            "DBName": "shop",
            "BackupRetentionPeriod": 14,
            "PreferredBackupWindow": "02:00-03:00",
            "PreferredMaintenanceWindow": "sun:05:00-sun:06:00",
            **more,
        }
        instance: dict[str, Any] = self.client("rds").create_db_instance(**wanted)["DBInstance"]
        return instance

    def show(self, name: str, region: str | None = None) -> dict[str, Any]:
        found = self.client("rds", region).describe_db_instances(DBInstanceIdentifier=name)
        instance: dict[str, Any] = found["DBInstances"][0]
        return instance

    def reach(self, status: str, name: str, region: str | None = None) -> dict[str, Any]:
        """The instance once it has that status."""

        def probe() -> dict[str, Any] | None:
            shown = self.show(name, region)
            assert shown["DBInstanceStatus"] != "failed"
            return shown if shown["DBInstanceStatus"] == status else None

        return until(f"{name} {status}", probe)

    def made(self, name: str, **more: Any) -> dict[str, Any]:
        """A database that is available."""
        self.create(name, **more)
        return self.reach("available", name)

    def connect(
        self, instance: dict[str, Any], *, user: str = "shop_master", password: str = PASSWORD, **more: Any
    ) -> psycopg.Connection[Any]:
        """Connect as a client would that trusts the world's authority only."""
        endpoint = instance["Endpoint"]
        wanted = {"sslmode": "verify-full", "sslrootcert": str(ca_file(self.settings.home)), **more}
        return psycopg.connect(
            host=endpoint["Address"],
            port=endpoint["Port"],
            dbname="shop",
            user=user,
            password=password,
            autocommit=True,
            connect_timeout=5,
            **wanted,
        )

    def replicate(self, instance: dict[str, Any], key: str | None = None) -> str:
        """Replicate its automated backups to the other region; the ARN once something can be restored."""
        wanted = {"SourceDBInstanceArn": instance["DBInstanceArn"], "BackupRetentionPeriod": 14}
        wanted |= {"KmsKeyId": key} if key else {}
        answer = self.client("rds", self.there).start_db_instance_automated_backups_replication(**wanted)
        arn: str = answer["DBInstanceAutomatedBackup"]["DBInstanceAutomatedBackupsArn"]
        until("replicated backup", lambda: self.backup(arn)["Status"] == "replicating" or None)
        return arn

    def backup(self, arn: str) -> dict[str, Any]:
        """Replicated automated backups as the other region shows them."""
        found = self.client("rds", self.there).describe_db_instance_automated_backups(
            DBInstanceAutomatedBackupsArn=arn
        )
        backup: dict[str, Any] = found["DBInstanceAutomatedBackups"][0]
        return backup

    def row(self, identifier: str) -> dict[str, Any]:
        """The database's row in the feed."""
        rows = fetch(self.settings.home / "feed", "databases")
        return next(row for row in rows if row["identifier"] == identifier)


def no_proxies() -> None:
    """Nothing of the user's own stands between a test and the world."""
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        for each in (name, name.upper()):
            os.environ.pop(each, None)
