"""moto's RDS backend with real servers behind it."""

from __future__ import annotations

from typing import Any, ClassVar, cast

from moto.rds import exceptions, models, urls
from moto.rds.models import rds_backends

from rehearsal.aws import calls
from rehearsal.aws.rds import backups, checks, restore, snapshots
from rehearsal.aws.rds.backups import Replication
from rehearsal.aws.rds.fleet import Fleet
from rehearsal.aws.rds.instance import DBInstance
from rehearsal.aws.rds.modify import modify
from rehearsal.aws.rds.responses import add_operations


class Backend(models.RDSBackend):
    """RDS of one account and region."""

    fleet: ClassVar[Fleet]

    @property
    def _url_module(self) -> Any:
        # moto finds it beside the module that a backend is defined in
        return urls

    # --- instances -------------------------------------------------------------------------------------

    def create_db_instance(self, db_kwargs: Any) -> DBInstance:
        """CreateDBInstance."""
        settings = dict(db_kwargs)
        checks.new_identifier(self, settings["db_instance_identifier"])
        checks.creatable(settings)
        checks.groups(self, settings)
        database = self.put(settings)
        database.server.create(settings["master_user_password"], calls.cause())
        return database

    def put(self, settings: dict[str, Any]) -> DBInstance:
        """A DB instance and its server, with nothing in it yet."""
        with self.fleet.lock:
            checks.new_identifier(self, settings["db_instance_identifier"])
            database = DBInstance(self, **settings)  # type: ignore[abstract]
            self.databases[database.db_instance_identifier] = database
            self.fleet.add(database)
        database.add_event("DB_INSTANCE_CREATE")
        return database

    def describe_db_instances(self, *args: Any, **kwargs: Any) -> Any:
        """DescribeDBInstances; jobs add and remove instances meanwhile."""
        with self.fleet.lock:
            return super().describe_db_instances(*args, **kwargs)

    def modify_db_instance(self, db_instance_identifier: str, db_kwargs: Any) -> DBInstance:
        """ModifyDBInstance."""
        database = self._existing(db_instance_identifier)
        params = db_kwargs.original_dict()
        if "new_db_instance_identifier" in params:  # moto spells this one in its own way
            params["NewDBInstanceIdentifier"] = params.pop("new_db_instance_identifier")
        with self.fleet.lock:
            modify(database, params, calls.cause())
        return database

    def reboot_db_instance(self, db_instance_identifier: str, *, failover: bool = False) -> DBInstance:
        """RebootDBInstance, with or without ForceFailover."""
        database = self._available(db_instance_identifier)
        if failover and not database.multi_az:
            raise checks.refuse(
                "InvalidParameterCombination",
                "ForceFailover cannot be specified since the instance is not configured for MultiAZ.",
            )
        database.server.reboot(failover=failover, cause=calls.cause())
        return database

    def stop_db_instance(
        self, db_instance_identifier: str, db_snapshot_identifier: str | None = None
    ) -> DBInstance:
        """StopDBInstance."""
        database = self._available(db_instance_identifier)
        if db_snapshot_identifier:
            self.create_db_snapshot(db_instance_identifier, db_snapshot_identifier)
        database.server.halt(calls.cause())
        return database

    def start_db_instance(self, db_instance_identifier: str) -> DBInstance:
        """StartDBInstance."""
        database = self._existing(db_instance_identifier)
        if database.status != "stopped":
            raise exceptions.InvalidDBInstanceStateError(db_instance_identifier, "start")
        database.server.jobs.submit("starting", lambda _: database.server.open(), calls.cause())
        return database

    def delete_db_instance(
        self,
        db_instance_identifier: str,
        final_db_snapshot_identifier: str | None = None,
        skip_final_snapshot: bool | None = False,
        delete_automated_backups: bool | None = True,
    ) -> DBInstance:
        """DeleteDBInstance."""
        database = self._existing(db_instance_identifier)
        if database.deletion_protection:
            raise exceptions.InvalidParameterCombination(
                "Cannot delete protected DB Instance, please disable deletion protection and try again."
            )
        if not skip_final_snapshot and not final_db_snapshot_identifier:
            raise exceptions.InvalidParameterCombination(
                "FinalDBSnapshotIdentifier is required unless SkipFinalSnapshot is specified."
            )
        if skip_final_snapshot and final_db_snapshot_identifier:
            raise exceptions.InvalidParameterCombination(
                "FinalDBSnapshotIdentifier can not be specified when skipping the final snapshot."
            )
        if database.status == "deleting":
            raise checks.refuse(
                "InvalidDBInstanceState", f"Instance {db_instance_identifier} is already being deleted."
            )
        if final_db_snapshot_identifier:
            self.create_db_snapshot(db_instance_identifier, final_db_snapshot_identifier)
        database.server.delete(keep_backups=delete_automated_backups is False, cause=calls.cause())
        return database

    def create_db_instance_read_replica(self, db_kwargs: Any) -> DBInstance:
        """Not modelled: the design replicates backups."""
        raise NotImplementedError("the rehearsal's RDS makes no read replicas")

    # --- restores --------------------------------------------------------------------------------------

    def restore_db_instance_to_point_in_time(
        self,
        source_db_identifier: str | None,  # noqa: ARG002
        target_db_identifier: str,  # noqa: ARG002
        overrides: Any,
    ) -> DBInstance:
        """RestoreDBInstanceToPointInTime, from own, retained or replicated automated backups."""
        return restore.to_point_in_time(self, dict(overrides), calls.cause())

    def restore_db_instance_from_db_snapshot(self, from_snapshot_id: str, overrides: Any) -> DBInstance:
        """RestoreDBInstanceFromDBSnapshot."""
        return restore.from_snapshot(self, from_snapshot_id, dict(overrides), calls.cause())

    # --- snapshots -------------------------------------------------------------------------------------

    def describe_db_snapshots(self, *args: Any, **kwargs: Any) -> Any:
        """DescribeDBSnapshots; jobs add and remove snapshots meanwhile."""
        with self.fleet.lock:
            return super().describe_db_snapshots(*args, **kwargs)

    def create_db_snapshot(self, db_instance_identifier: str, *args: Any, **kwargs: Any) -> Any:
        """CreateDBSnapshot; automated ones are listed by the server that took them."""
        database = self._existing(db_instance_identifier)
        manual = kwargs.get("snapshot_type", "manual") == "manual"
        if manual and database.status not in ("available", "stopped"):
            raise checks.refuse(
                "InvalidDBInstanceState", f"{db_instance_identifier} is not in available state."
            )
        snapshot = super().create_db_snapshot(db_instance_identifier, *args, **kwargs)
        if manual:
            snapshots.create(self, database, snapshot, calls.cause())
        return snapshot

    def copy_db_snapshot(self, source_db_snapshot_identifier: str, *args: Any, **kwargs: Any) -> Any:
        """CopyDBSnapshot, also from another region."""
        source = self.get_db_snapshot(source_db_snapshot_identifier)
        key = kwargs.get("kms_key_id")
        if source.encrypted and source.region != self.region_name and not key:
            raise exceptions.InvalidParameterCombination(
                "Copying an encrypted snapshot to another region needs a KmsKeyId of that region."
            )
        if key:
            kwargs["kms_key_id"] = checks.kms_key_arn(self, key)
        target = super().copy_db_snapshot(source_db_snapshot_identifier, *args, **kwargs)
        snapshots.copy(self, source, target, calls.cause())
        return target

    def delete_db_snapshot(self, db_snapshot_identifier: str) -> Any:
        """DeleteDBSnapshot; automated ones go with their instance."""
        found = self.database_snapshots.get(db_snapshot_identifier)
        if found is not None and found.snapshot_type == "automated":
            raise checks.refuse("InvalidDBSnapshotState", "Only manual snapshots may be deleted.")
        snapshot = super().delete_db_snapshot(db_snapshot_identifier)
        snapshots.remove(self, snapshot)
        return snapshot

    # --- automated backups -----------------------------------------------------------------------------

    def describe_db_instance_automated_backups(self, **asked: Any) -> list[dict[str, Any]]:  # type: ignore[override]
        """DescribeDBInstanceAutomatedBackups: the region's own, and those replicated to it."""
        return backups.find(self.fleet, self.region_name, asked)

    def start_replication(self, params: dict[str, Any]) -> dict[str, Any]:
        """StartDBInstanceAutomatedBackupsReplication, called in the destination region."""
        return backups.describe_replicated(backups.start(self, params))

    def stop_replication(self, source_arn: str) -> dict[str, Any]:
        """StopDBInstanceAutomatedBackupsReplication, in the destination region; what it has stays."""
        found = self._replication_of(source_arn)
        shown = backups.describe_replicated(found)
        found.stop()
        return shown

    def delete_automated_backup(self, *, resource_id: str | None, arn: str | None) -> dict[str, Any]:
        """DeleteDBInstanceAutomatedBackup: retained ones only."""
        return backups.delete(self.fleet, self.region_name, resource_id, arn)

    def _replication_of(self, source_arn: str) -> Replication:
        for each in self.fleet.replications:
            if (
                each.source_arn == source_arn
                and each.region == self.region_name
                and each.status != "retained"
            ):
                return each
        raise exceptions.DBInstanceNotFoundError(source_arn)

    # --- groups ----------------------------------------------------------------------------------------

    def modify_db_parameter_group(
        self, db_parameter_group_name: str, db_parameter_group_parameters: Any
    ) -> Any:
        """ModifyDBParameterGroup; dynamic parameters reach running servers."""
        group = super().modify_db_parameter_group(db_parameter_group_name, db_parameter_group_parameters)
        for server in self.fleet.using_parameter_group(self.region_name, db_parameter_group_name):
            server.reconfigure()
        return group

    def reset_db_parameter_group(self, name: str, parameters: list[str] | None) -> Any:
        """ResetDBParameterGroup: these parameters, or (None) all, are AWS's own again."""
        group = super().modify_db_parameter_group(name, [])
        for parameter in list(group.parameters) if parameters is None else parameters:
            group.parameters.pop(parameter, None)
        for server in self.fleet.using_parameter_group(self.region_name, name):
            server.reconfigure()
        return group

    def delete_db_parameter_group(self, db_parameter_group_name: str) -> Any:
        """DeleteDBParameterGroup; refused while an instance has it."""
        if self.fleet.using_parameter_group(self.region_name, db_parameter_group_name):
            message = "One or more database instances are still members of this parameter group"
            raise checks.refuse("InvalidDBParameterGroupState", message)
        return super().delete_db_parameter_group(db_parameter_group_name)

    def create_subnet_group(self, subnet_name: str, description: str, subnets: Any, tags: Any) -> Any:
        """CreateDBSubnetGroup; two zones at least, in one VPC."""
        if subnet_name in self.subnet_groups:
            message = f"The DB subnet group '{subnet_name}' already exists."
            raise checks.refuse("DBSubnetGroupAlreadyExists", message)
        checks.subnets(subnets)
        return super().create_subnet_group(subnet_name, description, subnets, tags)

    def modify_db_subnet_group(self, subnet_name: str, description: str, subnets: Any) -> Any:
        """ModifyDBSubnetGroup; moto takes the group out of its list and forgets to put it back."""
        checks.subnets(subnets)
        if subnet_name not in self.subnet_groups:
            raise exceptions.DBSubnetGroupNotFoundError(subnet_name)
        group = super().modify_db_subnet_group(subnet_name, description, subnets)
        self.subnet_groups[subnet_name] = group
        return group

    def delete_subnet_group(self, subnet_name: str) -> Any:
        """DeleteDBSubnetGroup; refused while an instance has it."""
        used = [each for each in self.databases.values() if each.db_subnet_group.name == subnet_name.lower()]
        if used:
            raise checks.refuse(
                "InvalidDBSubnetGroupStateFault",
                f"Cannot delete the subnet group '{subnet_name}' because at least one database instance: "
                f"{used[0].db_instance_identifier} is still using it.",
            )
        return super().delete_subnet_group(subnet_name)

    # --- small -----------------------------------------------------------------------------------------

    def _existing(self, identifier: str) -> DBInstance:
        found: Any = self.describe_db_instances(identifier)[0]
        return cast(DBInstance, found)

    def _available(self, identifier: str) -> DBInstance:
        database = self._existing(identifier)
        if database.status != "available":
            raise checks.refuse("InvalidDBInstanceState", f"Instance {identifier} is not in available state.")
        return database


def take_over(fleet: Fleet) -> None:
    """Make moto use this backend, for the fleet's world."""
    Backend.fleet = fleet
    rds_backends.backend = Backend
    rds_backends.clear()
    add_operations()
