"""Bring a site's stack from pilot light to full, holding page on, jobs off."""

from __future__ import annotations

from typing import ClassVar, Literal

from recovery.actions._common import options
from recovery.actions._stack import STACK_PERMISSIONS, keep, stack_of
from recovery.actions.base import Action, Change, Context, Fact, Need, Preview, With
from recovery.actions.facts import StackUp
from recovery.errors import ActionFailed, LifeboatError


class UpWith(With):
    """Configuration of the stack while it takes over."""

    footprint: Literal["pilot", "full"] = "full"
    jobs: Literal["on", "off"] = "off"
    artefact: str | None = None
    """Version to deploy; the lost site's last known one when not given."""
    refresh: bool = False
    """Look first at what really stands, so that what was deleted behind the stack's back is made anew."""


class BringStackUp(Action):
    """`pulumi up` by the Automation API on a copy of the stack's configuration, policy pack on."""

    name = "bring-stack-up"
    summary = "bring the site's stack up with its full footprint"
    With: ClassVar[type[With]] = UpWith
    gives = StackUp
    permissions = STACK_PERMISSIONS

    def needs(self, ctx: Context) -> tuple[Need, ...]:
        """Control planes of what the footprint adds in the target's region."""
        region = ctx.target.region
        return tuple(Need(service, region) for service in ("ec2", "autoscaling", "elb", "s3", "sts"))

    def preview(self, ctx: Context) -> Preview:
        """Ask the engine."""
        stack = stack_of(ctx, ctx.target.stack)
        stack.stage(**self._values(ctx))
        try:
            changes = stack.preview(ctx.progress, ctx.cancelled)
        except LifeboatError as error:
            return Preview(refusals=(str(error),))
        counts = (("+", changes.created), ("~", changes.updated), ("-", changes.deleted))
        listed = tuple(Change(sign, f"{n} resources of {stack.name}") for sign, n in counts if n)  # type: ignore[arg-type]
        refusals = (f"{changes.replaced} resources would be replaced",) if changes.replaced else ()
        return Preview(changes=listed, expected_seconds=240, refusals=refusals)

    def perform(self, ctx: Context) -> StackUp:
        """Configure and up."""
        stack = stack_of(ctx, ctx.target.stack)
        patch = stack.configure(**self._values(ctx))
        changes = stack.up(ctx.progress, ctx.cancelled, refresh=options(ctx, UpWith).refresh)
        keep(ctx, stack)
        ctx.progress(f"{stack.name}: {changes.done}", 1)
        return StackUp(
            stack=stack.name,
            created=changes.created,
            updated=changes.updated,
            replaced=changes.replaced,
            deleted=changes.deleted,
            patch=str(patch),
            backend=stack.backend,
        )

    def verify(self, ctx: Context, fact: Fact | None) -> None:
        """The group of servers may now have as many as it needs, and visitors still see the holding page."""
        group = ctx.sites.of(ctx.target).web.group()
        if options(ctx, UpWith).footprint == "full" and group.maximum < ctx.target.web.capacity_full:
            raise ActionFailed(
                f"{ctx.target.web.autoscaling_group} allows {group.maximum} servers after `up`",
                means="the web tier cannot take over: someone changed the group outside of its stack",
                cure=f"aws autoscaling update-auto-scaling-group --region {ctx.target.region} "
                f"--auto-scaling-group-name {ctx.target.web.autoscaling_group} "
                f"--max-size {ctx.target.web.capacity_full}, then dr resume",
            )

    def undo(self, ctx: Context, fact: Fact | None) -> None:
        """Back to pilot light."""
        stack = stack_of(ctx, ctx.target.stack)
        stack.configure(footprint="pilot", jobs="off")
        stack.up(ctx.progress, ctx.cancelled)

    def by_hand(self, ctx: Context) -> str:
        """Commands."""
        values = self._values(ctx)
        name = ctx.target.stack
        lines = [f"pulumi config set --stack {name} lifeboat:{key} {value}" for key, value in values.items()]
        return "\n".join([*lines, f"pulumi up --stack {name} --policy-pack infra/policies"])

    def _values(self, ctx: Context) -> dict[str, str]:
        with_ = options(ctx, UpWith)
        return {
            "footprint": with_.footprint,
            "jobs": with_.jobs,
            "holdingPage": "on",
            "artefactVersion": with_.artefact or ctx.source.web.artefact_version,
        }
