"""Background jobs and outbound mail run again."""

from __future__ import annotations

from typing import ClassVar

from recovery.actions._common import options
from recovery.actions._stack import STACK_PERMISSIONS, keep, stack_of
from recovery.actions.base import Action, Change, Context, Fact, Need, Preview, With
from recovery.actions.facts import JobsReleased, NameSwitched
from recovery.continuity import state_folder
from recovery.errors import ActionFailed, OutOfTime
from recovery.stack_files import Place, StackFiles
from recovery.stacks import Changes, Stack

_BACKUPS_TO = "backupRegion"


class JobsWith(With):
    """What the stack's `up` is to bring besides the jobs."""

    copy_backups: bool = True
    """Whether to begin to copy the database's backups to `backupRegion`; not while that one is lost."""


class ReleaseJobs(Action):
    """Held back until now: no mail went out, no job ran twice on data that may lack its last minutes.

    The same `up` begins to copy the new primary's backups onward, and leaves that for a later one while the
    region that they go to is lost: jobs do not wait for it.
    """

    name = "release-jobs"
    summary = "let background jobs and outbound mail run at the new site"
    With: ClassVar[type[With]] = JobsWith
    takes = (NameSwitched,)
    gives = JobsReleased
    permissions = STACK_PERMISSIONS

    def needs(self, ctx: Context) -> tuple[Need, ...]:
        """The stack's control planes."""
        region, elsewhere = ctx.target.region, _backups_to(ctx)
        here = tuple(Need(service, region) for service in ("rds", "ec2", "autoscaling", "elb", "s3"))
        there = tuple(Need(service, elsewhere) for service in ("kms", "rds") if elsewhere)
        return here if _owed(ctx) else here + there

    def preview(self, ctx: Context) -> Preview:
        """What it changes."""
        change = Change("~", f"{ctx.target.stack}: jobs on; servers are replaced one after the other")
        owed = _owed(ctx)
        notes = (f"backups will not be copied to {owed}, which is out of reach",) if owed else ()
        return Preview(changes=(change,), expected_seconds=300, notes=notes)

    def perform(self, ctx: Context) -> JobsReleased:
        """Configure, up, and wait for the rolling refresh."""
        stack = stack_of(ctx, ctx.target.stack)
        # What copies already stays declared: taking it away would end the copies.
        owed = "" if any("aws:BackupKey" in urn for urn in stack.ids()) else _owed(ctx)
        patch = stack.configure(jobs="on", without=_BACKUPS_TO if owed else "")
        changes = self._up(ctx, stack)
        ctx.progress(f"{stack.name}: {changes.done}; servers are being replaced", None)
        web = ctx.sites.of(ctx.target).web
        keep(ctx, stack)
        ctx.poll("all servers run with jobs on", lambda: not web.group().refreshing or None)
        return JobsReleased(stack=stack.name, patch=str(patch), backups_owed=owed)

    @staticmethod
    def _up(ctx: Context, stack: Stack) -> Changes:
        try:
            return stack.up(ctx.progress, ctx.cancelled)
        except OutOfTime as error:
            if elsewhere := _backups_to(ctx):
                error.cure += (
                    f"; if {elsewhere} is what does not answer, let the jobs run without copies of backups "
                    f"there: dr resume … --use {ctx.step}.copy_backups=false --reason WHY"
                )
            raise

    def verify(self, ctx: Context, fact: Fact | None) -> None:
        """The servers held through the change."""
        targets = ctx.sites.of(ctx.target).web.targets()
        if targets.healthy < 1:
            raise ActionFailed(
                "no web server is healthy after jobs were released",
                means="customers are not served",
                cure="see a server's console: aws ec2 get-console-output; to hold jobs back again: "
                f"pulumi config set --stack {ctx.target.stack} lifeboat:jobs off, then pulumi up",
            )

    def undo(self, ctx: Context, fact: Fact | None) -> None:
        """Hold them back again."""
        stack = stack_of(ctx, ctx.target.stack)
        stack.configure(jobs="off")
        stack.up(ctx.progress, ctx.cancelled)

    def by_hand(self, ctx: Context) -> str:
        """Commands."""
        name = ctx.target.stack
        return (
            f'pulumi config set --stack {name} lifeboat:jobs "on"\n'
            f"pulumi up --stack {name} --policy-pack infra/policies"
        )


def _backups_to(ctx: Context) -> str:
    """The region that the stack copies its backups to once it serves; empty when none is configured."""
    place = Place(ctx.project, state_folder(ctx.project), ctx.folder, ctx.run, ctx.step)
    return StackFiles(ctx.target.stack, place).declared(_BACKUPS_TO) or ""


def _owed(ctx: Context) -> str:
    """That region, when no copies can begin now."""
    region = _backups_to(ctx)
    return region if region in ctx.lost or not options(ctx, JobsWith).copy_backups else ""
