"""KMS: multi-region keys that work on both sides, and keys that refuse to work when they should.

moto lets the replica share its primary's aliases, grants and description of itself, forgets the policy and
tags of a replica, and encrypts with disabled keys (KMS API Reference, ReplicateKey and "Key states").
"""

from __future__ import annotations

import copy
import json
from typing import Any

from moto.core.exceptions import JsonRESTError
from moto.kms.models import Key, KmsBackend, kms_backends
from moto.kms.responses import KmsResponse

from rehearsal.aws import ACCOUNT, calls
from rehearsal.aws.patch import around
from rehearsal.world import World

_USES = ("encrypt", "generate_data_key", "sign", "generate_mac")
_BY_ID = ("disable_key", "enable_key", "cancel_key_deletion", "schedule_key_deletion")


def key_state(region: str, key: str) -> str:
    """State of the key that an id, ARN or alias means in the region (`Enabled`, `Disabled`,
    `PendingDeletion`, `Creating`, ...); empty when the region has no such key."""
    if key.startswith("arn:"):
        region = key.split(":")[3]
    backend = kms_backends[ACCOUNT][region]
    alias = backend.get_alias_name(key)
    identifier = (
        backend.get_key_id_from_alias(alias) if alias.startswith("alias/") else backend.get_key_id(key)
    )
    found = backend.keys.get(identifier or "")
    return str(found.key_state) if found else ""


def refuse_unusable(region: str, key: str) -> None:
    """Raise KMS's own error when the key cannot be used: missing, disabled or being deleted."""
    state = key_state(region, key)
    if state == "":
        raise JsonRESTError("NotFoundException", f"Key '{key}' does not exist")
    if state == "Disabled":
        raise JsonRESTError("DisabledException", f"{key} is disabled.")
    if state != "Enabled":
        words = {"PendingDeletion": "pending deletion", "Creating": "creating"}.get(state, state)
        raise JsonRESTError("KMSInvalidStateException", f"{key} is {words}.")


def install(world: World) -> None:
    """Patch moto's KMS."""
    for name in _USES:
        _guard(name)
    for name in _BY_ID:
        _by_arn_too(name)
    _patch_ids()
    _patch_refusals()
    _patch_replicas(world)


def _patch_ids() -> None:
    @around(Key, "__init__")
    def init(original: Any, self: Key, *args: Any, **kwargs: Any) -> None:
        original(self, *args, **kwargs)
        if self.multi_region:  # as long as AWS's, which moto's ciphertexts have room for; its own are longer
            old, self.id = self.id, f"mrk-{self.id.removeprefix('mrk-').replace('-', '')}"
            self.arn = self.arn.replace(old, self.id)
            self.multi_region_configuration["PrimaryKey"]["Arn"] = self.arn

    @around(KmsResponse, "_validate_cmk_id")
    def validate(original: Any, self: KmsResponse, key_id: str) -> None:
        if key_id not in self.kms_backend.keys:  # moto's pattern for ids knows its own long ones only
            original(self, key_id)


def _patch_refusals() -> None:
    @around(KmsBackend, "decrypt")
    def decrypt(original: Any, self: KmsBackend, *args: Any, **kwargs: Any) -> Any:
        plaintext, arn = original(self, *args, **kwargs)
        refuse_unusable(self.region_name, arn)
        return plaintext, arn

    @around(KmsBackend, "schedule_key_deletion")
    def schedule(original: Any, self: KmsBackend, key_id: str, days: int) -> Any:
        if not 7 <= days <= 30:  # moto answers that it did, and does nothing
            raise JsonRESTError("ValidationException", "PendingWindowInDays must be between 7 and 30")
        date = original(self, key_id, days)
        key = self.keys[self.get_key_id(key_id)]
        if key.multi_region and _is_primary(key) and key.multi_region_configuration["ReplicaKeys"]:
            key.key_state = "PendingReplicaDeletion"
        return date

    @around(KmsBackend, "put_key_policy")
    def policy(original: Any, self: KmsBackend, key_id: str, policy: str) -> None:
        try:
            json.loads(policy)["Statement"]
        except (ValueError, KeyError, TypeError):
            raise JsonRESTError("MalformedPolicyDocumentException", "The policy is malformed.") from None
        original(self, key_id, policy)

    @around(KmsResponse, "create_alias")
    def alias(original: Any, self: KmsResponse) -> Any:
        if str(self._get_param("AliasName")).startswith("alias/aws/"):
            raise JsonRESTError("NotAuthorizedException", "Aliases that begin with alias/aws/ are AWS's own.")
        return original(self)


def _patch_replicas(world: World) -> None:
    @around(KmsBackend, "describe_key")
    def describe(_: Any, self: KmsBackend, key_id: str) -> Key:
        return self.keys[self.any_id_to_key_id(key_id)]  # moto would relabel primary and replica alike

    @around(KmsBackend, "replicate_key")
    def replicate(_: Any, self: KmsBackend, key_id: str, replica_region: str) -> Key:
        return _replicate(world, self, self.any_id_to_key_id(key_id), replica_region)

    @around(KmsResponse, "replicate_key")
    def respond(original: Any, self: KmsResponse) -> Any:
        answer = original(self)
        region = self._get_param("ReplicaRegion")
        backend = kms_backends[ACCOUNT][region]
        replica = backend.keys[self.kms_backend.any_id_to_key_id(self._get_param("KeyId"))]
        replica.policy = self._get_param("Policy") or replica.generate_default_policy()
        replica.description = self._get_param("Description") or ""
        if tags := self._get_param("Tags"):
            backend.tagger.tag_resource(replica.id, tags)
        return answer


def _guard(name: str) -> None:
    def use(original: Any, self: KmsBackend, key_id: str, *args: Any, **kwargs: Any) -> Any:
        refuse_unusable(self.region_name, key_id)
        return original(self, key_id, *args, **kwargs)

    use.__qualname__ = f"use_{name}"
    around(KmsBackend, name)(use)


def _by_arn_too(name: str) -> None:
    def manage(original: Any, self: KmsBackend, key_id: str, *args: Any, **kwargs: Any) -> Any:
        return original(self, self.get_key_id(key_id), *args, **kwargs)  # moto breaks on an ARN

    manage.__qualname__ = f"manage_{name}"
    around(KmsBackend, name)(manage)


def _is_primary(key: Key) -> bool:
    return bool(key.multi_region_configuration["PrimaryKey"]["Arn"] == key.arn)


def _replicate(world: World, backend: KmsBackend, key_id: str, region: str) -> Key:
    key = backend.keys[key_id]
    if not key.multi_region or not _is_primary(key):
        raise JsonRESTError("UnsupportedOperationException", f"{key.arn} is not a multi-region primary key.")
    refuse_unusable(backend.region_name, key.arn)
    there = kms_backends[ACCOUNT][region]
    if region == backend.region_name or key_id in there.keys:
        raise JsonRESTError("AlreadyExistsException", f"{key_id} already exists in {region}.")
    replica = copy.copy(key)  # the same key material: that is what makes it a replica
    replica.region, replica.arn = region, key.arn.replace(f":{backend.region_name}:", f":{region}:")
    replica.aliases, replica.grants = {}, {}
    replica.key_state, replica.enabled = "Creating", True
    replicas = key.multi_region_configuration["ReplicaKeys"]
    replicas.append({"Arn": replica.arn, "Region": region})  # one list, so that both sides tell the same
    replica.multi_region_configuration = {
        "MultiRegionKeyType": "REPLICA",
        "PrimaryKey": key.multi_region_configuration["PrimaryKey"],
        "ReplicaKeys": replicas,
    }
    there.keys[key_id] = replica

    def created() -> None:
        if replica.key_state == "Creating":
            replica.key_state = "Enabled"

    world.after("kms.create", region, created, cause=calls.cause(), resumes=True)
    return replica
