"""Background jobs and outbound mail run again."""

from __future__ import annotations

from recovery.actions._stack import STACK_PERMISSIONS, keep, stack_of
from recovery.actions.base import Action, Change, Context, Fact, Need, Preview
from recovery.actions.facts import JobsReleased, NameSwitched
from recovery.errors import ActionFailed


class ReleaseJobs(Action):
    """Held back until now: no mail went out, no job ran twice on data that may lack its last minutes."""

    name = "release-jobs"
    summary = "let background jobs and outbound mail run at the new site"
    takes = (NameSwitched,)
    gives = JobsReleased
    permissions = STACK_PERMISSIONS

    def needs(self, ctx: Context) -> tuple[Need, ...]:
        """The stack's control planes."""
        region = ctx.target.region
        return tuple(Need(service, region) for service in ("rds", "ec2", "autoscaling", "elb", "s3"))

    def preview(self, ctx: Context) -> Preview:
        """What it changes."""
        change = Change("~", f"{ctx.target.stack}: jobs on; servers are replaced one after the other")
        return Preview(changes=(change,), expected_seconds=300)

    def perform(self, ctx: Context) -> JobsReleased:
        """Configure, up, and wait for the rolling refresh."""
        stack = stack_of(ctx, ctx.target.stack)
        patch = stack.configure(jobs="on")
        changes = stack.up(ctx.progress, ctx.cancelled)
        ctx.progress(f"{stack.name}: {changes.done}; servers are being replaced", None)
        web = ctx.sites.of(ctx.target).web
        keep(ctx, stack)
        ctx.poll("all servers run with jobs on", lambda: not web.group().refreshing or None)
        return JobsReleased(stack=stack.name, patch=str(patch))

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
