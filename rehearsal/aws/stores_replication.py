"""S3 replication that copies: each new object of a bucket with a rule appears in the other region, later.

As AWS has it (S3 User Guide, "Replicating objects"): versioning on both sides; new objects only; the copy
keeps version id, time, ETag, metadata and tags; KMS-encrypted objects only when the rule says so and under
the rule's key; delete markers only when the rule says so; deleted versions never; replicas are not copied
on. HeadObject shows PENDING, COMPLETED or FAILED at the source and REPLICA at the copy.
"""

from __future__ import annotations

import copy
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from moto.core.responses import ActionResult
from moto.s3.exceptions import ReplicationConfigurationNotFoundError, S3ClientError
from moto.s3.models import FakeBucket, FakeDeleteMarker, FakeKey, S3Backend
from moto.s3.responses import S3Response

from rehearsal.aws import calls
from rehearsal.aws.patch import around
from rehearsal.aws.stores_keys import key_state
from rehearsal.log import log
from rehearsal.world import World

_STATUS = "replication_status"


@dataclass(frozen=True)
class Rule:
    """One enabled rule of a bucket's replication configuration."""

    prefix: str
    priority: int
    destination: str
    """Name of the bucket that it copies to."""
    storage_class: str | None
    replica_key: str | None
    """KMS key for the copies; set when KMS-encrypted objects are copied at all."""
    delete_markers: bool


def rules(bucket: FakeBucket) -> list[Rule]:
    """The bucket's enabled rules, highest priority first."""
    found = []
    for rule in (getattr(bucket, "replication", None) or {"Rule": []})["Rule"]:
        if rule["Status"] != "Enabled":
            continue
        target = rule["Destination"]
        selection = (rule.get("SourceSelectionCriteria") or {}).get("SseKmsEncryptedObjects") or {}
        encrypted = selection.get("Status") == "Enabled"
        found.append(
            Rule(
                prefix=(rule.get("Filter") or {}).get("Prefix") or rule.get("Prefix") or "",
                priority=int(rule["Priority"]),
                destination=target["Bucket"].removeprefix("arn:aws:s3:::"),
                storage_class=target.get("StorageClass"),
                replica_key=(target.get("EncryptionConfiguration") or {}).get("ReplicaKmsKeyID")
                if encrypted
                else None,
                delete_markers=(rule.get("DeleteMarkerReplication") or {}).get("Status") == "Enabled",
            )
        )
    return sorted(found, key=lambda rule: -rule.priority)


class Replicator:
    """Carries objects over. What was on its way when a region was lost goes on once it is back."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._lock = threading.Lock()
        self._pending: dict[int, tuple[str, Callable[[], bool]]] = {}
        self._count = 0
        world.on_return(self._catch_up)

    def put(self, backend: S3Backend, key: FakeKey) -> None:
        """A new object: note its status, and send it on its way if a rule takes it."""
        bucket = backend.get_bucket(str(key.bucket_name))
        rule = next((r for r in rules(bucket) if key.name.startswith(r.prefix)), None)
        if rule is None or (key.encryption == "aws:kms" and rule.replica_key is None):
            return
        setattr(key, _STATUS, "PENDING")
        self._send(bucket.region_name, lambda: self._copy(backend, key, rule))

    def marked(self, backend: S3Backend, bucket: FakeBucket, marker: FakeDeleteMarker) -> None:
        """A delete marker was set."""
        rule = next((r for r in rules(bucket) if marker.name.startswith(r.prefix)), None)
        if rule is not None and rule.delete_markers:
            self._send(bucket.region_name, lambda: self._copy_marker(backend, marker, rule))

    def _send(self, region: str, carry: Callable[[], bool]) -> None:
        with self._lock:
            self._count += 1
            number = self._count
            self._pending[number] = (region, carry)
        self._world.after("s3.replicate", region, lambda: self._arrive(number), cause=calls.cause())

    def _arrive(self, number: int) -> None:
        with self._lock:
            _, carry = self._pending.get(number, ("", lambda: True))
        try:
            done = carry()
        except Exception:
            log.exception("replication broke")
            done = True
        if done:
            with self._lock:
                self._pending.pop(number, None)

    def _catch_up(self, _: str) -> None:
        with self._lock:
            waiting = [(n, region) for n, (region, _) in self._pending.items()]
        for number, region in waiting:
            if not self._world.is_lost(region):
                self._world.after("s3.replicate", region, lambda n=number: self._arrive(n))  # type: ignore[misc]

    def _destination(self, backend: S3Backend, rule: Rule) -> FakeBucket | None:
        """The bucket to copy to, or None when it cannot take copies any more."""
        bucket = backend.buckets.get(rule.destination)
        return bucket if bucket is not None and bucket.is_versioned else None

    def _copy(self, backend: S3Backend, key: FakeKey, rule: Rule) -> bool:
        """Copy one object; False when the other region is not there, so that it is tried again."""
        bucket = self._destination(backend, rule)
        if bucket is not None and self._world.is_lost(bucket.region_name):
            return False
        encrypted = key.encryption == "aws:kms"
        usable = not encrypted or (
            bucket and key_state(bucket.region_name, str(rule.replica_key)) == "Enabled"
        )
        if bucket is None or not usable:
            setattr(key, _STATUS, "FAILED")
            return True
        replica = copy.copy(key)  # FakeKey's own __getstate__ copies the content
        replica.bucket_name = bucket.name
        replica.kms_key_id = rule.replica_key if encrypted else None
        if rule.storage_class:
            replica.set_storage_class(rule.storage_class)
        setattr(replica, _STATUS, "REPLICA")
        _insert(bucket, replica)
        backend.tagger.copy_tags(key.arn, replica.arn)
        setattr(key, _STATUS, "COMPLETED")
        return True

    def _copy_marker(self, backend: S3Backend, marker: FakeDeleteMarker, rule: Rule) -> bool:
        bucket = self._destination(backend, rule)
        if bucket is None:
            return True
        if self._world.is_lost(bucket.region_name):
            return False
        _insert(bucket, marker)
        return True


def _insert(bucket: FakeBucket, version: Any) -> None:
    """Put a version where its time says; the newest one is what readers get."""
    versions = [v for v in bucket.keys.getlist(version.name, []) if v.version_id != version.version_id]
    bucket.keys.setlist(version.name, sorted([*versions, version], key=lambda v: v.last_modified))


def install(world: World) -> None:
    """Patch moto's S3."""
    replicator = Replicator(world)

    @around(S3Backend, "put_object")
    def put(original: Any, self: S3Backend, *args: Any, **kwargs: Any) -> FakeKey:
        key: FakeKey = original(self, *args, **kwargs)
        replicator.put(self, key)
        return key

    @around(S3Backend, "_set_delete_marker")
    def mark(original: Any, self: S3Backend, bucket_name: str, key_name: str) -> FakeDeleteMarker:
        marker: FakeDeleteMarker = original(self, bucket_name, key_name)
        replicator.marked(self, self.get_bucket(bucket_name), marker)
        return marker

    @around(FakeKey, "response_dict")
    def headers(original: Any, self: FakeKey) -> dict[str, Any]:
        found: dict[str, Any] = original(self)
        if status := getattr(self, _STATUS, None):
            found["x-amz-replication-status"] = status
        return found

    @around(S3Backend, "put_bucket_replication")
    def configure(original: Any, self: S3Backend, bucket_name: str, replication: dict[str, Any]) -> None:
        if isinstance(replication.get("Rule"), dict):
            replication["Rule"] = [replication["Rule"]]
        _validate(self, replication)
        original(self, bucket_name, replication)

    @around(S3Backend, "put_bucket_versioning")
    def version(original: Any, self: S3Backend, bucket_name: str, status: str) -> None:
        if status != "Enabled" and self.get_bucket_replication(bucket_name):
            raise S3ClientError(
                "InvalidBucketState",
                "A replication configuration is present on this bucket, so the versioning state cannot be "
                "changed. Delete the replication configuration first.",
            )
        original(self, bucket_name, status)

    @around(S3Response, "get_bucket_replication")
    def show(_: Any, self: S3Response) -> Any:
        self.data["Action"] = "GetBucketReplication"
        found = self.backend.get_bucket_replication(self.bucket_name)
        if not found:
            raise ReplicationConfigurationNotFoundError(bucket_name=self.bucket_name)
        shape = {"Role": found["Role"], "Rules": [_typed(rule) for rule in found["Rule"]]}
        return self.serialized(ActionResult({"ReplicationConfiguration": shape}))


def _validate(backend: S3Backend, replication: dict[str, Any]) -> None:
    """Refuse what S3 refuses; moto takes anything (S3 API Reference, PutBucketReplication)."""
    for rule in replication["Rule"]:
        target = rule["Destination"]
        bucket = backend.buckets.get(target["Bucket"].removeprefix("arn:aws:s3:::"))
        if bucket is None:
            raise S3ClientError("InvalidRequest", "Destination bucket must exist.")
        if not bucket.is_versioned:
            raise S3ClientError("InvalidRequest", "Destination bucket must have versioning enabled.")
        if "Filter" in rule and "DeleteMarkerReplication" not in rule:
            raise S3ClientError(
                "InvalidRequest",
                "DeleteMarkerReplication must be specified for this version of Cross Region Replication "
                "configuration schema.",
            )
        if (rule.get("Filter") or {}).keys() - {"Prefix"}:
            raise NotImplementedError("s3: replication rules filtered by tag")
        if (rule.get("SourceSelectionCriteria") or {}).get("SseKmsEncryptedObjects") and not (
            target.get("EncryptionConfiguration") or {}
        ).get("ReplicaKmsKeyID"):
            raise S3ClientError(
                "InvalidRequest",
                "ReplicaKmsKeyID must be specified if SseKmsEncryptedObjects tag is present.",
            )


def _typed(value: Any) -> Any:
    """The configuration as the API's model has it: minutes and priority are numbers."""
    if isinstance(value, dict):
        return {
            k: int(v)
            if k in ("Minutes", "Priority")
            else {"Prefix": ""}
            if k == "Filter" and not v
            else _typed(v)
            for k, v in value.items()
        }
    return value if value is not None else ""
