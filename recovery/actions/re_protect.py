"""Protect the new primary as the old one was: a second zone, backups onward."""

from __future__ import annotations

from recovery.actions.base import Action, Change, Context, Fact, Need, Preview
from recovery.actions.facts import DatabaseRestored, Reprotected
from recovery.errors import ActionFailed


class ReProtect(Action):
    """What the restore had left out for speed, asked of RDS itself as soon as it takes changes.

    The stack is told by the step that adopts the instance, and need not wait for this, nor this for it.
    """

    name = "re-protect"
    summary = "a second zone and backups onward for the restored database"
    takes = (DatabaseRestored,)
    gives = Reprotected
    permissions = ("rds:DescribeDBInstances", "rds:ModifyDBInstance")
    irreversible = "protection is not taken away again"

    def needs(self, ctx: Context) -> tuple[Need, ...]:
        """RDS where the database is now."""
        return (Need("rds", ctx.target.region),)

    def preview(self, ctx: Context) -> Preview:
        """What it adds."""
        return Preview(changes=(Change("~", f"Multi-AZ, backups {_days(ctx)} days"),), expected_seconds=600)

    def perform(self, ctx: Context) -> Reprotected:
        """Wait until RDS takes changes (`backing-up` must be over), change, wait for the second zone."""
        identifier, days = ctx.fact(DatabaseRestored).identifier, _days(ctx)
        database = ctx.sites.of(ctx.target).database
        ctx.progress(f"waiting until {identifier} can be changed", None)
        ctx.poll(
            f"{identifier} takes a second zone",
            lambda: database.change(identifier, multi_az=True, backup_retention_days=days) or None,
        )
        ctx.progress(f"{identifier} gets a second zone", None)
        ctx.poll(f"{identifier} has a second zone", lambda: _is_protected(ctx, identifier) or None)
        return Reprotected(identifier=identifier, multi_az=True, backup_retention_days=days)

    def verify(self, ctx: Context, fact: Fact | None) -> None:
        """Asked of RDS."""
        assert isinstance(fact, Reprotected)
        instance = ctx.sites.of(ctx.target).database.find(fact.identifier)
        if instance is None or not instance.multi_az or not instance.backup_retention_days:
            raise ActionFailed(
                f"{fact.identifier} has no second zone or no backups",
                means="the new primary would not survive the loss of a zone, or could not be restored",
                cure=self.by_hand(ctx),
            )

    def by_hand(self, ctx: Context) -> str:
        """Commands."""
        return (
            f"aws rds modify-db-instance --region {ctx.target.region} --db-instance-identifier RESTORED \\\n"
            f"  --multi-az --backup-retention-period {_days(ctx)} --apply-immediately"
        )


def _days(ctx: Context) -> int:
    return ctx.target.database.settings.backup_retention_days


def _is_protected(ctx: Context, identifier: str) -> bool:
    instance = ctx.sites.of(ctx.target).database.find(identifier)
    return instance is not None and instance.multi_az and instance.status == "available"
