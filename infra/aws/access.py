"""Who may recover: a role with exactly the permissions of the actions; a break-glass user, off by default.

The list of permissions is written by `dr permissions --write`; this only reads it. The role exists beforehand
because making roles needs IAM's control plane in us-east-1, on which nothing on the way back may lean.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pulumi
from pulumi_aws import iam

from infra.component import Component, Labels, allow, policy

PERMISSIONS = Path(__file__).parent / "recovery-permissions.json"
ROLE_PREFIX = "lifeboat-recovery-"
BREAK_GLASS_PREFIX = "lifeboat-break-glass-"
BROWSER_SESSIONS = "arn:aws:signin:*:*:oauth2/public-client/*"
"""As in AWS's own policy SignInLocalDevelopmentAccess: a terminal's session without an access key."""
LONGEST_SESSION = 12 * 3600
PASS_ROLE = "iam:PassRole"
GRANT = "kms:CreateGrant"
SECRETS = frozenset(("secretsmanager:GetSecretValue", "secretsmanager:PutSecretValue"))


@dataclass(frozen=True)
class AccessArgs:
    """Inputs of `Access`. `passable_roles`: the machines' roles, which starting a machine hands on."""

    account: pulumi.Input[str]
    passable_roles: list[pulumi.Output[str]]
    break_glass: bool


def recovery_actions(path: Path = PERMISSIONS) -> list[str]:
    """IAM actions of all recovery actions; ValueError when the file is of another version."""
    document = json.loads(path.read_text())
    if document.get("version") != 1:
        raise ValueError(
            f"{path.name}: version {document.get('version')!r}, not 1; run: dr permissions --write"
        )
    return [str(action) for action in document["actions"]]


class Access(Component):
    """The recovery role and, when switched on, the break-glass user."""

    def __init__(self, name: str, args: AccessArgs, labels: Labels) -> None:
        super().__init__("aws:Access", name, labels)
        root = pulumi.Output.concat("arn:aws:iam::", args.account, ":root")
        with_mfa = {"Bool": {"aws:MultiFactorAuthPresent": "true"}}
        self.role = iam.Role(
            "recovery",
            # Its name is known before it exists: the latch's bucket lets nobody else write.
            name=f"{ROLE_PREFIX}{labels.stack}",
            description="Carries out Lifeboat's recovery plans",
            max_session_duration=LONGEST_SESSION,
            assume_role_policy=policy(
                allow(["sts:AssumeRole"], None, Principal={"AWS": root}, Condition=with_mfa)
            ),
            tags=self.tags("recovery"),
            opts=self.child(),
        )
        iam.RolePolicy(
            "recovery", role=self.role.id, policy=policy(*self._statements(args)), opts=self.child()
        )
        self.role_arn: pulumi.Output[str] = self.role.arn
        if args.break_glass:
            self._break_glass()
        self.register_outputs({"role_arn": self.role_arn})

    def _statements(self, args: AccessArgs) -> list[dict[str, Any]]:
        """The actions' permissions, narrowed where what they are used for is known beforehand."""
        actions = recovery_actions()
        everywhere = [action for action in actions if action not in {PASS_ROLE, GRANT} | SECRETS]
        to_machines = {"StringEquals": {"iam:PassedToService": "ec2.amazonaws.com"}}
        # RDS and EBS take grants for what they encrypt; nobody else gets one.
        for_aws = {"Bool": {"kms:GrantIsForAWSResource": "true"}}
        secrets = pulumi.Output.concat(
            "arn:aws:secretsmanager:*:", args.account, f":secret:{self.labels.company}/*"
        )
        return [
            allow(everywhere, "*", Sid="Recovery"),
            allow(sorted(SECRETS & set(actions)), secrets, Sid="Secrets"),
            allow([GRANT], "*", Sid="EncryptedByAws", Condition=for_aws),
            allow([PASS_ROLE], args.passable_roles, Sid="StartMachines", Condition=to_machines),
        ]

    def _break_glass(self) -> None:
        """A user for the day on which single sign-on is lost too: it can only become the recovery role.

        Its password and hardware MFA key are set by hand and kept in two safes (docs/access.md); no access
        key is ever made: `aws login` opens a session from the browser. Without MFA the role refuses it.
        """
        user = iam.User(
            "break-glass",
            name=f"{BREAK_GLASS_PREFIX}{self.labels.stack}",
            tags=self.tags("break-glass"),
            opts=self.child(),
        )
        iam.UserPolicy(
            "break-glass",
            user=user.name,
            policy=policy(
                allow(["sts:AssumeRole"], self.role_arn),
                allow(["signin:AuthorizeOAuth2Access", "signin:CreateOAuth2Token"], BROWSER_SESSIONS),
            ),
            opts=self.child(),
        )
