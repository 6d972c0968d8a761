"""S3: replication that copies, and who may read without credentials."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest
from botocore.exceptions import ClientError
from nameworld import NameWorld, lost, refused

from rehearsal import pki
from rehearsal.dns import front_address
from tests.fakes.waiting import until

HERE, THERE = "eu-central-1", "eu-west-1"


@pytest.fixture
def world(names_world: NameWorld) -> NameWorld:
    return names_world


def rule(destination: str, **more: Any) -> dict[str, Any]:
    return {
        "ID": "all",
        "Priority": 1,
        "Status": "Enabled",
        "Filter": {"Prefix": ""},
        "DeleteMarkerReplication": {"Status": "Enabled"},
        "Destination": {"Bucket": f"arn:aws:s3:::{destination}"},
    } | more


def replicate(world: NameWorld, source: str, *rules: dict[str, Any]) -> None:
    world.client("s3", HERE).put_bucket_replication(
        Bucket=source,
        ReplicationConfiguration={"Role": "arn:aws:iam::123456789012:role/r", "Rules": list(rules)},
    )


def pair(world: NameWorld) -> tuple[str, str]:
    """A bucket here that is copied to a bucket there."""
    source, copy = world.bucket("source", HERE), world.bucket("copy", THERE)
    replicate(world, source, rule(copy))
    return source, copy


def head(world: NameWorld, bucket: str, key: str, region: str) -> dict[str, Any] | None:
    try:
        return dict(world.client("s3", region).head_object(Bucket=bucket, Key=key))
    except ClientError:
        return None


def status(world: NameWorld, bucket: str, key: str, region: str = HERE) -> str:
    return str((head(world, bucket, key, region) or {}).get("ReplicationStatus", ""))


def test_an_object_is_copied_once_the_other_region_takes_it_and_whole(world: NameWorld) -> None:
    source, copy = pair(world)
    s3, there = world.client("s3", HERE), world.client("s3", THERE)
    with lost(world, THERE):
        put = s3.put_object(
            Bucket=source, Key="a/b", Body=b"hello", Metadata={"built": "today"}, Tagging="class=critical"
        )
        world.settle()
        assert status(world, source, "a/b") == "PENDING"
    until("completed", lambda: status(world, source, "a/b") == "COMPLETED")
    found = there.get_object(Bucket=copy, Key="a/b")
    assert found["Body"].read() == b"hello"
    assert found["VersionId"] == put["VersionId"]
    assert found["ETag"] == put["ETag"]
    assert found["Metadata"] == {"built": "today"}
    assert found["ReplicationStatus"] == "REPLICA"
    tags = there.get_object_tagging(Bucket=copy, Key="a/b")["TagSet"]
    assert tags == [{"Key": "class", "Value": "critical"}]


def test_the_newest_version_is_the_newest_on_both_sides(world: NameWorld) -> None:
    source, copy = pair(world)
    for n in range(3):
        world.client("s3", HERE).put_object(Bucket=source, Key="k", Body=b"%d" % n)
    until("all copied", lambda: status(world, source, "k") == "COMPLETED")
    there = world.client("s3", THERE)
    until("newest", lambda: there.get_object(Bucket=copy, Key="k")["Body"].read() == b"2")
    versions = until("three versions", lambda: _three(there.list_object_versions(Bucket=copy)["Versions"]))
    assert [v["IsLatest"] for v in versions].count(True) == 1


def _three(versions: list[dict[str, Any]]) -> list[dict[str, Any]] | None:
    return versions if len(versions) == 3 else None


def test_what_was_there_before_the_rule_is_not_copied(world: NameWorld) -> None:
    source, copy = world.bucket("source", HERE), world.bucket("copy", THERE)
    world.client("s3", HERE).put_object(Bucket=source, Key="old", Body=b"")
    replicate(world, source, rule(copy))
    world.client("s3", HERE).put_object(Bucket=source, Key="new", Body=b"")
    until("new is copied", lambda: head(world, copy, "new", THERE))
    assert head(world, copy, "old", THERE) is None
    assert status(world, source, "old") == ""


def test_a_delete_marker_is_copied_only_when_the_rule_says_so(world: NameWorld) -> None:
    for word, gone in (("Enabled", True), ("Disabled", False)):
        source, copy = world.bucket("source", HERE), world.bucket("copy", THERE)
        replicate(world, source, rule(copy, DeleteMarkerReplication={"Status": word}))
        s3 = world.client("s3", HERE)
        s3.put_object(Bucket=source, Key="k", Body=b"")
        until("copied", lambda copy=copy: head(world, copy, "k", THERE))
        s3.delete_object(Bucket=source, Key="k")
        s3.put_object(Bucket=source, Key="after", Body=b"")
        until("later one copied", lambda copy=copy: head(world, copy, "after", THERE))
        assert (head(world, copy, "k", THERE) is None) is gone


def test_nothing_leaves_a_lost_region_until_it_is_back(world: NameWorld) -> None:
    source, copy = pair(world)
    with lost(world, THERE):  # so that it is still on its way when its own region goes
        world.client("s3", HERE).put_object(Bucket=source, Key="k", Body=b"")
        world.steering.lose(HERE)
    try:
        world.settle()
        assert head(world, copy, "k", THERE) is None
    finally:
        world.steering.give_back(HERE)
    until("copied after all", lambda: head(world, copy, "k", THERE))


def test_an_encrypted_object_needs_a_usable_key_on_the_other_side(world: NameWorld) -> None:
    kms = world.client("kms", THERE)
    key = kms.create_key()["KeyMetadata"]["Arn"]
    mine = world.client("kms", HERE).create_key()["KeyMetadata"]["Arn"]
    source, copy = world.bucket("source", HERE), world.bucket("copy", THERE)
    criteria = {"SseKmsEncryptedObjects": {"Status": "Enabled"}}
    with refused("InvalidRequest", saying="ReplicaKmsKeyID"):
        replicate(world, source, rule(copy, SourceSelectionCriteria=criteria))
    destination = {"Bucket": f"arn:aws:s3:::{copy}", "EncryptionConfiguration": {"ReplicaKmsKeyID": key}}
    replicate(world, source, rule(copy, SourceSelectionCriteria=criteria, Destination=destination))
    s3 = world.client("s3", HERE)
    s3.put_object(Bucket=source, Key="good", Body=b"", ServerSideEncryption="aws:kms", SSEKMSKeyId=mine)
    until("copied", lambda: status(world, source, "good") == "COMPLETED")
    found = head(world, copy, "good", THERE)
    assert found is not None
    assert found["SSEKMSKeyId"] == key
    kms.disable_key(KeyId=key)
    s3.put_object(Bucket=source, Key="bad", Body=b"", ServerSideEncryption="aws:kms", SSEKMSKeyId=mine)
    until("failed", lambda: status(world, source, "bad") == "FAILED")
    with refused("KMS.DisabledException"):
        world.client("s3", THERE).get_object(Bucket=copy, Key="good")


def test_replication_needs_versioning_on_both_sides_and_shows_what_was_put(world: NameWorld) -> None:
    source, copy = world.bucket("source", HERE), world.bucket("copy", THERE)
    plain = world.bucket("plain", THERE, versioned=False)
    with refused("InvalidRequest", saying="versioning enabled"):
        replicate(world, source, rule(plain))
    with refused("InvalidRequest", saying="must exist"):
        replicate(world, source, rule("nobodys-bucket"))
    metrics = {
        "Bucket": f"arn:aws:s3:::{copy}",
        "StorageClass": "STANDARD_IA",
        "ReplicationTime": {"Status": "Enabled", "Time": {"Minutes": 15}},
        "Metrics": {"Status": "Enabled", "EventThreshold": {"Minutes": 15}},
    }
    wanted = rule(copy, Filter={"Prefix": "a/"}, Destination=metrics)
    replicate(world, source, wanted)
    shown = world.client("s3", HERE).get_bucket_replication(Bucket=source)["ReplicationConfiguration"]
    assert shown["Rules"] == [wanted]
    with refused("InvalidBucketState"):
        world.client("s3", HERE).put_bucket_versioning(
            Bucket=source, VersioningConfiguration={"Status": "Suspended"}
        )


# --- anonymous readers -----------------------------------------------------------------------------------


def anonymous(world: NameWorld, bucket: str, key: str, method: str = "GET") -> int:
    """Open an object's public URL, as anybody on the Internet would."""
    host = f"{bucket}.s3.{THERE}.amazonaws.com"
    with httpx.Client(verify=str(pki.ca_file(world.settings.home)), trust_env=False) as http:
        url = f"https://{front_address(world.settings)}:{world.settings.port(443)}/{key}"
        reply = http.request(method, url, headers={"Host": host}, extensions={"sni_hostname": host})
    return reply.status_code


def policy(bucket: str, *statements: dict[str, Any]) -> str:
    opened = {
        "Effect": "Allow",
        "Principal": "*",
        "Action": "s3:GetObject",
        "Resource": f"arn:aws:s3:::{bucket}/public",
    }
    return json.dumps({"Version": "2012-10-17", "Statement": [opened, *statements]})


def test_anybody_may_read_exactly_what_the_policy_gives_to_everybody(world: NameWorld) -> None:
    bucket, s3 = world.opened("open", THERE), world.client("s3", THERE)
    for key in ("public", "private"):
        s3.put_object(Bucket=bucket, Key=key, Body=b"1")
    assert anonymous(world, bucket, "public") == 403
    insecure = {
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:*",
        "Resource": [f"arn:aws:s3:::{bucket}", f"arn:aws:s3:::{bucket}/*"],
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }
    s3.put_bucket_policy(Bucket=bucket, Policy=policy(bucket, insecure))
    assert anonymous(world, bucket, "public") == 200
    assert anonymous(world, bucket, "public", "HEAD") == 200
    for method, key in (
        ("GET", "private"), ("GET", "absent"), ("GET", ""), ("PUT", "public"), ("DELETE", "public"),
    ):  # fmt: skip
        assert anonymous(world, bucket, key, method) == 403, (method, key)
    assert s3.get_object(Bucket=bucket, Key="private")["Body"].read() == b"1"


def test_a_new_bucket_cannot_be_opened_until_its_block_is_taken_away(world: NameWorld) -> None:
    bucket, s3 = world.bucket("closed", THERE), world.client("s3", THERE)
    with refused("AccessDenied"):
        s3.put_bucket_policy(Bucket=bucket, Policy=policy(bucket))
    s3.delete_public_access_block(Bucket=bucket)
    s3.put_bucket_policy(Bucket=bucket, Policy=policy(bucket))


def test_a_bucket_name_that_no_host_can_have_is_refused(world: NameWorld) -> None:
    s3, where = world.client("s3", THERE), {"LocationConstraint": THERE}
    with refused("InvalidBucketName"):
        s3.create_bucket(Bucket="Under_Score", CreateBucketConfiguration=where)


def test_a_public_access_block_closes_what_a_policy_opened(world: NameWorld) -> None:
    bucket, s3 = world.opened("block", THERE), world.client("s3", THERE)
    s3.put_object(Bucket=bucket, Key="public", Body=b"1")
    s3.put_bucket_policy(Bucket=bucket, Policy=policy(bucket))
    assert anonymous(world, bucket, "public") == 200
    s3.put_public_access_block(
        Bucket=bucket,
        PublicAccessBlockConfiguration={"BlockPublicPolicy": True, "RestrictPublicBuckets": True},
    )
    assert anonymous(world, bucket, "public") == 403
    with refused("AccessDenied"):
        s3.put_bucket_policy(Bucket=bucket, Policy=policy(bucket))
