"""The site's own secrets: database master and application role, and the token that opens it for checks.

Each site has secrets of its own, since recovery writes the new endpoint and a replica cannot be written to.
The primary's master secret is replicated to the standby besides: a restored database knows the password of
its recovery point, and with that a runner sets the new ones by SQL at once (docs/adr/0005). Values are drawn
once, at the first `up`, by Secrets Manager itself; afterwards the stack leaves them alone (rotation and
recovery own them). They stand in the state only as secrets.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass

import pulumi
from pulumi_aws import secretsmanager

from infra.aws.network import DATABASE_PORT
from infra.component import Component, Labels

MASTER_USER = "dbmaster"
APP_USER = "app"
RECOVERY_WINDOW_DAYS = 7
PASSWORD_LENGTH = 40
INITIAL = "INITIAL"
ENDPOINT = "ENDPOINT"


@dataclass(frozen=True)
class SecretsArgs:
    """Inputs of `Secrets`. `database_name`: the database inside the instance.

    `replica_region`, `replica_key_arn`: where the master's secret is replicated to (the primary only).
    """

    company: str
    key_arn: pulumi.Input[str]
    database_name: str
    replica_region: str | None = None
    replica_key_arn: str | None = None


class Secrets(Component):
    """Names, first values and, where the stack makes the database itself, its endpoint."""

    def __init__(self, name: str, args: SecretsArgs, labels: Labels) -> None:
        super().__init__("aws:Secrets", name, labels)
        self._args = args
        folder = f"{args.company}/{labels.stack}"
        self.master_name = f"{folder}/database-master"
        self.app_name = f"{folder}/database-app"
        self.token_name = f"{folder}/verify-token"
        replicas = (
            [secretsmanager.SecretReplicaArgs(region=args.replica_region, kms_key_id=args.replica_key_arn)]
            if args.replica_region
            else None
        )
        self.master_arn = self._secret("database-master", self.master_name, "Database master user", replicas)
        self.app_arn = self._secret("database-app", self.app_name, "Database user of the application")
        self.token_arn = self._secret(
            "verify-token", self.token_name, "Opens the service behind the holding page"
        )
        self.master_password = self._user("database-master", self.master_arn, MASTER_USER)
        self.app_password = self._user("database-app", self.app_arn, APP_USER)
        token = pulumi.Output.json_dumps({"token": _random()})
        self.token = self._put("verify-token", self.token_arn, token, INITIAL).apply(_field("token"))
        self.register_outputs({})

    def endpoint(self, host: pulumi.Output[str]) -> None:
        """Write the endpoint of a database that this stack has made into both users' secrets.

        A version of its own, after the instance: the password must be kept before an instance exists that
        has it, or an `up` that dies in between leaves a database nobody can enter.
        """
        for label, arn, user, password in (
            ("database-master", self.master_arn, MASTER_USER, self.master_password),
            ("database-app", self.app_arn, APP_USER, self.app_password),
        ):
            self._put(f"{label}-endpoint", arn, self._document(user, password, host), ENDPOINT)

    def _user(self, label: str, arn: pulumi.Output[str], user: str) -> pulumi.Output[str]:
        stored = self._put(label, arn, self._document(user, _random(), ""), INITIAL)
        return stored.apply(_field("password"))

    def _document(
        self, user: str, password: pulumi.Output[str], host: pulumi.Input[str]
    ) -> pulumi.Output[str]:
        return pulumi.Output.json_dumps(
            {
                "username": user,
                "password": password,
                "host": host,
                "port": DATABASE_PORT,
                "dbname": self._args.database_name,
            }
        )

    def _secret(
        self,
        label: str,
        name: str,
        description: str,
        replicas: list[secretsmanager.SecretReplicaArgs] | None = None,
    ) -> pulumi.Output[str]:
        secret = secretsmanager.Secret(
            label,
            name=name,
            description=description,
            kms_key_id=self._args.key_arn,
            recovery_window_in_days=RECOVERY_WINDOW_DAYS,
            replicas=replicas,
            tags=self.tags(label),
            opts=self.child(),
        )
        arn: pulumi.Output[str] = secret.arn
        return arn

    def _put(
        self, label: str, secret_arn: pulumi.Output[str], document: pulumi.Output[str], stage: str
    ) -> pulumi.Output[str]:
        version = secretsmanager.SecretVersion(
            label,
            secret_id=secret_arn,
            secret_string=document,
            # A label of its own keeps this version alive when recovery or rotation has moved AWSCURRENT on.
            # Without one AWS may drop it, a refresh would not find it, and the next `up` would draw a new
            # password over the live one.
            version_stages=["AWSCURRENT", stage],
            opts=self.child(ignore_changes=["secretString", "versionStages"]),
        )
        return pulumi.Output.secret(version.secret_string)


def _random() -> pulumi.Output[str]:
    """A new password, drawn by AWS; without punctuation, so that it needs no quoting anywhere."""
    drawn = secretsmanager.get_random_password_output(
        password_length=PASSWORD_LENGTH, exclude_punctuation=True
    )
    return pulumi.Output.secret(drawn.random_password)


def _field(name: str) -> Callable[[str], str]:
    def read(document: str) -> str:
        return str(json.loads(document)[name])

    return read
