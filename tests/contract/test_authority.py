"""A role's session may do what the role's policies allow, and nothing else."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from nameworld import NameWorld, refused

TRUST = {
    "Effect": "Allow",
    "Action": "sts:AssumeRole",
    "Principal": {"AWS": "arn:aws:iam::123456789012:root"},
}


@pytest.fixture
def world(names_world: NameWorld) -> NameWorld:
    return names_world


def allow(action: str, resource: str = "*", **more: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": [action], "Resource": resource, **more}


def document(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def session(world: NameWorld, *statements: dict[str, Any], role: str = "") -> Callable[[str], Any]:
    """Makes clients of somebody who has assumed a new role with these permissions."""
    name, iam = role or world.fresh("role"), world.client("iam")
    arn = iam.create_role(RoleName=name, AssumeRolePolicyDocument=document(TRUST))["Role"]["Arn"]
    if statements:
        iam.put_role_policy(RoleName=name, PolicyName="own", PolicyDocument=document(*statements))
    taken = world.client("sts").assume_role(RoleArn=arn, RoleSessionName="test")["Credentials"]

    def client(service: str) -> Any:
        make: Any = boto3.client
        return make(
            service,
            region_name="eu-west-1",
            endpoint_url=world.settings.api_url,
            aws_access_key_id=taken["AccessKeyId"],
            aws_secret_access_key=taken["SecretAccessKey"],
            aws_session_token=taken["SessionToken"],
        )

    return client


@pytest.mark.parametrize(
    ("service", "call", "code"),
    [
        ("ec2", lambda c: c.describe_vpcs(), "UnauthorizedOperation"),
        ("rds", lambda c: c.describe_db_instances(), "AccessDenied"),
        ("secretsmanager", lambda c: c.list_secrets(), "AccessDeniedException"),
        ("route53", lambda c: c.list_hosted_zones(), "AccessDenied"),
        ("s3", lambda c: c.list_buckets(), "AccessDenied"),
    ],
)
def test_what_no_policy_allows_is_refused_as_the_service_refuses(
    world: NameWorld, service: str, call: Callable[[Any], Any], code: str
) -> None:
    with refused(code, saying="because no identity-based policy allows"):
        call(session(world)(service))


def test_everybody_may_ask_who_they_are(world: NameWorld) -> None:
    assert ":assumed-role/" in session(world)("sts").get_caller_identity()["Arn"]


def test_an_action_with_a_wildcard_covers_what_it_matches(world: NameWorld) -> None:
    rds = session(world, allow("rds:Describe*"))("rds")
    assert "DBInstances" in rds.describe_db_instances()
    with refused("AccessDenied", saying="rds:DeleteDBInstance"):
        rds.delete_db_instance(DBInstanceIdentifier="shop-db")


def test_objects_are_held_to_the_part_of_the_bucket_that_is_allowed(world: NameWorld) -> None:
    bucket = world.bucket("authority", "eu-west-1")
    for key in ("mine/a", "other/b"):
        world.client("s3").put_object(Bucket=bucket, Key=key, Body=b"1")
    s3 = session(world, allow("s3:GetObject", f"arn:aws:s3:::{bucket}/mine/*"))("s3")
    assert s3.get_object(Bucket=bucket, Key="mine/a")["Body"].read() == b"1"
    assert s3.head_object(Bucket=bucket, Key="mine/a")["ContentLength"] == 1
    with refused("AccessDenied"):
        s3.get_object(Bucket=bucket, Key="other/b")
    with refused("AccessDenied", saying="s3:PutObject"):
        s3.put_object(Bucket=bucket, Key="mine/a", Body=b"2")
    with refused("AccessDenied", saying="s3:ListBucket"):
        s3.list_objects_v2(Bucket=bucket)


def test_a_secret_is_found_by_its_name_and_held_to_its_arn(world: NameWorld) -> None:
    secrets, names = world.client("secretsmanager"), [world.fresh("secret") for _ in range(2)]
    mine, _ = (secrets.create_secret(Name=name, SecretString="{}")["ARN"] for name in names)
    reader = session(world, allow("secretsmanager:GetSecretValue", mine))("secretsmanager")
    assert reader.get_secret_value(SecretId=names[0])["SecretString"] == "{}"
    assert reader.get_secret_value(SecretId=mine)["SecretString"] == "{}"
    with refused("AccessDeniedException"):
        reader.get_secret_value(SecretId=names[1])


def test_a_deny_wins_over_every_allow(world: NameWorld) -> None:
    deny = {"Effect": "Deny", "Action": "ec2:DescribeVpcs", "Resource": "*"}
    ec2 = session(world, allow("ec2:*"), deny)("ec2")
    assert "Subnets" in ec2.describe_subnets()
    with refused("UnauthorizedOperation", saying="explicit deny"):
        ec2.describe_vpcs()


def test_a_managed_policy_counts_as_long_as_it_is_attached(world: NameWorld) -> None:
    iam, name = world.client("iam"), world.fresh("managed")
    arn = iam.create_policy(PolicyName=name, PolicyDocument=document(allow("ec2:DescribeVpcs")))["Policy"][
        "Arn"
    ]
    role = world.fresh("role")
    ec2 = session(world, role=role)("ec2")
    iam.attach_role_policy(RoleName=role, PolicyArn=arn)
    assert "Vpcs" in ec2.describe_vpcs()
    iam.detach_role_policy(RoleName=role, PolicyArn=arn)
    with refused("UnauthorizedOperation"):
        ec2.describe_vpcs()


@pytest.mark.parametrize(
    "statement",
    [
        allow("rds:DescribeDBInstances", Condition={"StringEquals": {"aws:RequestedRegion": "eu-west-1"}}),
        allow("rds:DescribeDBInstances", "arn:aws:rds:eu-west-1:123456789012:db:shop"),
    ],
    ids=["condition", "resource"],
)
def test_a_policy_that_is_not_modelled_is_neither_ignored_nor_granted(
    world: NameWorld, statement: dict[str, Any]
) -> None:
    with pytest.raises(ClientError) as error:
        session(world, statement)("rds").describe_db_instances()
    assert error.value.response["ResponseMetadata"]["HTTPStatusCode"] == 501


def test_a_session_that_nobody_was_given_is_unknown(world: NameWorld) -> None:
    make: Any = boto3.client
    stranger = make(
        "rds", region_name="eu-west-1", endpoint_url=world.settings.api_url,
        aws_access_key_id="ASIAQQQQQQQQQQQQQQQQ", aws_secret_access_key="x", aws_session_token="x",
    )  # fmt: skip
    with refused("InvalidClientTokenId"):
        stranger.describe_db_instances()


def test_a_region_that_the_world_does_not_have_is_refused_by_name(world: NameWorld) -> None:
    with refused("NotImplemented", saying="no region eu-north-1"):
        world.client("ec2", "eu-north-1").describe_vpcs()
