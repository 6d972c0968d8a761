"""Let customers in: the holding page goes, and the name is watched until everyone is led to the new site."""

from __future__ import annotations

from collections.abc import Sequence

from recovery.actions.base import Action, Change, Context, Fact, Need, Preview
from recovery.actions.facts import NameSeen, NameSwitched, ServiceVerified
from recovery.checks import load
from recovery.dns.convergence import Server, watched, wrong
from recovery.errors import ActionFailed, LifeboatError


class SwitchName(Action):
    """The latch has led the name away already; here the page behind it becomes the service."""

    name = "switch-name"
    summary = "take the holding page away and watch the name until everyone is led to the new site"
    takes = (ServiceVerified,)
    gives = NameSwitched
    permissions = (
        "elasticloadbalancing:DescribeListeners",
        "elasticloadbalancing:ModifyListener",
        "s3:GetObject",
        "s3:PutObject",
    )

    def needs(self, ctx: Context) -> tuple[Need, ...]:
        """The load balancer's control plane, the latch, and Route 53's servers; not its control plane."""
        return (
            Need("elb", ctx.target.region),
            Need("s3", ctx.edge.latch.region, "data"),
            Need("route53", "global", "data"),
        )

    def preview(self, ctx: Context) -> Preview:
        """The one expected difference."""
        changes = []
        if ctx.sites.of(ctx.target).web.holding_page():
            changes.append(Change("~", f"holding page of {ctx.target.stack} off"))
        if ctx.sites.latch(ctx.edge).engaged() is not True:
            changes.append(Change("+", f"latch on; {ctx.edge.service_name} → {ctx.target.region}"))
        return Preview(changes=tuple(changes), expected_seconds=ctx.edge.ttl + 60)

    def perform(self, ctx: Context) -> NameSwitched:
        """Page off, latch on, watch."""
        began = ctx.clock.monotonic()
        began_at = ctx.clock.now()
        latch = ctx.sites.latch(ctx.edge)
        if latch.engaged() is not True:  # fencing did it; a store that takes no writes now stops nothing
            latch.engage(f"{ctx.run}: {ctx.target.stack} serves\n")
        page = ctx.sites.of(ctx.target).web.serve()
        servers = watched(ctx.sites.endpoints, ctx.edge)
        seen: dict[Server, float] = {}

        def probe() -> bool | None:
            bad = wrong(ctx.sites.endpoints, [s for s in servers if s not in seen], ctx.edge, ctx.target)
            for server in servers:
                if server not in seen and server not in bad:
                    seen[server] = ctx.clock.monotonic() - began
            ctx.progress(_progress(servers, seen), len(seen) / max(1, len(servers)))
            return not bad or None

        ctx.poll(f"everyone is led to {ctx.target.web.origin_name}", probe)
        return NameSwitched(
            site=ctx.target.stack,
            began_at=began_at,
            seen=tuple(
                NameSeen(
                    server=server.label,
                    kind="name server" if server.authoritative else "resolver",
                    seconds=round(seconds, 3),
                )
                for server, seconds in seen.items()
            ),
            page=page,
        )

    def verify(self, ctx: Context, fact: Fact | None) -> None:
        """The service answers customers by its own name."""
        if ctx.sites.of(ctx.target).web.holding_page():
            raise ActionFailed(
                "the holding page is still up", means="customers are not served", cure="dr resume"
            )
        for check in (c for c in load(ctx.project).http if c.method == "GET"):

            def probe(path: str = check.path, status: int = check.expect.status) -> bool | None:
                try:
                    reply = ctx.sites.endpoints.https("GET", ctx.edge.service_name, path)
                except LifeboatError:
                    return None
                return reply.status == status or None

            ctx.poll(f"https://{ctx.edge.service_name}{check.path} answers {check.expect.status}", probe)

    def undo(self, ctx: Context, fact: Fact | None) -> None:
        """Put the holding page back; the latch belongs to fence-site.

        A plain one when the step did not end, or was done again after a crash: what stood there is not known.
        """
        web = ctx.sites.of(ctx.target).web
        if isinstance(fact, NameSwitched) and "fixed-response" in fact.page:
            web.hold(fact.page)
        elif not web.holding_page():
            web.hold("")

    def by_hand(self, ctx: Context) -> str:
        """Commands."""
        web, latch = ctx.target.web, ctx.edge.latch
        asks = [f"dig +short {ctx.edge.failover_name} @{name}" for name in ctx.edge.origin_zone.name_servers]
        return "\n".join(
            (
                f"echo lost | aws s3 cp - s3://{latch.bucket}/{latch.key} --region {latch.region}",
                f"aws elbv2 modify-listener --region {ctx.target.region} \\",
                f"  --listener-arn {web.https_listener_arn} \\",
                f"  --default-actions Type=forward,TargetGroupArn={web.target_group_arn}",
                *asks,
                f"# expected from each: {web.origin_name}.",
            )
        )


def _progress(servers: Sequence[Server], seen: dict[Server, float]) -> str:
    names = [s for s in servers if s.authoritative]
    resolvers = [s for s in servers if not s.authoritative]
    done = [sum(1 for s in group if s in seen) for group in (names, resolvers)]
    return f"{done[0]} of {len(names)} name servers, {done[1]} of {len(resolvers)} resolvers"
