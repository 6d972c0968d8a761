"""Set the restored database's passwords from the standby's own secrets, and tell those its endpoint."""

from __future__ import annotations

from recovery.actions._common import (
    RUNNER_PERMISSIONS,
    checks_key,
    database_target,
    finish_job,
    start_job,
    tags,
)
from recovery.actions.base import Action, Change, Context, Fact, Need, Preview
from recovery.actions.facts import AccessIssued, DatabaseRestored
from recovery.errors import ActionFailed
from recovery.runner.jobs import NO_PASSWORD_OPENS, GrantAccess


class IssueCredentials(Action):
    """The restored database knows the passwords of the recovery point, which may have been rotated since, and
    which someone may know; so master and application roles get the standby's own.

    The primary's master secret is replicated to the standby, its previous value too, so that a runner can log
    in at once and set them by SQL. ModifyDBInstance is the last resort: it waits until the instance has left
    `backing-up`, hours for a large database (docs/adr/0005)."""

    name = "issue-credentials"
    summary = "set master and application passwords from the site's secrets, and put the endpoint there"
    takes = (DatabaseRestored,)
    gives = AccessIssued
    permissions = (
        "kms:Decrypt",
        "kms:GenerateDataKey",
        "rds:ModifyDBInstance",
        "secretsmanager:GetSecretValue",
        "secretsmanager:PutSecretValue",
        *RUNNER_PERMISSIONS,
    )
    irreversible = "the passwords of the recovery point are not known any more"

    def needs(self, ctx: Context) -> tuple[Need, ...]:
        """RDS, secrets and a machine in the target's region."""
        region = ctx.target.region
        return (
            Need("rds", region),
            Need("secretsmanager", region, "data"),
            Need("ec2", region),
            Need("s3", region, "data"),
        )

    def preview(self, ctx: Context) -> Preview:
        """Names of secrets and roles."""
        secrets, settings = ctx.target.secrets, ctx.target.database.settings
        return Preview(
            changes=(
                Change("~", f"roles {settings.master_user}, {settings.app_user}: new passwords"),
                Change("~", f"secrets {secrets.database_master}, {secrets.database_app}: endpoint"),
            ),
            expected_seconds=90,
        )

    def perform(self, ctx: Context) -> AccessIssued:
        """Endpoint into the secrets; passwords by a runner, or by the API where no known one opens."""
        restored = ctx.fact(DatabaseRestored)
        site = ctx.sites.of(ctx.target)
        names = ctx.target.secrets
        for name in (names.database_master, names.database_app):
            site.secrets.update(
                name, host=restored.host, port=restored.port, dbname=ctx.target.database.settings.name
            )
        left = max(60.0, (ctx.deadline - ctx.clock.now()).total_seconds())
        target = database_target(ctx, restored.host, restored.port)
        former = (ctx.source.secrets.database_master,)
        job = GrantAccess(target=target, seconds=round(left), former_secrets=former)
        key = start_job(ctx, site.runner, f"{ctx.key}/grant-access", job)
        site.runner.prepare(checks_key(ctx), tags(ctx))
        ctx.progress("setting the passwords", None)

        def last_resort(said: str) -> None:
            """No known password opens it: the API can set one, once the instance may be modified."""
            if said.startswith(NO_PASSWORD_OPENS):
                password = str(site.secrets.read(names.database_master)["password"])
                site.database.set_master_password(restored.identifier, password)

        result = finish_job(ctx, site.runner, key, "master and application log in", last_resort)
        roles = (ctx.target.database.settings.master_user, str(result.values.get("app_role", "")))
        return AccessIssued(
            identifier=restored.identifier, host=restored.host, port=restored.port, roles=roles
        )

    def verify(self, ctx: Context, fact: Fact | None) -> None:
        """The runner logged in as both; here: the application's secret leads to the restored database."""
        assert isinstance(fact, AccessIssued)
        secret = ctx.sites.of(ctx.target).secrets.read(ctx.target.secrets.database_app)
        if secret.get("host") != fact.host or secret.get("username") not in fact.roles:
            raise ActionFailed(
                f"secret {ctx.target.secrets.database_app} does not lead to {fact.identifier}",
                means="web servers would connect elsewhere",
                cure="see who else writes that secret, then dr resume",
            )

    def by_hand(self, ctx: Context) -> str:
        """Commands."""
        region, names = ctx.target.region, ctx.target.secrets
        return "\n".join(
            (
                f"aws secretsmanager get-secret-value --region {region} --secret-id {names.database_master}",
                f"aws secretsmanager get-secret-value --region {region} \\",
                f"  --secret-id {ctx.source.secrets.database_master}   # the one of the recovery point",
                "# that one does not open it: once the instance is available,",
                f"aws rds modify-db-instance --region {region} --db-instance-identifier RESTORED \\",
                "  --apply-immediately --master-user-password THE_ONE_IN_THE_FIRST_SECRET",
                "# from a machine in the site, as master, with the password in the application's secret:",
                f'psql "host=ENDPOINT dbname={ctx.target.database.settings.name} sslmode=require" \\',
                f"  -c \"alter role {ctx.target.database.settings.app_user} with login password '…'\"",
                f"aws secretsmanager put-secret-value --region {region} --secret-id {names.database_app} \\",
                '  --secret-string \'{…, "host": "ENDPOINT"}\'      # and the same for the master\'s',
            )
        )
