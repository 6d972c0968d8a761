"""Restore the database at the site that takes over; done when SQL answers."""

from __future__ import annotations

from typing import ClassVar

from infra.outputs import DatabaseSettings
from recovery.actions._common import (
    RUNNER_PERMISSIONS,
    database_target,
    finish_job,
    options,
    restored_identifier,
    start_job,
    tags,
)
from recovery.actions.base import Action, Change, Context, Fact, Need, Preview, With
from recovery.actions.facts import DatabaseRestored, RecoveryPoint
from recovery.errors import ActionFailed
from recovery.runner.jobs import AwaitSql
from recovery.sites.ports import Backups, Instance

_DEAD = {"failed", "incompatible-restore", "incompatible-parameters", "incompatible-network", "storage-full"}


class RestoreWith(With):
    """What it runs on."""

    instance_class: str | None = None
    """Instead of the site's own class, when the region has no room for that one."""


class RestoreDatabase(Action):
    """Point-in-time restore from replicated backups, every setting passed, beside everything else.

    AWS keeps a restored instance in `backing-up`, up to hours, while it already serves; so a runner in the
    site asks it, and `available` is not waited for (docs/adr/0005).
    """

    name = "restore-database"
    summary = "restore the database from replicated backups until it answers SQL"
    With: ClassVar[type[With]] = RestoreWith
    takes = (RecoveryPoint,)
    gives = DatabaseRestored
    permissions = (
        "kms:CreateGrant",
        "kms:DescribeKey",
        "rds:AddTagsToResource",
        "rds:DeleteDBInstance",
        "rds:DescribeDBInstances",
        "rds:ModifyDBInstance",
        "rds:RestoreDBInstanceToPointInTime",
        *RUNNER_PERMISSIONS,
    )

    def needs(self, ctx: Context) -> tuple[Need, ...]:
        """Databases, keys and machines in the target's region."""
        region = ctx.target.region
        return (
            Need("rds", region),
            Need("kms", region, "data"),
            Need("ec2", region),
            Need("s3", region, "data"),
        )

    def preview(self, ctx: Context) -> Preview:
        """The key is asked about; the instance would be new."""
        site = ctx.sites.of(ctx.target)
        settings = _settings(ctx)
        name = restored_identifier(ctx.target.database.identifier, ctx.run)
        trouble = site.database.key_trouble(settings)
        change = Change("+", f"{name} ({settings.instance_class}, {settings.storage_gb} GB)")
        return Preview(
            changes=() if site.database.find(name) else (change,),
            expected_seconds=560,
            refusals=(trouble,) if trouble else (),
        )

    def perform(self, ctx: Context) -> DatabaseRestored:
        """Restore, wait for an endpoint, then let a runner wait for SQL."""
        point = ctx.fact(RecoveryPoint)
        database = ctx.sites.of(ctx.target).database
        name = restored_identifier(ctx.target.database.identifier, ctx.run)
        found = _backups_of(point)
        instance = database.restore(found, point.restore_to, name, _settings(ctx), tags(ctx))
        ctx.progress(f"{name} is being restored to {point.restore_to:%H:%M:%S}", None)
        runner, key = ctx.sites.of(ctx.target).runner, f"{ctx.key}/await-sql"
        runner.prepare(key, tags(ctx))
        instance = ctx.poll(f"{name} has an endpoint", lambda: _with_endpoint(database.find(name), name))
        host, port = instance.host or "", instance.port
        left = max(60.0, (ctx.deadline - ctx.clock.now()).total_seconds())
        job = AwaitSql(target=database_target(ctx, host, port), seconds=round(left))
        ctx.progress("waiting until SQL answers", None)
        finish_job(ctx, runner, start_job(ctx, runner, key, job), "SQL answers")
        return DatabaseRestored(
            identifier=name,
            resource_id=instance.resource_id,
            arn=instance.arn,
            host=host,
            port=port,
            restored_to=point.restore_to,
            instance_class=options(ctx, RestoreWith).instance_class or "",
        )

    def verify(self, ctx: Context, fact: Fact | None) -> None:
        """It is this run's instance, and not one that AWS gave up on."""
        assert isinstance(fact, DatabaseRestored)
        instance = ctx.sites.of(ctx.target).database.find(fact.identifier)
        if instance is None or instance.resource_id != fact.resource_id or instance.status in _DEAD:
            state = instance.status if instance else "not there"
            raise ActionFailed(
                f"{fact.identifier} in {ctx.target.region} is {state}",
                means="there is no database to go on with",
                cure="see its events: aws rds describe-events --source-type db-instance "
                f"--source-identifier {fact.identifier} --region {ctx.target.region}",
            )

    def undo(self, ctx: Context, fact: Fact | None) -> None:
        """Delete the instance that this run restored."""
        name = restored_identifier(ctx.target.database.identifier, ctx.run)
        ctx.sites.of(ctx.target).database.delete(name)

    def by_hand(self, ctx: Context) -> str:
        """Commands."""
        settings, region = _settings(ctx), ctx.target.region
        name = restored_identifier(ctx.target.database.identifier, ctx.run)
        return "\n".join(
            (
                f"aws rds restore-db-instance-to-point-in-time --region {region} \\",
                "  --source-db-instance-automated-backups-arn ARN_FROM_RECOVERY_POINT \\",
                f"  --use-latest-restorable-time --target-db-instance-identifier {name} \\",
                f"  --db-instance-class {settings.instance_class} --storage-type {settings.storage_type} \\",
                f"  --db-subnet-group-name {settings.subnet_group} \\",
                f"  --db-parameter-group-name {settings.parameter_group} \\",
                f"  --vpc-security-group-ids {' '.join(settings.security_group_ids)} \\",
                f"  --backup-retention-period {settings.backup_retention_days} \\",
                "  --no-publicly-accessible --no-multi-az --deletion-protection",
                "# do not wait for `available`: try SQL from a machine in the site once there is an endpoint",
            )
        )


def _settings(ctx: Context) -> DatabaseSettings:
    """The site's own, with the class that the step names."""
    settings, wanted = ctx.target.database.settings, options(ctx, RestoreWith).instance_class
    return settings.model_copy(update={"instance_class": wanted}) if wanted else settings


def _with_endpoint(instance: Instance | None, name: str) -> Instance | None:
    """The instance once it has an address; ActionFailed when AWS gave up on it."""
    if instance is not None and instance.status in _DEAD:
        raise ActionFailed(
            f"{name} is {instance.status}",
            means="the restore has failed and will not go on",
            cure="dr abort undoes it; or delete the instance and dr resume",
        )
    return instance if instance is not None and instance.host else None


def _backups_of(point: RecoveryPoint) -> Backups:
    return Backups(
        id=point.backups,
        database=point.database,
        source_region=point.source_region,
        earliest=point.restore_to,
        latest=point.restore_to,
        status="",
        storage_gb=point.storage_gb,
        engine_version=point.engine_version,
    )
