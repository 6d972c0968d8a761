"""The site's database: RDS PostgreSQL, or in a pilot light only the groups that one is restored into.

The instance keeps its address in the program (type, name, parent) whether this stack created it or recovery
restored it and handed it over: adoption is an import, never a replacement.
"""

from __future__ import annotations

from dataclasses import dataclass

import pulumi
from pulumi_aws import rds

from infra.aws.network import DATABASE_PORT
from infra.component import Component, Labels
from infra.outputs import DatabaseSettings

LOGICAL_NAME = "database"
LOG_EXPORTS = ("postgresql", "upgrade")
STORAGE_TYPE = "gp3"


@dataclass(frozen=True)
class DatabaseArgs:
    """Inputs of `Database`; sizes in GB, windows as RDS writes them (UTC)."""

    present: bool
    identifier: str
    database_name: str
    engine_version: str
    instance_class: str
    storage_gb: int
    multi_az: bool
    backup_retention_days: int
    backup_window: str
    maintenance_window: str
    subnet_ids: list[pulumi.Output[str]]
    security_group_id: pulumi.Output[str]
    key_arn: pulumi.Output[str]
    master_user: str
    app_user: str
    master_password: pulumi.Output[str]


class Database(Component):
    """Subnet group and parameter group always; the instance when `present`."""

    def __init__(
        self, name: str, args: DatabaseArgs, labels: Labels, *, formerly: tuple[str, ...] = ()
    ) -> None:
        super().__init__("aws:Database", name, labels, formerly=formerly)
        self.args = args
        self.subnet_group = rds.SubnetGroup(
            "database",
            subnet_ids=args.subnet_ids,
            description="Data subnets of the site",
            tags=self.tags("database"),
            opts=self.child(),
        )
        self.parameter_group = rds.ParameterGroup(
            "database",
            family=f"postgres{args.engine_version.split('.')[0]}",
            description="TLS only; slow statements and locks in the log",
            parameters=[
                {"name": "rds.force_ssl", "value": "1", "apply_method": "immediate"},
                {"name": "log_min_duration_statement", "value": "1000", "apply_method": "immediate"},
                {"name": "log_lock_waits", "value": "1", "apply_method": "immediate"},
            ],
            tags=self.tags("database"),
            opts=self.child(),
        )
        self.instance = self._instance() if args.present else None
        self.register_outputs({"identifier": args.identifier})

    def _instance(self) -> rds.Instance:
        args = self.args
        return rds.Instance(
            LOGICAL_NAME,
            identifier=args.identifier,
            engine="postgres",
            engine_version=args.engine_version,
            # A version is changed in the stack's configuration and rehearsed, at both sites alike.
            auto_minor_version_upgrade=False,
            instance_class=args.instance_class,
            allocated_storage=args.storage_gb,
            storage_type=STORAGE_TYPE,
            storage_encrypted=True,
            kms_key_id=args.key_arn,
            db_name=args.database_name,
            username=args.master_user,
            password=args.master_password,
            port=DATABASE_PORT,
            multi_az=args.multi_az,
            db_subnet_group_name=self.subnet_group.name,
            parameter_group_name=self.parameter_group.name,
            vpc_security_group_ids=[args.security_group_id],
            publicly_accessible=False,
            backup_retention_period=args.backup_retention_days,
            backup_window=args.backup_window,
            maintenance_window=args.maintenance_window,
            copy_tags_to_snapshot=True,
            delete_automated_backups=False,
            deletion_protection=True,
            skip_final_snapshot=False,
            final_snapshot_identifier=f"{args.identifier}-final",
            enabled_cloudwatch_logs_exports=list(LOG_EXPORTS),
            # What the stack says is what stands, also in the hour of a recovery, not next week's window.
            apply_immediately=True,
            tags=self.tags(args.identifier),
            # The password is drawn once; afterwards rotation and recovery own it.
            opts=self.child(protect=True, ignore_changes=["password"]),
        )

    def replicate_backups(self, region: str, key_arn: pulumi.Input[str]) -> None:
        """Copy automated backups into another region, where `key_arn` must be a key of that region."""
        if self.instance is None:
            return
        rds.InstanceAutomatedBackupsReplication(
            "backups",
            region=region,
            source_db_instance_arn=self.instance.arn,
            kms_key_id=key_arn,
            retention_period=self.args.backup_retention_days,
            # A change replaces it, and to AWS old and new are one: ending the old one would end the new one.
            opts=self.child(delete_before_replace=True),
        )

    def settings(self) -> dict[str, object]:
        """Fields of `DatabaseSettings`, outputs among them: everything a restore has to pass."""
        args = self.args
        fields: dict[str, object] = {
            "engine_version": args.engine_version,
            "instance_class": args.instance_class,
            "storage_gb": args.storage_gb,
            "storage_type": STORAGE_TYPE,
            "multi_az": args.multi_az,
            "subnet_group": self.subnet_group.name,
            "parameter_group": self.parameter_group.name,
            "security_group_ids": [args.security_group_id],
            "kms_key_arn": args.key_arn,
            "backup_retention_days": args.backup_retention_days,
            "backup_window": args.backup_window,
            "maintenance_window": args.maintenance_window,
            "log_exports": list(LOG_EXPORTS),
            "deletion_protection": True,
            "port": DATABASE_PORT,
            "name": args.database_name,
            "master_user": args.master_user,
            "app_user": args.app_user,
        }
        if not fields.keys() <= DatabaseSettings.model_fields.keys():
            raise TypeError("infra/outputs.py: DatabaseSettings and infra/aws/database.py differ")
        return fields
