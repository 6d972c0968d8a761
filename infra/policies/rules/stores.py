"""Buckets, keys, secrets, topics: private, encrypted, recoverable."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from infra.policies.rule import Resource, listed, rule

BUCKET = "s3/bucket:Bucket"
LATCH = "lifeboat:edge:Latch"
"""The one component whose bucket the public may read (docs/architecture.md, Names)."""
BLOCKS = ("blockPublicAcls", "blockPublicPolicy", "ignorePublicAcls", "restrictPublicBuckets")


@rule(
    "bucket-private",
    "Buckets are private; only the latch may be read",
    "s3/bucketPublicAccessBlock:BucketPublicAccessBlock",
)
def private(resource: Resource) -> Iterator[str]:
    """Access lists stay blocked even there."""
    needed = [b for b in BLOCKS if b.endswith("Acls")] if resource.inside(LATCH) else BLOCKS
    for block in needed:
        if not resource.props.get(block):
            yield f"{block} must be true"


@rule(
    "bucket-policy",
    "No bucket's policy lets everyone in, but for the latch object",
    "s3/bucketPolicy:BucketPolicy",
)
def policy(resource: Resource) -> Iterator[str]:
    """And every one refuses plain HTTP."""
    statements = resource.statements()
    for statement in statements:
        if statement.get("Effect") != "Allow" or not _everyone(statement):
            continue
        one_object = resource.inside(LATCH) and listed(statement.get("Action")) == ["s3:GetObject"]
        if not one_object or any(str(target).endswith("*") for target in listed(statement.get("Resource"))):
            yield f"lets everyone {', '.join(listed(statement.get('Action')))}"
    if not any(_refuses_http(statement) for statement in statements):
        yield "must deny requests without TLS (aws:SecureTransport)"


def _everyone(statement: dict[str, Any]) -> bool:
    principal = statement.get("Principal")
    open_to_all = principal == "*" or (isinstance(principal, dict) and "*" in listed(principal.get("AWS")))
    return open_to_all and not statement.get("Condition")


def _refuses_http(statement: dict[str, Any]) -> bool:
    condition = statement.get("Condition", {}).get("Bool", {})
    return statement.get("Effect") == "Deny" and condition.get("aws:SecureTransport") == "false"


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
        "policy",
        "versioning",
        "serverSideEncryptionConfiguration",
        "replicationConfiguration",
    ):
        if resource.props.get(key) is not None:
            yield f"{key} must be a resource of its own"


@rule("key-kept", "Keys rotate and take 30 days to delete", "kms/key:Key", "kms/replicaKey:ReplicaKey")
def key_kept(resource: Resource) -> Iterator[str]:
    """A key that is gone takes every backup under it along."""
    if (resource.props.get("deletionWindowInDays") or 0) < 30:
        yield "deletionWindowInDays must be 30"
    if resource.type == "aws:kms/key:Key" and not resource.props.get("enableKeyRotation"):
        yield "enableKeyRotation must be true"
    for statement in resource.statements():
        if statement.get("Effect") == "Allow" and _everyone(statement):
            yield "its policy lets everyone use the key"


@rule(
    "secret-kept", "Secrets are under a key of ours and can be brought back", "secretsmanager/secret:Secret"
)
def secret_kept(resource: Resource) -> Iterator[str]:
    """AWS's own key is the same for the whole account."""
    if "kmsKeyId" not in resource.props:
        yield "kmsKeyId is not given"
    if (resource.props.get("recoveryWindowInDays", 30)) < 7:
        yield "recoveryWindowInDays must be at least 7"


@rule("topic-encrypted", "Topics are encrypted", "sns/topic:Topic")
def topic_encrypted(resource: Resource) -> Iterator[str]:
    """Alarms name what is broken."""
    if "kmsMasterKeyId" not in resource.props:
        yield "kmsMasterKeyId is not given"


RULES = (private, policy, versioned, not_inline, key_kept, secret_kept, topic_encrypted)
