"""The site's buckets: versioned, encrypted, private; the primary's are replicated into the standby's.

`artefacts` (builds and bundles) and `state` (contracts, exports of stacks, runners' jobs) always exist, then
come the company's own. `state` is not replicated: whoever writes it writes both regions, and says so.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pulumi
from pulumi_aws import iam, s3

from infra.component import Component, Criticality, Labels, allow, assumed_by, policy

ARTEFACTS = "artefacts"
STATE = "state"
JOBS_PREFIX = "jobs/"
JOBS_KEPT_DAYS = 30
OLD_VERSIONS_KEPT_DAYS = 30
REPLICATION_RULE = "standby"
REPLICATION_MINUTES = 15


@dataclass(frozen=True)
class Bucket:
    """A bucket as others refer to it."""

    name: str
    id: pulumi.Output[str]
    arn: pulumi.Output[str]
    criticality: Criticality
    replicated_to: str | None
    versioning: s3.BucketVersioning


@dataclass(frozen=True)
class StoresArgs:
    """Inputs of `Stores`. `replicas`: store name -> bucket in the standby region; empty in a standby."""

    company_stores: Mapping[str, Criticality]
    key_arn: pulumi.Input[str]
    replicas: Mapping[str, str]
    replica_key_arn: str | None


def private_bucket(
    parent: Component, label: str, *, key_arn: pulumi.Input[str] | None, tags: dict[str, str], **options: Any
) -> tuple[s3.Bucket, s3.BucketVersioning]:
    """A bucket with versions, encryption (SSE-S3 without a key) and no public access of any kind.

    `options`: `force_destroy`, and `protect` for the bucket and its guards alike (a destroy that
    stops at the bucket must not leave it open). The second value is what replication waits for.
    """
    protect = options.pop("protect", False)
    bucket = s3.Bucket(label, tags=tags, opts=parent.child(protect=protect), **options)
    versioning = s3.BucketVersioning(
        label,
        bucket=bucket.id,
        versioning_configuration={"status": "Enabled"},
        opts=parent.child(protect=protect),
    )
    default: dict[str, Any] = {"sse_algorithm": "AES256"}
    if key_arn is not None:
        default = {"sse_algorithm": "aws:kms", "kms_master_key_id": key_arn}
    s3.BucketServerSideEncryptionConfiguration(
        label,
        bucket=bucket.id,
        rules=[
            {"apply_server_side_encryption_by_default": default, "bucket_key_enabled": key_arn is not None}
        ],
        opts=parent.child(protect=protect),
    )
    s3.BucketPublicAccessBlock(
        label,
        bucket=bucket.id,
        block_public_acls=True,
        block_public_policy=True,
        ignore_public_acls=True,
        restrict_public_buckets=True,
        opts=parent.child(protect=protect),
    )
    return bucket, versioning


def encrypted_transport(arn: pulumi.Input[str]) -> dict[str, Any]:
    """The statement that refuses plain HTTP."""
    return {
        "Sid": "EncryptedTransport",
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:*",
        "Resource": [arn, pulumi.Output.concat(arn, "/*")],
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }


def lifecycle(parent: Component, label: str, bucket: s3.Bucket, expire: Mapping[str, int]) -> None:
    """Old versions go after a month, unfinished uploads after a week, `expire` is prefix -> days."""
    tidy = {
        "id": "tidy",
        "status": "Enabled",
        "filter": {"prefix": ""},
        "noncurrent_version_expiration": {"noncurrent_days": OLD_VERSIONS_KEPT_DAYS},
        "abort_incomplete_multipart_upload": {"days_after_initiation": 7},
    }
    rules = [
        {
            "id": f"expire-{prefix.strip('/') or 'all'}",
            "status": "Enabled",
            "filter": {"prefix": prefix},
            "expiration": {"days": days},
        }
        for prefix, days in expire.items()
    ]
    s3.BucketLifecycleConfiguration(label, bucket=bucket.id, rules=[tidy, *rules], opts=parent.child())


class Stores(Component):
    """All buckets of a site that recovery knows of."""

    def __init__(self, name: str, args: StoresArgs, labels: Labels) -> None:
        super().__init__("aws:Stores", name, labels)
        self._args = args
        wanted: dict[str, Criticality] = {ARTEFACTS: "critical", STATE: "critical", **args.company_stores}
        self.buckets = {label: self._store(label, criticality) for label, criticality in wanted.items()}
        replicated = [b for b in self.buckets.values() if b.replicated_to is not None]
        if replicated:
            self._replicate(replicated)
        self.register_outputs({label: bucket.id for label, bucket in self.buckets.items()})

    @property
    def company(self) -> list[Bucket]:
        """The company's own stores."""
        return [self.buckets[label] for label in self._args.company_stores]

    def _store(self, label: str, criticality: Criticality) -> Bucket:
        tags = self.labels.tags(label, criticality)
        bucket, versioning = private_bucket(self, label, key_arn=self._args.key_arn, tags=tags, protect=True)
        s3.BucketPolicy(
            label,
            bucket=bucket.id,
            policy=policy(encrypted_transport(bucket.arn)),
            opts=self.child(protect=True),
        )
        lifecycle(self, label, bucket, {JOBS_PREFIX: JOBS_KEPT_DAYS} if label == STATE else {})
        replica = None if label == STATE else self._args.replicas.get(label)
        return Bucket(label, bucket.id, bucket.arn, criticality, replica, versioning)

    def _replicate(self, buckets: list[Bucket]) -> None:
        role = iam.Role(
            "replication",
            description="S3 copies the stores into the standby region",
            assume_role_policy=assumed_by("s3.amazonaws.com"),
            tags=self.tags("replication"),
            opts=self.child(),
        )
        permissions = iam.RolePolicy(
            "replication",
            role=role.id,
            policy=policy(*self._replication_statements(buckets)),
            opts=self.child(),
        )
        for bucket in buckets:
            s3.BucketReplicationConfig(
                bucket.name,
                bucket=bucket.id,
                role=role.arn,
                rules=[self._rule(bucket)],
                # S3 refuses the configuration until versioning is on, and drops copies it may not make.
                opts=self.child(depends_on=[permissions, bucket.versioning]),
            )

    def _rule(self, bucket: Bucket) -> dict[str, Any]:
        enabled = {"status": "Enabled"}
        minutes = {"minutes": REPLICATION_MINUTES}
        return {
            "id": REPLICATION_RULE,
            "priority": 1,
            "filter": {"prefix": ""},
            "delete_marker_replication": enabled,
            "source_selection_criteria": {"sse_kms_encrypted_objects": enabled},
            "destination": {
                "bucket": f"arn:aws:s3:::{bucket.replicated_to}",
                "encryption_configuration": {"replica_kms_key_id": self._args.replica_key_arn},
                "metrics": {**enabled, "event_threshold": minutes},
                "replication_time": {**enabled, "time": minutes},
            },
            **enabled,
        }

    def _replication_statements(self, buckets: list[Bucket]) -> list[dict[str, Any]]:
        read = ["s3:GetObjectVersionForReplication", "s3:GetObjectVersionAcl", "s3:GetObjectVersionTagging"]
        write = ["s3:ReplicateObject", "s3:ReplicateDelete", "s3:ReplicateTags"]
        everything_in = [pulumi.Output.concat(b.arn, "/*") for b in buckets]
        return [
            allow(["s3:GetReplicationConfiguration", "s3:ListBucket"], [b.arn for b in buckets]),
            allow(read, everything_in),
            allow(write, [f"arn:aws:s3:::{b.replicated_to}/*" for b in buckets]),
            allow(["kms:Decrypt"], self._args.key_arn),
            allow(["kms:Encrypt", "kms:GenerateDataKey"], self._args.replica_key_arn),
        ]
