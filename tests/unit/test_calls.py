"""Calls are named from what clients really send: botocore builds the requests of these tests."""

from __future__ import annotations

import io
from typing import Any
from urllib.parse import urlsplit

import boto3
import pytest
from botocore.config import Config

from rehearsal.aws import calls
from rehearsal.aws.faults import Faults, Rule, reach


def call(service: str, operation: str, region: str = "eu-west-1", **params: Any) -> calls.Call:
    """The call that boto3 makes, as the plane reads it."""
    make: Any = boto3.client
    client = make(
        service,
        region_name=region,
        endpoint_url="http://127.0.0.1:4566",
        aws_access_key_id="a",
        aws_secret_access_key="b",
        config=Config(user_agent_extra="lifeboat/run-1/restore-db"),
    )
    seen: list[Any] = []

    def stop(request: Any, **_: Any) -> Any:
        seen.append(request)
        raise InterruptedError

    client.meta.events.register("before-send", stop)
    with pytest.raises(InterruptedError):
        getattr(client, operation)(**params)
    return calls.read(environ(seen[0]))


def environ(request: Any) -> dict[str, Any]:
    url = urlsplit(request.url)
    body = request.body or b""
    body = body.encode() if isinstance(body, str) else body if isinstance(body, bytes) else b""
    headers = {f"HTTP_{k.upper().replace('-', '_')}": _text(v) for k, v in request.headers.items()}
    return {
        "REQUEST_METHOD": request.method,
        "PATH_INFO": url.path,
        "RAW_URI": url.path,
        "QUERY_STRING": url.query,
        "HTTP_HOST": url.netloc,
        "SERVER_NAME": url.hostname,
        "SERVER_PORT": str(url.port),
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(body),
        "CONTENT_LENGTH": str(len(body)),
        "CONTENT_TYPE": headers.get("HTTP_CONTENT_TYPE", ""),
        **headers,
    }


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


@pytest.mark.parametrize(
    ("service", "operation", "params", "named"),
    [
        ("rds", "describe_db_instances", {"DBInstanceIdentifier": "x"}, ("rds", "DescribeDBInstances")),
        ("ec2", "describe_vpcs", {}, ("ec2", "DescribeVpcs")),
        ("elbv2", "describe_load_balancers", {}, ("elasticloadbalancing", "DescribeLoadBalancers")),
        ("kms", "describe_key", {"KeyId": "alias/x"}, ("kms", "DescribeKey")),
        ("s3", "put_object", {"Bucket": "bucket", "Key": "a/b c"}, ("s3", "PutObject")),
        ("s3", "list_objects_v2", {"Bucket": "bucket"}, ("s3", "ListObjectsV2")),
        ("s3", "get_bucket_policy", {"Bucket": "bucket"}, ("s3", "GetBucketPolicy")),
        ("route53", "list_hosted_zones", {}, ("route53", "ListHostedZones")),
        ("cloudwatch", "describe_alarms", {}, ("cloudwatch", "DescribeAlarms")),
        ("secretsmanager", "get_secret_value", {"SecretId": "x"}, ("secretsmanager", "GetSecretValue")),
    ],
)  # fmt: skip
def test_a_call_has_the_name_that_permissions_use(
    service: str, operation: str, params: dict[str, Any], named: tuple[str, str]
) -> None:
    found = call(service, operation, **params)
    assert (found.service, found.operation) == named


def test_the_region_is_the_one_that_was_signed_for() -> None:
    assert call("ec2", "describe_vpcs", "eu-central-1").region == "eu-central-1"


@pytest.mark.parametrize("service", ["iam", "route53"])
def test_global_services_are_in_us_east_1_whatever_is_signed(service: str) -> None:
    operation = {"iam": "list_roles", "route53": "list_hosted_zones"}[service]
    assert call(service, operation, "eu-central-1").region == "us-east-1"


def test_the_run_and_step_are_read_from_the_user_agent() -> None:
    assert call("ec2", "describe_vpcs").cause == "run-1/restore-db"


def test_a_call_that_reads_another_regions_data_needs_that_region() -> None:
    found = call(
        "rds",
        "copy_db_snapshot",
        SourceDBSnapshotIdentifier="arn:aws:rds:eu-central-1:123456789012:snapshot:s",
        TargetDBSnapshotIdentifier="t",
    )
    assert reach(found) == {"eu-west-1", "eu-central-1"}


def test_making_a_bucket_needs_us_east_1_and_writing_an_object_does_not() -> None:
    made = call(
        "s3", "create_bucket", Bucket="bucket", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"}
    )
    assert reach(made) == {"eu-west-1", "us-east-1"}
    assert reach(call("s3", "put_object", Bucket="bucket", Key="k")) == {"eu-west-1"}


def test_policies_that_name_a_lost_region_can_still_be_written() -> None:
    policy = '{"Resource": "arn:aws:s3:::b", "Where": "eu-central-1"}'
    found = call("iam", "put_role_policy", RoleName="r", PolicyName="p", PolicyDocument=policy)
    assert reach(found) == {"us-east-1"}


CALL = calls.Call("rds", "DescribeDBInstances", "eu-west-1", "agent", {"DBInstanceIdentifier": "shop-db"})


def test_a_rule_is_met_as_often_as_it_says_and_not_before() -> None:
    faults = Faults(seed=1)
    faults.add(Rule(id="f", service="rds", effect="throttle", after=1, times=2))
    assert [faults.meets(CALL) is not None for _ in range(5)] == [False, True, True, False, False]
    assert faults.fired == {"f": 2}


@pytest.mark.parametrize(
    ("rule", "met"),
    [
        ({"region": "eu-west-1"}, True),
        ({"region": "eu-west"}, False),
        ({"operation": "Describe.*"}, True),
        ({"service": "ec2"}, False),
        ({"parameters": "shop-db"}, True),
        ({"parameters": "other"}, False),
        ({"sender": "lifeboat"}, False),
    ],
)
def test_a_rule_meets_only_the_calls_it_describes(rule: dict[str, str], met: bool) -> None:
    faults = Faults(seed=1)
    faults.add(Rule.model_validate({"effect": "reset", **rule}))
    assert (faults.meets(CALL) is not None) is met


def test_a_rule_ends_after_its_time() -> None:
    faults = Faults(seed=1)
    faults.add(Rule(effect="reset", for_seconds=1e-9))
    assert faults.meets(CALL) is None
    assert faults.rules() == []


def test_what_happens_by_chance_happens_the_same_way_again() -> None:
    def seen(seed: int) -> list[bool]:
        faults = Faults(seed)
        faults.add(Rule(effect="throttle", probability=0.5))
        return [faults.meets(CALL) is not None for _ in range(50)]

    assert seen(7) == seen(7)
    assert 5 < sum(seen(7)) < 45
