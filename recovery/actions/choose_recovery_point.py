"""Which backups, and which moment."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import AwareDatetime, model_validator

from recovery.actions._common import options
from recovery.actions.base import Action, Context, Fact, Need, Preview, With
from recovery.actions.facts import RecoveryPoint, SiteLost
from recovery.errors import ActionFailed, LifeboatError, Refusal
from recovery.sites.ports import Backups
from recovery.units import human


class ChooseWith(With):
    """`latest`, or a moment."""

    prefer: Literal["latest", "moment"] = "latest"
    moment: AwareDatetime | None = None
    """With its time zone; must lie inside the backups' window."""
    beyond_promise: bool = False
    """Whether a person has decided to lose more than the plan promises."""

    @model_validator(mode="after")
    def _named(self) -> ChooseWith:
        if self.prefer == "moment" and self.moment is None:
            raise ValueError("`prefer: moment` names no moment: add `moment:` with its time zone")
        return self


class ChooseRecoveryPoint(Action):
    """The latest moment that the replicated backups reach, or one that a person named."""

    name = "choose-recovery-point"
    summary = "choose the moment to restore to from the backups that reached the site"
    With: ClassVar[type[With]] = ChooseWith
    takes = (SiteLost,)
    gives = RecoveryPoint
    permissions = ("rds:DescribeDBInstanceAutomatedBackups",)

    def needs(self, ctx: Context) -> tuple[Need, ...]:
        """RDS where the backups are."""
        return (Need("rds", ctx.target.region),)

    def preview(self, ctx: Context) -> Preview:
        """What it would choose now."""
        try:
            point = self._choose(ctx)
        except LifeboatError as error:
            return Preview(refusals=(str(error),))
        note = f"backups reach {point.restore_to:%H:%M:%S}, loss {human(point.loss_seconds)} if taken now"
        if _too_old(ctx, point):
            note += (
                f", which is more than the promised {human(ctx.promised_rpo or 0.0)}: a person must accept it"
            )
        return Preview(expected_seconds=5, notes=(note,), loss_s=point.loss_seconds)

    def perform(self, ctx: Context) -> RecoveryPoint:
        """Choose."""
        point = self._choose(ctx)
        loss = human(point.loss_seconds)
        if _too_old(ctx, point) and not options(ctx, ChooseWith).beyond_promise:
            raise Refusal(
                f"backups reach {point.restore_to:%Y-%m-%d %H:%M:%S} only: {loss} of writes would be lost, "
                f"and the plan promises {human(ctx.promised_rpo or 0.0)} at most",
                means="nothing was restored yet, and replicated backups of a lost region do not get younger; "
                "everything else goes on",
                cure=f"to accept that loss: dr resume … --use {ctx.step}.beyond_promise=true --reason WHY; "
                "or restore something younger by hand (a snapshot copy, a dump), and --override restore-db",
            )
        ctx.progress(f"replicated backups reach {point.restore_to:%H:%M:%S} (loss {loss} if taken now)", 1)
        return point

    def verify(self, ctx: Context, fact: Fact | None) -> None:
        """The moment lies in the window that AWS states now."""
        assert isinstance(fact, RecoveryPoint)
        for backups in ctx.sites.of(ctx.target).database.backups():
            if backups.id == fact.backups and backups.earliest <= fact.restore_to <= backups.latest:
                return
        raise ActionFailed(
            f"{fact.backups} no longer reach {fact.restore_to:%Y-%m-%d %H:%M:%S}",
            means="a restore to that moment would be refused",
            cure="choose again: dr resume … --retry recovery-point",
        )

    def by_hand(self, ctx: Context) -> str:
        """Commands."""
        return (
            f"aws rds describe-db-instance-automated-backups --region {ctx.target.region} \\\n"
            "  --query 'DBInstanceAutomatedBackups[].[DBInstanceIdentifier,DBInstanceAutomatedBackupsArn,"
            "RestoreWindow]'"
        )

    def _choose(self, ctx: Context) -> RecoveryPoint:
        with_ = options(ctx, ChooseWith)
        backups = self._newest(ctx)
        moment = backups.latest if with_.moment is None else with_.moment
        if not backups.earliest <= moment <= backups.latest:
            raise ActionFailed(
                f"{moment} is outside of the backups' window {backups.earliest} to {backups.latest}",
                means="AWS would refuse to restore to it",
                cure="choose a moment inside, or `prefer: latest`",
            )
        lost = ctx.facts.get(SiteLost)
        until = lost.assessed_at if isinstance(lost, SiteLost) else ctx.clock.now()
        if isinstance(lost, SiteLost) and ctx.since is not None:
            until = min(until, max(ctx.since, moment))  # nobody wrote between the outage and its assessment
        return RecoveryPoint(
            backups=backups.id,
            database=backups.database,
            source_region=backups.source_region,
            restore_to=moment,
            loss_seconds=max(0.0, (until - moment).total_seconds()),
            storage_gb=backups.storage_gb,
            engine_version=backups.engine_version,
        )

    def _newest(self, ctx: Context) -> Backups:
        wanted, region = ctx.source.database.identifier, ctx.source.region
        found = ctx.sites.of(ctx.target).database.backups()
        usable = [b for b in found if b.database == wanted and b.source_region == region]
        if not usable:
            others = ", ".join(sorted({f"{b.database} of {b.source_region}" for b in found})) or "none"
            raise ActionFailed(
                f"no backups of {wanted} ({region}) have reached {ctx.target.region}; there are: {others}",
                means="the database cannot be restored there from RDS's own backups",
                cure="aws rds describe-db-instance-automated-backups --region "
                f"{ctx.target.region}; restore from a snapshot copy or a dump if there is one",
            )
        return max(usable, key=lambda b: b.latest)


def _too_old(ctx: Context, point: RecoveryPoint) -> bool:
    return ctx.promised_rpo is not None and point.loss_seconds > ctx.promised_rpo
