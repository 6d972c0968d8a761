"""Buckets, keys and secrets: private, kept, copied to the standby, owned by whoever has to change them."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from infra.outputs import SiteContract
from tests.infra.engine import Stack

REPLICATION = "s3/bucketReplicationConfig:BucketReplicationConfig"
VERSION = "secretsmanager/secretVersion:SecretVersion"


def statements(text: str) -> list[dict[str, Any]]:
    return list(json.loads(text)["Statement"])


def test_artefacts_and_the_companys_stores_are_copied_to_the_standby(primary: Stack, standby: Stack) -> None:
    theirs = SiteContract.model_validate(standby.outputs["contract"])
    for name in ("artefacts", "uploads", "exports"):
        (rule,) = primary.one(REPLICATION, name).inputs["rules"]
        destination = rule["destination"]
        assert destination["bucket"] == f"arn:aws:s3:::{theirs.store(name).bucket}"
        assert destination["encryptionConfiguration"]["replicaKmsKeyId"] == theirs.keys.data
        assert destination["metrics"]["status"] == "Enabled"


def test_state_is_written_to_both_regions_and_never_replicated(primary: Stack) -> None:
    assert "state" not in {config.name for config in primary.of(REPLICATION)}


def test_a_standby_replicates_nothing_and_refers_to_nothing_in_the_primary(standby: Stack) -> None:
    assert not standby.of(REPLICATION)
    declared = json.dumps([d.inputs for d in standby.declared])
    assert "eu-central-1" not in declared
    assert "prod" not in declared


@pytest.mark.parametrize("site", ["standby", "primary"])
def test_every_bucket_is_versioned_encrypted_and_private(site: str, request: pytest.FixtureRequest) -> None:
    stack: Stack = request.getfixturevalue(site)
    buckets = {bucket.name for bucket in stack.of("s3/bucket:Bucket")}
    for part in (
        "s3/bucketVersioning:BucketVersioning",
        "s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration",
        "s3/bucketPublicAccessBlock:BucketPublicAccessBlock",
        "s3/bucketPolicy:BucketPolicy",
    ):
        assert {d.name for d in stack.of(part)} == buckets


def test_the_companys_classes_reach_tags_and_contract(primary: Stack) -> None:
    assert primary.one("s3/bucket:Bucket", "exports").inputs["tags"]["class"] == "non-critical"
    assert primary.outputs["contract"]["classes"]["exports"] == "non-critical"


def test_auto_scaling_may_use_the_key_of_its_disks(primary: Stack) -> None:
    policy = statements(primary.one("kms/key:Key", "data").inputs["policy"])
    grants = [s for s in policy if s.get("Condition", {}).get("ArnEquals")]
    assert {action for s in grants for action in s["Action"]} >= {"kms:CreateGrant", "kms:GenerateDataKey*"}
    for statement in grants:
        assert statement["Condition"]["ArnEquals"]["aws:PrincipalArn"].endswith(
            "AWSServiceRoleForAutoScaling"
        )


def test_two_stacks_of_one_company_share_no_alias(primary: Stack, standby: Stack) -> None:
    named = [alias.inputs["name"] for stack in (primary, standby) for alias in stack.of("kms/alias:Alias")]
    assert len(named) == len(set(named)) == 4
    assert all(name.startswith("alias/shop-") for name in named)


def test_alarms_may_be_published_under_the_key(primary: Stack) -> None:
    policy = statements(primary.one("kms/key:Key", "data").inputs["policy"])
    assert any("cloudwatch.amazonaws.com" in str(s["Principal"]) for s in policy)


def test_each_site_draws_secrets_of_its_own(primary: Stack, standby: Stack) -> None:
    for stack, called in ((primary, "prod"), (standby, "dr-aws")):
        names = {secret.inputs["name"] for secret in stack.of("secretsmanager/secret:Secret")}
        assert names == {
            f"shop/{called}/{name}" for name in ("database-master", "database-app", "verify-token")
        }


def test_the_standby_keeps_a_replica_of_the_primarys_master_secret_and_its_runner_may_read_it(
    primary: Stack, standby: Stack
) -> None:
    replicated = [s for s in primary.of("secretsmanager/secret:Secret") if s.inputs.get("replicas")]
    assert [s.name for s in replicated] == ["database-master"]
    assert replicated[0].inputs["replicas"][0]["region"] == "eu-west-1"
    assert not [s for s in standby.of("secretsmanager/secret:Secret") if s.inputs.get("replicas")]
    policy = standby.one("iam/rolePolicy:RolePolicy", "runner").inputs["policy"]
    assert re.search(r"secretsmanager:eu-west-1:[^:]+:secret:shop/\*/database-master-\*", policy)


def test_the_instance_has_the_password_that_is_kept_in_the_secret(primary: Stack) -> None:
    kept = json.loads(primary.one(VERSION, "database-master").inputs["secretString"])
    assert primary.one("rds/instance:Instance").inputs["password"] == kept["password"]
    assert kept["username"] == primary.one("rds/instance:Instance").inputs["username"]


def test_the_primarys_secrets_get_the_endpoint_and_the_standbys_wait_for_recovery(
    primary: Stack, standby: Stack, serving: Stack
) -> None:
    made = json.loads(primary.one(VERSION, "database-app-endpoint").inputs["secretString"])
    kept = json.loads(primary.one(VERSION, "database-app").inputs["secretString"])
    assert made["host"].endswith("rds.amazonaws.com")
    assert made["password"] == kept["password"]
    for stack in (standby, serving):
        assert {version.name for version in stack.of(VERSION)} == {
            "database-master",
            "database-app",
            "verify-token",
        }


def test_first_versions_stay_alive_when_others_become_current(primary: Stack) -> None:
    for version in primary.of(VERSION):
        assert len(set(version.inputs["versionStages"]) - {"AWSCURRENT"}) == 1


def test_secrets_stand_in_the_state_only_as_secrets(primary: Stack) -> None:
    assert all("secretString" in version.secret for version in primary.of(VERSION))
    assert "password" in primary.one("rds/instance:Instance").secret
    assert "conditions" in primary.one("lb/listenerRule:ListenerRule", "verify").secret


def test_the_contract_carries_no_secret(primary: Stack) -> None:
    drawn = {json.loads(v.inputs["secretString"]).get("password") for v in primary.of(VERSION)} - {None}
    assert drawn
    assert not [value for value in drawn if value in json.dumps(primary.outputs)]
