"""When the lost region returns: it serves nothing, writes nothing, runs no jobs."""

from __future__ import annotations

from recovery.actions.base import Action, Change, Context, Fact, Need, Preview
from recovery.actions.facts import SiteQuarantined
from recovery.continuity import state_folder
from recovery.errors import ActionFailed, LifeboatError, Refusal
from recovery.stack_files import Place, StackFiles


class QuarantineSite(Action):
    """Servers to zero, holding page, database closed to web servers. The latch keeps customers away."""

    name = "quarantine-site"
    summary = "keep the site that returned from serving and writing"
    gives = SiteQuarantined
    permissions = (
        "autoscaling:DescribeAutoScalingGroups",
        "autoscaling:DescribeInstanceRefreshes",
        "autoscaling:UpdateAutoScalingGroup",
        "ec2:AuthorizeSecurityGroupIngress",
        "ec2:DescribeSecurityGroupRules",
        "ec2:RevokeSecurityGroupIngress",
        "elasticloadbalancing:DescribeListeners",
        "elasticloadbalancing:ModifyListener",
        "s3:GetObject",
    )

    def needs(self, ctx: Context) -> tuple[Need, ...]:
        """The returned site's own control planes."""
        region = ctx.source.region
        planes = tuple(Need(service, region) for service in ("ec2", "autoscaling", "elb"))
        return (*planes, Need("s3", ctx.edge.latch.region, "data"))

    def preview(self, ctx: Context) -> Preview:
        """What it would stop."""
        if serving := _leads_there(ctx):
            return Preview(refusals=(serving,))
        if ctx.sites.of(ctx.source).fence.is_quarantined():
            return Preview(notes=("quarantined already",))
        change = Change("~", f"{ctx.source.stack}: no servers, holding page, database closed")
        return Preview(changes=(change,), expected_seconds=60)

    def perform(self, ctx: Context) -> SiteQuarantined:
        """Quarantine and wait until nothing runs. Refusal while the name may lead there."""
        if serving := _leads_there(ctx):
            raise Refusal(
                serving,
                means=f"to quarantine {ctx.source.stack} would take the service from its customers",
                cure="quarantine only a site that another one has taken over from",
            )
        fence = ctx.sites.of(ctx.source).fence
        done = tuple(fence.quarantine())
        ctx.progress("; ".join(done) or "quarantined already", None)
        ctx.poll(f"nothing serves in {ctx.source.region}", lambda: fence.is_quarantined() or None)
        return SiteQuarantined(site=ctx.source.stack, done=done, patch=_held(ctx))

    def verify(self, ctx: Context, fact: Fact | None) -> None:
        """Asked of the site."""
        if not ctx.sites.of(ctx.source).fence.is_quarantined():
            raise ActionFailed(
                f"{ctx.source.stack} is not quarantined",
                means="it may serve customers or write to its old database",
                cure=self.by_hand(ctx),
            )

    def undo(self, ctx: Context, fact: Fact | None) -> None:
        """Open the database again; servers and page come with the stack's next `up`."""
        ctx.sites.of(ctx.source).fence.release()
        _configured(ctx, holdingPage="off", jobs="on")

    def by_hand(self, ctx: Context) -> str:
        """Commands."""
        site, region = ctx.source, ctx.source.region
        return "\n".join(
            (
                f"aws autoscaling update-auto-scaling-group --region {region} --auto-scaling-group-name "
                f"{site.web.autoscaling_group} --min-size 0 --max-size 0 --desired-capacity 0",
                f"aws ec2 revoke-security-group-ingress --region {region} --group-id "
                f"{site.network.database_security_group_id} --protocol tcp --port "
                f"{site.database.settings.port} --source-group {site.network.web_security_group_id}",
            )
        )


def _held(ctx: Context) -> str:
    """The stack's configuration says so, too: whoever brings it up again lets nobody in and runs no jobs."""
    return _configured(ctx, holdingPage="on", jobs="off")


def _configured(ctx: Context, **values: str) -> str:
    """The patch to commit; empty when the stack's files are not here, which stops no quarantine."""
    files = StackFiles(
        ctx.source.stack, Place(ctx.project, state_folder(ctx.project), ctx.folder, ctx.run, ctx.step)
    )
    try:
        return str(files.configure(**values))
    except (LifeboatError, OSError) as error:
        ctx.progress(f"{ctx.source.stack}: its configuration was not changed: {error}", None)
        return ""


def _leads_there(ctx: Context) -> str:
    """Why customers may be led to the site; empty when the latch keeps them away."""
    engaged = ctx.sites.latch(ctx.edge).engaged()
    if engaged:
        return ""
    why = "is not engaged" if engaged is False else "cannot be read"
    return f"the latch {why}: {ctx.edge.service_name} may lead to {ctx.source.stack}"
