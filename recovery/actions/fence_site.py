"""Take the lost site out of the name, and keep it out when it returns."""

from __future__ import annotations

from recovery.actions.base import Action, Change, Context, Fact, Need, Preview
from recovery.actions.facts import SiteFenced, SiteLost
from recovery.errors import ActionFailed, Refusal


class FenceSite(Action):
    """Engages the latch: one object written in the standby's region, no control plane."""

    name = "fence-site"
    summary = "engage the latch, so that the name leaves the lost site and does not go back to it"
    takes = (SiteLost,)
    gives = SiteFenced
    permissions = ("s3:DeleteObject", "s3:GetObject", "s3:PutObject")

    def needs(self, ctx: Context) -> tuple[Need, ...]:
        """S3's data plane where the latch is."""
        return (Need("s3", ctx.edge.latch.region, "data"),)

    def preview(self, ctx: Context) -> Preview:
        """Whether it is engaged already."""
        engaged = ctx.sites.latch(ctx.edge).engaged()
        if engaged is None:
            return Preview(refusals=(f"the latch at {ctx.edge.latch.url} cannot be read",))
        change = Change("+", f"latch s3://{ctx.edge.latch.bucket}/{ctx.edge.latch.key}")
        return Preview(changes=() if engaged else (change,), expected_seconds=2)

    def perform(self, ctx: Context) -> SiteFenced:
        """Engage; one that is engaged keeps its reason, which says whose it is."""
        latch = ctx.sites.latch(ctx.edge)
        if latch.engaged() is not True:
            latch.engage(f"{ctx.run}: {ctx.source.stack} in {ctx.source.region} is lost\n")
        ctx.progress(f"latch engaged: {ctx.source.stack} is out of {ctx.edge.failover_name}", 1)
        return SiteFenced(latch=ctx.edge.latch.url, engaged_at=ctx.clock.now())

    def verify(self, ctx: Context, fact: Fact | None) -> None:
        """Read it back."""
        if not ctx.sites.latch(ctx.edge).engaged():
            raise ActionFailed(
                f"the latch at {ctx.edge.latch.url} is not there after it was written",
                means="the name may go back to the lost site when that returns",
                cure=self.by_hand(ctx),
            )

    def undo(self, ctx: Context, fact: Fact | None) -> None:
        """Release the latch, if this run engaged it."""
        latch, there = ctx.sites.latch(ctx.edge), ctx.edge.latch
        command = f"aws s3 rm s3://{there.bucket}/{there.key} --region {there.region}"
        reason = latch.reason()
        if reason is not None and not reason.startswith(f"{ctx.run}:"):
            raise Refusal(
                f"the latch was not engaged by this run, and stays (it says: {reason.strip()})",
                means=f"while it is there, {ctx.edge.failover_name} never leads to {ctx.source.stack}",
                cure=f"to let customers back: {command}",
            )
        latch.release()

    def by_hand(self, ctx: Context) -> str:
        """Commands."""
        latch = ctx.edge.latch
        return (
            f"echo lost | aws s3 cp - s3://{latch.bucket}/{latch.key} --region {latch.region}\n"
            f"curl -s -o /dev/null -w '%{{http_code}}\\n' {latch.url}      # expected: 200"
        )
