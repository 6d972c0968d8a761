"""Is the site really gone, and can the other one take over?"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import ClassVar

from recovery import claims
from recovery.actions._common import options
from recovery.actions.base import Action, Context, Fact, Need, Preview, With
from recovery.actions.facts import SiteLost
from recovery.claims import Claim
from recovery.errors import ActionFailed, LifeboatError, Refusal
from recovery.sites.ports import Finding, Health


class AssessWith(With):
    """How much evidence it takes."""

    paths: int = 2
    """Independent paths that must fail before the site counts as lost."""
    again: bool = False
    """Whether a person wants to recover to a site that serves already, or that another run recovers to."""


class AssessSite(Action):
    """Asks both sites by paths that do not depend on each other; unknown is never healthy, nor lost."""

    name = "assess-site"
    summary = "find out by independent paths whether the site is lost and the other can take over"
    With: ClassVar[type[With]] = AssessWith
    gives = SiteLost
    permissions = (
        "ec2:DescribeAvailabilityZones",
        "ec2:DescribeLaunchTemplates",
        "ec2:DescribeSecurityGroups",
        "elasticloadbalancing:DescribeListeners",
        "elasticloadbalancing:DescribeTargetHealth",
        "rds:DescribeDBInstances",
        "rds:DescribeDBParameterGroups",
        "rds:DescribeDBSubnetGroups",
        "route53:GetHealthCheckStatus",
        "s3:DeleteObject",
        "s3:GetObject",
        "s3:ListBucket",
        "s3:PutObject",
        "secretsmanager:DescribeSecret",
    )

    def needs(self, ctx: Context) -> tuple[Need, ...]:
        """Only the site that takes over."""
        return (Need("s3", ctx.target.region, "data"), Need("elb", ctx.target.region))

    def preview(self, ctx: Context) -> Preview:
        """Changes nothing; says what the target lacks, and when it serves already or another run is there."""
        gone = ctx.sites.of(ctx.target).lacking()
        if options(ctx, AssessWith).again:
            return Preview(expected_seconds=5, refusals=tuple(gone))
        other = claims.held(ctx.sites.of(ctx.target).stores, ctx.target.stack)
        found = (*gone, _serves(ctx), _taken(ctx, other) if other and other.run != ctx.run else "")
        return Preview(expected_seconds=5, refusals=tuple(text for text in found if text))

    def perform(self, ctx: Context) -> SiteLost:
        """Probe everything side by side; refuse what does not add up; claim the target for this run."""
        ctx.progress(f"asking {ctx.source.region} and {ctx.target.region}", None)
        with ThreadPoolExecutor(5) as pool:
            source = pool.submit(ctx.sites.of(ctx.source).probe)
            target = pool.submit(ctx.sites.of(ctx.target).probe)
            missing = pool.submit(ctx.sites.of(ctx.target).lacking)
            front = pool.submit(_front_door, ctx)
            check = pool.submit(ctx.sites.check_status, ctx.edge, "primary-endpoint")
            findings = [_plane(source.result(), ctx.source.region), front.result(), check.result()]
            ready, gone = target.result(), tuple(missing.result())
        self._must_be_fit(ctx, ready)
        against = self._must_be_lost(ctx, findings)
        ctx.progress(f"{ctx.source.region} unreachable by {against} paths, {ctx.target.region} healthy", 1)
        self._claim(ctx)
        evidence = tuple(f"{f.path}: {f.health}, {f.detail}" for f in (*findings, *ready))
        return SiteLost(
            site=ctx.source.stack,
            region=ctx.source.region,
            evidence=evidence,
            assessed_at=ctx.clock.now(),
            lacking=gone,  # told at once and waited for by nobody: a restore takes longer than to mend it
        )

    @staticmethod
    def _must_be_fit(ctx: Context, ready: Sequence[Finding]) -> None:
        """The target is healthy, and customers are not there yet."""
        bad = [f for f in ready if f.health is not Health.HEALTHY]
        if bad:
            # Silence may pass, and is asked again; being refused will not change by itself.
            failure = ActionFailed if any(f.health is Health.UNHEALTHY for f in bad) else Refusal
            raise failure(
                f"{ctx.target.region} is not fit to take over: {_tell(bad)}",
                means="recovery there would fail half-way; or it is this machine's network or credentials",
                cure="check the network and credentials from here; or choose another target site",
            )
        if not options(ctx, AssessWith).again and (serving := _serves(ctx)):
            raise Refusal(
                serving,
                means="to recover there again would put the holding page before customers, and lose what "
                f"they wrote since {ctx.source.stack} was left; nothing was touched",
                cure=f"dr abort …; or, if it must be: dr resume … --use {ctx.step}.again=true --reason WHY",
            )

    @staticmethod
    def _must_be_lost(ctx: Context, findings: Sequence[Finding]) -> int:
        """How many paths to the source failed; ActionFailed when that is too few to give it up."""
        wanted = options(ctx, AssessWith).paths
        against = sum(f.health is Health.UNHEALTHY for f in findings)
        if against < wanted:
            raise ActionFailed(
                f"{ctx.source.region} is not proven lost: {_tell(findings)}",
                means=f"{wanted} independent paths must fail, {against} did; leaving a healthy site "
                "loses writes for nothing",
                cure="dr resume … asks again; if you know that it is lost, or leave it all the same: "
                f"dr resume … --use {ctx.step}.paths=0 --reason WHY",
            )
        return against

    @staticmethod
    def _claim(ctx: Context) -> None:
        """From here on things are made: once, whoever else begins a recovery, and wherever."""
        claim, again = Claim(run=ctx.run, at=ctx.clock.now()), options(ctx, AssessWith).again
        try:
            other = claims.take(ctx.sites.of(ctx.target).stores, ctx.target.stack, claim, over_another=again)
        except LifeboatError as error:  # the service comes first
            ctx.progress(f"other operators cannot see this run: {error.what}", None)
            return
        if other is not None:
            raise Refusal(
                _taken(ctx, other),
                means="a second one beside it would make everything twice, and change passwords under its "
                "feet; nothing was touched",
                cure="dr abort …, and go on with that one on its machine; or, if it is dead for "
                f"certain: dr resume … --use {ctx.step}.again=true --reason WHY",
            )

    def verify(self, ctx: Context, fact: Fact | None) -> None:
        """Performing is looking; there is nothing else to look at."""

    def by_hand(self, ctx: Context) -> str:
        """Commands."""
        return "\n".join(
            (
                f"aws rds describe-db-instances --region {ctx.source.region}      # expected: no answer",
                f"curl -m 5 https://{ctx.source.web.origin_name}{ctx.source.web.health_path}   # no answer",
                "aws route53 get-health-check-status --health-check-id "
                f"{ctx.edge.health_checks.get('primary-endpoint', 'ID')}",
                f"aws rds describe-db-instances --region {ctx.target.region}      # expected: an answer",
            )
        )


def _taken(ctx: Context, other: Claim) -> str:
    return f"{other} recovers to {ctx.target.stack} already"


def _serves(ctx: Context) -> str:
    """That customers are at the target already; empty when they see its holding page, or no server."""
    web = ctx.sites.of(ctx.target).web
    if web.holding_page() or not (healthy := web.targets().healthy):
        return ""
    return f"{ctx.target.stack} in {ctx.target.region} serves already, by {healthy} healthy servers"


def _plane(findings: Sequence[Finding], region: str) -> Finding:
    """The region's control planes, as one path: they fail together."""
    path = f"control planes of {region}"
    if any(f.health is Health.HEALTHY for f in findings):
        return Finding(path, Health.HEALTHY, _tell(findings))
    if any(f.health is Health.UNHEALTHY for f in findings):
        return Finding(path, Health.UNHEALTHY, _tell(findings))
    return Finding(path, Health.UNKNOWN, _tell(findings))


def _front_door(ctx: Context) -> Finding:
    """The load balancer's health path, from here, as customers reach it."""
    host, web = ctx.edge.service_name, ctx.source.web
    path = f"https://{web.origin_name}{web.health_path}"
    try:
        reply = ctx.sites.endpoints.https("GET", host, web.health_path, connect_to=web.origin_name, timeout=2)
    except LifeboatError as error:
        return Finding(path, Health.UNHEALTHY, error.what.rsplit(": ", 1)[-1])
    health = Health.UNHEALTHY if reply.status >= 500 else Health.HEALTHY
    return Finding(path, health, f"answers {reply.status}")


def _tell(findings: Sequence[Finding]) -> str:
    return "; ".join(f"{f.path} {f.health} ({f.detail})" for f in findings)
