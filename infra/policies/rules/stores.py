"""Buckets, keys, secrets, topics: private, encrypted, recoverable."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from infra.policies.documents import lets_everyone, statements
from infra.policies.rule import Resource, listed, own_key, rule, truthy

BUCKET = "s3/bucket:Bucket"
LATCH = "lifeboat:edge:Latch"
"""The one component whose bucket the public may read (docs/architecture.md, Names)."""
BLOCKS = ("blockPublicAcls", "blockPublicPolicy", "ignorePublicAcls", "restrictPublicBuckets")
PRIVATE_ACLS = frozenset((None, "private", "log-delivery-write"))


@rule(
    "bucket-private",
    "Buckets are private; only the latch may be read",
    "s3/bucketPublicAccessBlock:BucketPublicAccessBlock",
    "s3/bucketAcl:BucketAcl",
)
def private(resource: Resource) -> Iterator[str]:
    """Access lists stay blocked even there."""
    if resource.type.startswith("aws:s3/bucketAcl"):
        if resource.props.get("acl") not in PRIVATE_ACLS or resource.props.get("accessControlPolicy"):
            yield "access lists are not used: say who may in the bucket's policy"
        return
    needed = [b for b in BLOCKS if b.endswith("Acls")] if resource.inside(LATCH) else BLOCKS
    for block in needed:
        if not truthy(resource.props.get(block)):
            yield f"{block} must be true"


@rule(
    "bucket-policy",
    "No bucket's policy lets everyone in, but for the latch object",
    "s3/bucketPolicy:BucketPolicy",
)
def policy(resource: Resource) -> Iterator[str]:
    """And every one refuses plain HTTP."""
    found = statements(resource.props.get("policy"))
    for statement in found:
        if lets_everyone(statement) and not (resource.inside(LATCH) and _reads_one_object(statement)):
            yield f"lets everyone {', '.join(listed(statement.get('Action'))) or 'what it does not name'}"
    if not any(_refuses_http(statement) for statement in found):
        yield "must deny everyone every request without TLS (aws:SecureTransport)"


def _reads_one_object(statement: dict[str, Any]) -> bool:
    targets = listed(statement.get("Resource"))
    one = len(targets) == 1 and not any(wild in str(targets[0]) for wild in "*?")
    return one and listed(statement.get("Action")) == ["s3:GetObject"]


def _refuses_http(statement: dict[str, Any]) -> bool:
    condition = statement.get("Condition", {})
    return (
        statement.get("Effect") == "Deny"
        and statement.get("Principal") in ("*", {"AWS": "*"})
        and listed(statement.get("Action")) in (["s3:*"], ["*"])
        and list(condition) == ["Bool"]
        and {key: str(value).lower() for key, value in condition["Bool"].items()}
        == {"aws:SecureTransport": "false"}
    )


@rule("bucket-versioned", "Buckets keep versions", "s3/bucketVersioning:BucketVersioning")
def versioned(resource: Resource) -> Iterator[str]:
    """Without them nothing is replicated, and an overwritten object is lost."""
    if (resource.props.get("versioningConfiguration") or {}).get("status") != "Enabled":
        yield "versioningConfiguration.status must be Enabled"


@rule("bucket-not-inline", "Buckets are configured by resources of their own", BUCKET)
def not_inline(resource: Resource) -> Iterator[str]:
    """Inline settings stay when they are taken away, so that the program would lie about the bucket."""
    for key in (
        "acl",
        "grants",
        "policy",
        "versioning",
        "serverSideEncryptionConfiguration",
        "replicationConfiguration",
    ):
        if resource.props.get(key) is not None:
            yield f"{key} must be a resource of its own"


@rule("store-kept", "Critical buckets are protected, and no destroy empties them", BUCKET)
def store_kept(resource: Resource) -> Iterator[str]:
    """What is in them is nowhere else but in the standby."""
    if resource.critical and truthy(resource.props.get("forceDestroy")):
        yield "forceDestroy must be false for a bucket of class critical"
    if resource.critical and not resource.protect:
        yield "a bucket of class critical must be protected (ResourceOptions(protect=True))"


@rule("key-kept", "Keys rotate and take 30 days to delete", "kms/key:Key", "kms/replicaKey:ReplicaKey")
def key_kept(resource: Resource) -> Iterator[str]:
    """A key that is gone takes every backup under it along."""
    if (resource.props.get("deletionWindowInDays") or 0) < 30:
        yield "deletionWindowInDays must be 30"
    if resource.type == "aws:kms/key:Key" and not truthy(resource.props.get("enableKeyRotation")):
        yield "enableKeyRotation must be true"


@rule(
    "secret-kept", "Secrets are under a key of ours and can be brought back", "secretsmanager/secret:Secret"
)
def secret_kept(resource: Resource) -> Iterator[str]:
    """AWS's own key is the same for the whole account."""
    if not own_key(resource.props.get("kmsKeyId")):
        yield "kmsKeyId must be a key of the company's own"
    if (resource.props.get("recoveryWindowInDays", 30)) < 7:
        yield "recoveryWindowInDays must be at least 7"


@rule("topic-encrypted", "Topics are encrypted", "sns/topic:Topic")
def topic_encrypted(resource: Resource) -> Iterator[str]:
    """Alarms name what is broken. Under AWS's own key CloudWatch could not even publish them."""
    if not own_key(resource.props.get("kmsMasterKeyId")):
        yield "kmsMasterKeyId must be a key of the company's own"


RULES = (private, policy, versioned, not_inline, store_kept, key_kept, secret_kept, topic_encrypted)
