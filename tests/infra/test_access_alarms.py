"""Who may recover, and what wakes people before a recovery is needed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from infra.aws.access import recovery_actions
from infra.policies.rule import Resource
from infra.policies.rules import RULES
from tests.infra.engine import Stack, run

ALARM = "cloudwatch/metricAlarm:MetricAlarm"


def test_the_recovery_role_has_exactly_the_actions_permissions(standby: Stack) -> None:
    policy = json.loads(standby.one("iam/rolePolicy:RolePolicy", "recovery").inputs["policy"])["Statement"]
    allowed = {action for statement in policy for action in statement["Action"]}
    assert allowed == set(recovery_actions()) | {"iam:PassRole"}
    assert not [action for action in allowed if action.endswith(":*")]


def recovery_statements(stack: Stack) -> dict[str, dict[str, Any]]:
    policy = json.loads(stack.one("iam/rolePolicy:RolePolicy", "recovery").inputs["policy"])
    return {statement["Sid"]: statement for statement in policy["Statement"]}


def test_recovery_reads_and_writes_the_companys_secrets_and_no_others(standby: Stack) -> None:
    secrets = recovery_statements(standby)["Secrets"]
    assert secrets["Resource"] == "arn:aws:secretsmanager:*:123456789012:secret:shop/*"
    names = [secret.inputs["name"] for secret in standby.of("secretsmanager/secret:Secret")]
    assert names and all(name.startswith("shop/") for name in names)


def test_recovery_gives_grants_on_keys_to_aws_alone(standby: Stack) -> None:
    grants = recovery_statements(standby)["EncryptedByAws"]
    assert grants["Action"] == ["kms:CreateGrant"]
    assert grants["Condition"] == {"Bool": {"kms:GrantIsForAWSResource": "true"}}


def test_recovery_may_start_a_machine_whose_disk_is_encrypted() -> None:
    """Without all of these EC2 takes the call and then ends the machine (EBS User Guide, Requirements)."""
    needed = {"CreateGrant", "Decrypt", "DescribeKey", "GenerateDataKeyWithoutPlaintext"}
    assert {f"kms:{action}" for action in needed | {"ReEncryptFrom", "ReEncryptTo"}} <= set(
        recovery_actions()
    )


def test_recovery_may_read_whatever_a_version_of_the_provider_reads() -> None:
    """pulumi-aws asks for the interfaces of an endpoint, which no emulator has us do."""
    services = ("autoscaling", "cloudwatch", "ec2", "elasticloadbalancing", "rds")
    assert {f"{service}:Describe*" for service in services} <= set(recovery_actions())


def test_recovery_hands_on_the_machines_roles_and_no_others(standby: Stack) -> None:
    policy = json.loads(standby.one("iam/rolePolicy:RolePolicy", "recovery").inputs["policy"])["Statement"]
    (passing,) = [s for s in policy if "iam:PassRole" in s["Action"]]
    assert [arn.rpartition("/")[2] for arn in passing["Resource"]] == ["web-1a2b3c4", "runner-1a2b3c4"]


def test_the_recovery_role_is_taken_with_mfa_only(standby: Stack) -> None:
    trust = json.loads(standby.one("iam/role:Role", "recovery").inputs["assumeRolePolicy"])["Statement"]
    assert trust[0]["Condition"] == {"Bool": {"aws:MultiFactorAuthPresent": "true"}}


def test_permissions_of_another_version_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "permissions.json"
    path.write_text('{"version": 2, "actions": []}')
    with pytest.raises(ValueError, match="dr permissions --write"):
        recovery_actions(path)


def test_the_break_glass_user_is_off_until_it_is_switched_on(standby: Stack) -> None:
    assert not standby.of("iam/user:User")
    on = run("dr-aws", {"breakGlass": "on"})
    assert on.one("iam/user:User").inputs["name"] == "lifeboat-break-glass-dr-aws"
    policy = json.loads(on.one("iam/userPolicy:UserPolicy").inputs["policy"])["Statement"]
    assert {s["Resource"]: s["Action"] for s in policy} == {
        on.outputs["contract"]["recovery_role_arn"]: ["sts:AssumeRole"],
        "arn:aws:signin:*:*:oauth2/public-client/*": [
            "signin:AuthorizeOAuth2Access",
            "signin:CreateOAuth2Token",
        ],
    }
    for rule in RULES:
        for declared in (d for d in on.declared if rule.concerns(d.type) and d.name == "break-glass"):
            assert list(rule.check(Resource(declared.type, declared.name, declared.inputs))) == []


def test_web_servers_read_their_own_secret_and_no_other(primary: Stack) -> None:
    policy = json.loads(primary.one("iam/rolePolicy:RolePolicy", "web").inputs["policy"])["Statement"]
    (reading,) = [s for s in policy if "secretsmanager:GetSecretValue" in s["Action"]]
    assert reading["Resource"].endswith("/database-app-1a2b3c4")


def test_a_primary_watches_its_database_its_backups_its_copies_and_its_targets(primary: Stack) -> None:
    assert {alarm.name for alarm in primary.of(ALARM)} == {
        "unhealthy-targets",
        "servers-missing",
        "database-storage",
        "restorable-age",
        "backup-replication-lag",
        "replication-failed-artefacts",
        "replication-failed-uploads",
        "replication-failed-exports",
    }


def test_every_alarm_is_heard(primary: Stack) -> None:
    topic = primary.outputs["contract"]["alarms_topic_arn"]
    assert all(alarm.inputs["alarmActions"] == [topic] for alarm in primary.of(ALARM))


def test_servers_that_are_gone_are_missed_where_there_should_be_some(primary: Stack, standby: Stack) -> None:
    alarm = primary.one(ALARM, "servers-missing").inputs
    assert (alarm["metricName"], alarm["comparisonOperator"]) == ("HealthyHostCount", "LessThanThreshold")
    assert alarm["threshold"] == primary.one("autoscaling/group:Group").inputs["minSize"]
    assert {a.name for a in standby.of(ALARM)} == {"unhealthy-targets"}


@pytest.mark.parametrize(
    "alarm", ["restorable-age", "backup-replication-lag", "database-storage", "servers-missing"]
)
def test_silence_about_what_must_be_there_is_an_alarm(primary: Stack, alarm: str) -> None:
    assert primary.one(ALARM, alarm).inputs["treatMissingData"] == "breaching"


def test_failed_copies_are_counted_by_the_rule_that_makes_them(primary: Stack) -> None:
    """Source: S3 User Guide, Replication metrics: these three dimensions, in the source's region."""
    for name in ("artefacts", "uploads", "exports"):
        config = primary.one("s3/bucketReplicationConfig:BucketReplicationConfig", name).inputs
        (rule,) = config["rules"]
        assert primary.one(ALARM, f"replication-failed-{name}").inputs["dimensions"] == {
            "SourceBucket": config["bucket"],
            "DestinationBucket": rule["destination"]["bucket"].removeprefix("arn:aws:s3:::"),
            "RuleId": rule["id"],
        }


def test_alarms_reach_the_configured_people() -> None:
    stack = run("dr-aws", {"alarmEmails": ["ops@shop.example"]})
    assert stack.one("sns/topicSubscription:TopicSubscription").inputs["endpoint"] == "ops@shop.example"
