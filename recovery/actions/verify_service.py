"""The company's own checks, behind the holding page: HTTP from outside, SQL by a runner."""

from __future__ import annotations

from typing import ClassVar

from recovery.actions._common import (
    RUNNER_PERMISSIONS,
    checks_key,
    database_target,
    finish_job,
    options,
    start_job,
)
from recovery.actions.base import Action, Context, Fact, Need, Preview, With
from recovery.actions.facts import AccessIssued, Checked, ServiceVerified, WebUp
from recovery.checks import HttpCheck, filled, load
from recovery.endpoints import Reply
from recovery.errors import ActionFailed, LifeboatError
from recovery.runner.jobs import CheckSql, SqlCheck


class VerifyWith(With):
    """How patient one request is."""

    seconds: float = 10.0
    """Until an answer."""


class VerifyService(Action):
    """Requests carry the header that reaches web servers behind the holding page."""

    name = "verify-service"
    summary = "run the company's checks against the new site before customers see it"
    With: ClassVar[type[With]] = VerifyWith
    takes = (AccessIssued, WebUp)
    gives = ServiceVerified
    permissions = ("kms:Decrypt", "secretsmanager:GetSecretValue", *RUNNER_PERMISSIONS)

    def needs(self, ctx: Context) -> tuple[Need, ...]:
        """A machine and the load balancer in the target's region."""
        region = ctx.target.region
        return (
            Need("ec2", region),
            Need("s3", region, "data"),
            Need("secretsmanager", region, "data"),
            Need("elb", region, "data"),
        )

    def preview(self, ctx: Context) -> Preview:
        """The checks are read, so that a mistake in them shows before the day."""
        try:
            checks = load(ctx.project)
        except LifeboatError as error:
            return Preview(refusals=(str(error),))
        note = f"{len(checks.http)} HTTP and {len(checks.sql)} SQL checks, sequences, a write"
        return Preview(expected_seconds=90, notes=(note,))

    def perform(self, ctx: Context) -> ServiceVerified:
        """SQL and HTTP side by side; all must hold."""
        access = ctx.fact(AccessIssued)
        checks = load(ctx.project)
        runner = ctx.sites.of(ctx.target).runner
        left = max(60.0, (ctx.deadline - ctx.clock.now()).total_seconds())
        job = CheckSql(
            target=database_target(ctx, access.host, access.port),
            run=ctx.run,
            seconds=round(left),
            checks=tuple(SqlCheck(name=c.name, query=c.query, expect=c.expect) for c in checks.sql),
            watermark=checks.watermark,
        )
        key = start_job(ctx, runner, checks_key(ctx), job)
        done = [self._http(ctx, check) for check in checks.http]
        ctx.progress(f"{len(done)} HTTP checks hold, waiting for SQL", None)
        result = finish_job(ctx, runner, key, "the database is whole and takes writes")
        done += [Checked(name=v.name, ok=v.ok, detail=v.detail) for v in result.verdicts]
        watermark = result.values.get("watermark")
        ctx.progress(f"{len(done)} checks hold, last row {watermark or 'unknown'}", 1)
        return ServiceVerified(checks=tuple(done), watermark=watermark)

    def verify(self, ctx: Context, fact: Fact | None) -> None:
        """The checks are the verification; the servers that passed them must still be healthy."""
        targets = ctx.sites.of(ctx.target).web.targets()
        if not targets.healthy:
            raise ActionFailed(
                "no web server is healthy any more",
                means="what was verified no longer stands",
                cure="see why they fail their health check, then dr resume",
            )

    def by_hand(self, ctx: Context) -> str:
        """Commands."""
        web = ctx.target.web
        lines = [
            f"TOKEN=$(aws secretsmanager get-secret-value --region {ctx.target.region} \\",
            f"  --secret-id {ctx.target.secrets.verify_token} --query SecretString --output text |",
            "  jq -r .token)",
        ]
        for check in load(ctx.project).http:
            lines.append(
                f'curl -X {check.method} -H "{web.verify_header}: $TOKEN" --connect-to '
                f"{ctx.edge.service_name}:443:{web.load_balancer_dns_name}:443 "
                f"https://{ctx.edge.service_name}{check.path}      # {check.name}: {check.expect.status}"
            )
        lines += [f"# SQL, from a machine in the site: {check.query}" for check in load(ctx.project).sql]
        return "\n".join(lines)

    def _http(self, ctx: Context, check: HttpCheck) -> Checked:
        """Try until it holds or the step's time is over: servers may just be finding their database."""
        web = ctx.target.web
        token = str(ctx.sites.of(ctx.target).secrets.read(ctx.target.secrets.verify_token)["token"])
        headers = {**filled(check.headers, ctx.run), web.verify_header: token}
        said = ["no answer yet"]

        def probe() -> Checked | None:
            try:
                reply = ctx.sites.endpoints.https(
                    check.method, ctx.edge.service_name, filled(check.path, ctx.run),
                    connect_to=web.load_balancer_dns_name, headers=headers,
                    json=filled(check.body, ctx.run), timeout=options(ctx, VerifyWith).seconds,
                )  # fmt: skip
            except LifeboatError as error:
                said[0] = error.what
            else:
                said[0] = judge(check, reply)
                if not said[0]:
                    return Checked(name=check.name, ok=True, detail=f"{reply.status}")
            ctx.progress(f"{check.name}: {said[0]}", None)
            return None

        try:
            return ctx.poll(f"check `{check.name}` holds", probe)
        except LifeboatError as error:
            error.what = f"{error.what}; last: {said[0]}"
            raise


def judge(check: HttpCheck, reply: Reply) -> str:
    """What is wrong with the reply; empty when nothing is."""
    if reply.status != check.expect.status:
        return f"{check.method} {check.path} answers {reply.status}, expected {check.expect.status}"
    if check.expect.contains is not None and check.expect.contains not in reply.text:
        return f"{check.method} {check.path}: the answer lacks `{check.expect.contains}`"
    return ""
