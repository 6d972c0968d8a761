"""The site's KMS keys: `database` (multi-region, so that replicated backups open here) and `data` (all else).

The database key's primary lives in the standby region and the primary site holds a replica: what recovery
needs must not hang on the region that is lost.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pulumi
from pulumi_aws import kms

from infra.component import Component, Labels, allow, policy

DELETION_WINDOW_DAYS = 30
"""The longest that KMS offers: time to notice that backups hang on a key somebody deleted."""


@dataclass(frozen=True)
class KeysArgs:
    """Inputs of `Keys`. `database_primary_arn`: the standby's key to replicate; None: the primary is here."""

    account: pulumi.Input[str]
    database_primary_arn: pulumi.Input[str] | None


def _owner(account: pulumi.Input[str]) -> dict[str, Any]:
    """The account's IAM policies decide about the key; without this not even its administrator could."""
    root = pulumi.Output.concat("arn:aws:iam::", account, ":root")
    return allow(["kms:*"], "*", Sid="Account", Principal={"AWS": root})


class BackupKey(Component):
    """A replica of the database key in the region that a serving standby copies its backups to."""

    def __init__(
        self,
        name: str,
        region: str,
        account: pulumi.Input[str],
        primary_key_arn: pulumi.Output[str],
        labels: Labels,
    ) -> None:
        super().__init__("aws:BackupKey", name, labels)
        key = kms.ReplicaKey(
            "backups",
            region=region,
            primary_key_arn=primary_key_arn,
            description="Lifeboat: backups of a standby that serves",
            deletion_window_in_days=DELETION_WINDOW_DAYS,
            policy=policy(_owner(account)),
            tags=self.tags("backups"),
            opts=self.child(),
        )
        self.arn: pulumi.Output[str] = key.arn
        self.register_outputs({"arn": self.arn})


class Keys(Component):
    """Both keys with their aliases and policies."""

    def __init__(self, name: str, args: KeysArgs, labels: Labels) -> None:
        super().__init__("aws:Keys", name, labels)
        self._args = args
        self.database_arn = self._database()
        data = kms.Key(
            "data",
            description="Lifeboat: objects, secrets, disks and messages of this site",
            enable_key_rotation=True,
            deletion_window_in_days=DELETION_WINDOW_DAYS,
            policy=policy(_owner(self._args.account), *self._auto_scaling(), self._alarms()),
            tags=self.tags("data"),
            opts=self.child(protect=True),
        )
        self.data_arn: pulumi.Output[str] = data.arn
        self._alias("data", data.id)
        self.register_outputs({"database": self.database_arn, "data": self.data_arn})

    def _database(self) -> pulumi.Output[str]:
        common: dict[str, Any] = {
            "description": "Lifeboat: the database and its backups, in every region they may be restored in",
            "deletion_window_in_days": DELETION_WINDOW_DAYS,
            "policy": policy(_owner(self._args.account)),
            "tags": self.tags("database"),
        }
        if self._args.database_primary_arn is None:
            key = kms.Key(
                "database",
                multi_region=True,
                enable_key_rotation=True,
                opts=self.child(protect=True),
                **common,
            )
        else:
            key = kms.ReplicaKey(
                "database",
                primary_key_arn=self._args.database_primary_arn,
                opts=self.child(protect=True),
                **common,
            )
        self._alias("database", key.id)
        arn: pulumi.Output[str] = key.arn
        return arn

    def _alias(self, label: str, key_id: pulumi.Output[str]) -> None:
        # With the stack in it: a drill may stand in the region of what it rehearses.
        name = f"alias/{self.labels.company}-{self.labels.stack}-{label}"
        kms.Alias(label, name=name, target_key_id=key_id, opts=self.child())

    def _auto_scaling(self) -> list[dict[str, Any]]:
        """Auto Scaling starts machines with disks under this key: without both statements launches fail.

        The service role is matched by condition, not named as principal: KMS refuses a policy that names a
        role which does not exist yet, and in a new account Auto Scaling makes its role with the first group.
        """
        role = pulumi.Output.concat(
            "arn:aws:iam::",
            self._args.account,
            ":role/aws-service-role/autoscaling.amazonaws.com/AWSServiceRoleForAutoScaling",
        )
        is_role = {
            "ArnEquals": {"aws:PrincipalArn": role},
            "StringEquals": {"kms:CallerAccount": self._args.account},
        }
        use = ["kms:Encrypt", "kms:Decrypt", "kms:ReEncrypt*", "kms:GenerateDataKey*", "kms:DescribeKey"]
        for_aws = {**is_role, "Bool": {"kms:GrantIsForAWSResource": "true"}}
        anyone = {"AWS": "*"}
        return [
            allow(use, "*", Sid="AutoScalingUses", Principal=anyone, Condition=is_role),
            allow(["kms:CreateGrant"], "*", Sid="AutoScalingGrants", Principal=anyone, Condition=for_aws),
        ]

    def _alarms(self) -> dict[str, Any]:
        """CloudWatch publishes to the encrypted topic."""
        return allow(
            ["kms:Decrypt", "kms:GenerateDataKey*"],
            "*",
            Sid="AlarmsPublish",
            Principal={"Service": "cloudwatch.amazonaws.com"},
            Condition={"StringEquals": {"aws:SourceAccount": self._args.account}},
        )
