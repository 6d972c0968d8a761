"""Servers with the artefact, healthy behind the holding page."""

from __future__ import annotations

import hashlib
import json
from typing import ClassVar

from recovery.actions._common import options
from recovery.actions.base import Action, Change, Context, Fact, Need, Preview, With
from recovery.actions.facts import WebUp
from recovery.errors import ActionFailed, OutOfTime


class DeployWith(With):
    """What runs, on how many servers."""

    servers: int | None = None
    """As many as the stack's full footprint when not given."""


class DeployArtefact(Action):
    """Scales the web tier; its servers boot the version that the stack's launch template names."""

    name = "deploy-artefact"
    summary = "start the web servers and wait until the load balancer finds them healthy"
    With: ClassVar[type[With]] = DeployWith
    gives = WebUp
    permissions = (
        "autoscaling:DescribeAutoScalingGroups",
        "autoscaling:DescribeInstanceRefreshes",
        "autoscaling:DescribeScalingActivities",
        "autoscaling:SetDesiredCapacity",
        "elasticloadbalancing:DescribeTargetHealth",
        "s3:GetObject",
    )

    def needs(self, ctx: Context) -> tuple[Need, ...]:
        """Machines and load balancer in the target's region."""
        region = ctx.target.region
        return (
            Need("autoscaling", region),
            Need("ec2", region),
            Need("elb", region),
            Need("s3", region, "data"),
        )

    def preview(self, ctx: Context) -> Preview:
        """Is the artefact there?"""
        group = ctx.sites.of(ctx.target).web.group()
        wanted = self._servers(ctx)
        refusal = self._missing(ctx, ctx.source.web.artefact_version)
        change = Change("+", f"{wanted - group.desired} web servers with {ctx.source.web.artefact_version}")
        return Preview(
            changes=(change,) if wanted > group.desired else (),
            expected_seconds=180,
            refusals=(refusal,) if refusal else (),
        )

    def perform(self, ctx: Context) -> WebUp:
        """Scale and wait."""
        version = ctx.target.web.artefact_version  # what the stack's launch template names, since its `up`
        missing = self._missing(ctx, version)
        if missing:
            raise ActionFailed(
                missing,
                means="servers could not boot it; none was started",
                cure=f"dr artefact put web {version} FILE --site {ctx.target.stack}, then dr resume …; "
                "or, with a version that is there (dr artefact list): "
                "dr resume … --use stack-up.artefact=VERSION",
            )
        wanted, web = self._servers(ctx), ctx.sites.of(ctx.target).web
        began = ctx.clock.now()
        web.scale(wanted)

        said = [""]

        def probe() -> int | None:
            targets = web.targets()
            said[0] = "; ".join(targets.reasons)
            ctx.progress(f"{targets.healthy}/{wanted} healthy", min(1.0, targets.healthy / wanted))
            if targets.healthy >= wanted:
                return targets.healthy
            trouble = web.failures(began)
            if trouble:
                said[0] = f"AWS: {trouble[0]}"
                ctx.progress(f"{targets.healthy}/{wanted} healthy; {said[0]}", None)
            return None

        try:
            servers = ctx.poll(f"{wanted} web servers are healthy", probe)
        except OutOfTime as error:
            error.what += f"; last: {said[0] or 'no server has started'}"
            raise
        return WebUp(servers=servers, version=version)

    def verify(self, ctx: Context, fact: Fact | None) -> None:
        """Ask the load balancer again."""
        targets = ctx.sites.of(ctx.target).web.targets()
        if targets.healthy < self._servers(ctx):
            raise ActionFailed(
                f"{targets.healthy} of {targets.total} servers are healthy: {'; '.join(targets.reasons)}",
                means="the web tier does not hold",
                cure="see a server's console: aws ec2 get-console-output; then dr resume",
            )

    def undo(self, ctx: Context, fact: Fact | None) -> None:
        """No servers; the group's bounds stay the stack's, which goes back to pilot light by its own undo."""
        ctx.sites.of(ctx.target).web.rest()

    def by_hand(self, ctx: Context) -> str:
        """Commands."""
        web, region = ctx.target.web, ctx.target.region
        return (
            f"aws autoscaling set-desired-capacity --region {region} --auto-scaling-group-name "
            f"{web.autoscaling_group} --desired-capacity {self._servers(ctx)}\n"
            f"aws elbv2 describe-target-health --region {region} --target-group-arn {web.target_group_arn}"
        )

    def _servers(self, ctx: Context) -> int:
        return options(ctx, DeployWith).servers or ctx.target.web.capacity_full

    def _missing(self, ctx: Context, version: str) -> str | None:
        where = f"in {ctx.target.store('artefacts').bucket} ({ctx.target.region})"
        stores = ctx.sites.of(ctx.target).stores
        manifest = stores.read("artefacts", f"web/{version}/manifest.json")
        content = stores.read("artefacts", f"web/{version}/artefact.tar.gz")
        if manifest is None or content is None:
            return f"artefact web {version} is not {where}"
        try:
            stated = dict(json.loads(manifest))
        except (ValueError, TypeError):
            return f"the manifest of artefact web {version} {where} cannot be read"
        if stated.get("version") != version:
            return f"the manifest of artefact web {version} {where} names another version"
        if stated.get("sha256") != hashlib.sha256(content).hexdigest():
            return f"artefact web {version} {where} is not what its manifest says (SHA-256 differs)"
        return None
