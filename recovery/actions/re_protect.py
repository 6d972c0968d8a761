"""Protect the new primary as the old one was: a second zone, backups onward, in the stack."""

from __future__ import annotations

from typing import ClassVar, Literal

from recovery.actions._common import options
from recovery.actions._stack import STACK_PERMISSIONS, keep, stack_of
from recovery.actions.base import Action, Change, Context, Fact, Need, Preview, With
from recovery.actions.facts import DatabaseAdopted, Reprotected
from recovery.errors import ActionFailed


class ProtectWith(With):
    """Whether the stack is brought up by this step."""

    up: Literal["now", "later"] = "now"
    """`later`: protection is asked of RDS now; the rest waits, configured, for the `up` of a step that
    follows (release-jobs): one `up` of a big stack less."""


class ReProtect(Action):
    """One `up` with what recovery had left out for speed; Multi-AZ is asked for as soon as RDS allows it."""

    name = "re-protect"
    summary = "Multi-AZ, backups and what else the stack declares, by one `up`"
    With: ClassVar[type[With]] = ProtectWith
    takes = (DatabaseAdopted,)
    gives = Reprotected
    permissions = STACK_PERMISSIONS
    irreversible = "protection is not taken away again"

    def needs(self, ctx: Context) -> tuple[Need, ...]:
        """The stack's control planes."""
        region = ctx.target.region
        return tuple(Need(service, region) for service in ("rds", "ec2", "autoscaling", "elb", "s3"))

    def preview(self, ctx: Context) -> Preview:
        """What it adds."""
        days = ctx.target.database.settings.backup_retention_days
        return Preview(changes=(Change("~", f"Multi-AZ, backups {days} days"),), expected_seconds=600)

    def perform(self, ctx: Context) -> Reprotected:
        """Wait until RDS takes changes, then up."""
        adopted = ctx.fact(DatabaseAdopted)
        database = ctx.sites.of(ctx.target).database
        days = ctx.target.database.settings.backup_retention_days
        ctx.progress(f"waiting until {adopted.identifier} can be changed", None)
        ctx.poll(
            f"{adopted.identifier} takes a second zone",
            lambda: database.change(adopted.identifier, multi_az=True, backup_retention_days=days) or None,
        )
        ctx.poll(f"{adopted.identifier} has a second zone", lambda: self._is_protected(ctx, adopted) or None)
        stack = stack_of(ctx, ctx.target.stack)
        patch = stack.configure(multiAz="true", holdingPage="off")
        if options(ctx, ProtectWith).up == "now":
            changes = stack.up(ctx.progress, ctx.cancelled)
            keep(ctx, stack)
            ctx.progress(f"{stack.name}: {changes.done}", 1)
        return Reprotected(
            identifier=adopted.identifier, multi_az=True, backup_retention_days=days, patch=str(patch)
        )

    def verify(self, ctx: Context, fact: Fact | None) -> None:
        """Asked of RDS."""
        assert isinstance(fact, Reprotected)
        instance = ctx.sites.of(ctx.target).database.find(fact.identifier)
        if instance is None or not instance.multi_az or not instance.backup_retention_days:
            raise ActionFailed(
                f"{fact.identifier} has no second zone or no backups",
                means="the new primary would not survive the loss of a zone, or could not be restored",
                cure="aws rds modify-db-instance --multi-az --backup-retention-period 14 --apply-immediately",
            )

    def by_hand(self, ctx: Context) -> str:
        """Commands."""
        name = ctx.target.stack
        return (
            f"pulumi config set --stack {name} lifeboat:multiAz true\n"
            f"pulumi up --stack {name} --policy-pack infra/policies"
        )

    @staticmethod
    def _is_protected(ctx: Context, adopted: DatabaseAdopted) -> bool:
        instance = ctx.sites.of(ctx.target).database.find(adopted.identifier)
        return instance is not None and instance.multi_az and instance.status == "available"
