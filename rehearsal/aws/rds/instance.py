"""A DB instance as DescribeDBInstances shows it; what is behind it is its `Server`."""

from __future__ import annotations

import random
import string
from datetime import datetime
from typing import TYPE_CHECKING, Any

from moto.core.utils import utcnow
from moto.rds import models

from rehearsal.aws.rds.checks import (
    default_security_group,
    default_subnet_group,
    engine_version,
    kms_key_arn,
    zones_of,
)

if TYPE_CHECKING:
    from rehearsal.aws.rds.server import Server

_DEFAULTS = {"storage_type": "gp2", "allocated_storage": 20, "ca_certificate_identifier": "rds-ca-rsa2048-g1"}
_LETTERS = string.ascii_uppercase + string.digits
_identities = random.SystemRandom()


class DBInstance(models.DBInstance):
    """moto's DB instance with AWS's defaults for PostgreSQL, and with a state."""

    server: Server
    master_username: str
    port: int

    def __init__(self, backend: Any, **given: Any) -> None:
        settings = {**_DEFAULTS, **given}
        settings["engine_version"] = engine_version(settings.get("engine_version"))
        settings["license_model"] = "postgresql-license"
        group = settings.get("db_subnet_group_name") or default_subnet_group(backend)
        settings["db_subnet_group_name"] = group
        vpc = backend.subnet_groups[group].vpc_id
        settings["vpc_security_group_ids"] = settings.get("vpc_security_group_ids") or [
            default_security_group(backend, vpc)
        ]
        if settings.get("storage_encrypted"):
            settings["kms_key_id"] = kms_key_arn(backend, settings.get("kms_key_id") or "alias/aws/rds")
        self._zones = zones_of(backend.subnet_groups[group])
        settings["availability_zone"] = settings.get("availability_zone") or self._zones[0]
        super().__init__(backend, **settings)
        major = str(self.engine_version).split(".", maxsplit=1)[0]
        if not self.option_group_supplied:
            self.option_group_name = f"default:postgres-{major}"
        self.publicly_accessible = bool(self.publicly_accessible)
        self.dbi_resource_id = "db-" + "".join(_identities.choices(_LETTERS, k=26))
        self.instance_create_time = utcnow()
        self.status = "creating"
        self.pending_modified_values: dict[str, Any] = {}
        self.published: tuple[str, int] | None = None
        """Address and port, once there is a server to talk to."""
        self.pending_reboot = False
        """Whether its parameter group holds something that only a restart brings."""

    @property
    def endpoint(self) -> dict[str, Any] | None:  # type: ignore[override]
        """Where it listens; None until AWS knows."""
        if self.published is None:
            return None
        return {"Address": self.published[0], "Port": self.published[1], "HostedZoneId": "Z1RLNUO7B9Q6NB"}

    @property
    def address(self) -> str:
        """Its endpoint's address; empty until there is one."""
        return self.published[0] if self.published else ""

    @property
    def secondary_availability_zone(self) -> str | None:
        """Where a Multi-AZ instance's standby is."""
        if not self.multi_az:
            return None
        others = [zone for zone in self._zones if zone != self.availability_zone]
        return others[0] if others else None

    def swap_zones(self) -> None:
        """The standby is now the primary."""
        self.availability_zone = self.secondary_availability_zone or self.availability_zone

    @property
    def latest_restorable_time(self) -> datetime | None:  # type: ignore[override]
        """As of its own region's automated backups; None without them."""
        if not self.backup_retention_period:
            return None
        window = self.server.archive.window()
        return window.latest if window else None

    @property
    def db_instance_automated_backups_replications(self) -> list[dict[str, str]]:
        """Where its automated backups are replicated to."""
        return [
            {"DBInstanceAutomatedBackupsArn": each.arn}
            for each in self.server.fleet.replications
            if each.source is self.server and each.running
        ]

    @property
    def db_parameter_group_status_list(self) -> list[dict[str, str]]:
        """Its parameter group, and whether all of it is in force."""
        status = "pending-reboot" if self.pending_reboot else "in-sync"
        return [{"DBParameterGroupName": self.db_parameter_groups()[0].name, "ParameterApplyStatus": status}]

    def save_automated_backup(self) -> None:
        """The first backup is taken by the server, when there is one."""
