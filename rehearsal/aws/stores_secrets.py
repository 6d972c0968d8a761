"""Secrets Manager: replicas that hold a copy of their own, reach it late, and can become independent.

moto's replica is a window on its source, so a secret would change in two regions at once; and it lacks
StopReplicationToReplica, which is what a standby needs when the source's region is lost.
"""

from __future__ import annotations

import copy
import json
from typing import Any

from moto.core.exceptions import JsonRESTError
from moto.secretsmanager.exceptions import (
    InvalidParameterException,
    InvalidRequestException,
    OperationNotPermittedOnReplica,
)
from moto.secretsmanager.models import (
    FakeSecret,
    ReplicaSecret,
    SecretsManagerBackend,
    secretsmanager_backends,
)
from moto.secretsmanager.responses import SecretsManagerResponse

from rehearsal.aws import ACCOUNT, calls
from rehearsal.aws.patch import add, around
from rehearsal.aws.stores_keys import key_state
from rehearsal.world import World


def install(world: World) -> None:
    """Patch moto's Secrets Manager."""
    _patch_replicas()
    _patch_writes(world)

    @around(SecretsManagerBackend, "get_secret_value")
    def get(original: Any, self: SecretsManagerBackend, secret_id: str, *args: Any, **kwargs: Any) -> Any:
        found = original(self, secret_id, *args, **kwargs)
        key = _key(self.secrets[secret_id])
        if key and key_state(self.region_name, key) != "Enabled":
            raise JsonRESTError(
                "DecryptionFailure",
                "Secrets Manager can't decrypt the protected secret text using the provided KMS key.",
            )
        return found

    @add(SecretsManagerResponse, "stop_replication_to_replica")
    def stop(self: SecretsManagerResponse) -> str:
        secret_id = self._get_param("SecretId")
        secret = self.backend.describe_secret(secret_id)
        if not isinstance(secret, ReplicaSecret):
            raise InvalidRequestException("Operation not permitted on a secret that is not a replica.")
        return json.dumps({"ARN": _promote(self.backend, secret).arn})

    def catch_up(_: str) -> None:
        for backend in list(secretsmanager_backends[ACCOUNT].values()):
            for secret in list(backend.secrets.values()):
                if isinstance(secret, FakeSecret):
                    _replicate(world, secret)

    world.on_return(catch_up)


def _key(secret: FakeSecret | ReplicaSecret) -> str | None:
    """The customer's key that a secret is encrypted with in its own region; None when it is AWS's own."""
    key = secret.kms_key_id if isinstance(secret, FakeSecret) else secret.config["KmsKeyId"]
    return None if key == SecretsManagerBackend.DEFAULT_KMS_KEY_ALIAS else key


def _patch_replicas() -> None:
    @around(FakeSecret, "create_replicas")
    def create(
        original: Any, self: FakeSecret, replica_regions: list[dict[str, str]], *, force_overwrite: bool
    ) -> list[ReplicaSecret]:
        made: list[ReplicaSecret] = original(self, replica_regions, force_overwrite=force_overwrite)
        for replica, asked in zip(made, replica_regions, strict=True):
            replica.config["KmsKeyId"] = asked.get("KmsKeyId") or replica.config["KmsKeyId"]
        return made

    @around(ReplicaSecret, "to_dict")
    def show(original: Any, self: ReplicaSecret) -> dict[str, Any]:
        shown: dict[str, Any] = original(self)
        return {k: v for k, v in shown.items() if k != "KmsKeyId"} | (
            {"KmsKeyId": _key(self)} if _key(self) else {}
        )

    @around(ReplicaSecret, "__init__")
    def init(original: Any, self: ReplicaSecret, source: FakeSecret, *args: Any, **kwargs: Any) -> None:
        original(self, source, *args, **kwargs)
        self._versions, self._default = {}, None  # type: ignore[attr-defined]
        if self.has_replica:
            self.status = "InProgress"
            self.config |= {"Status": "InProgress", "StatusMessage": ""}

    @around(ReplicaSecret, "versions")
    def versions(_: Any, self: ReplicaSecret) -> Any:
        return self._versions  # type: ignore[attr-defined]

    @around(ReplicaSecret, "default_version_id")
    def default(_: Any, self: ReplicaSecret) -> Any:
        return self._default  # type: ignore[attr-defined]


def _patch_writes(world: World) -> None:
    for name in ("put_secret_value", "update_secret", "create_secret", "replicate_secret_to_regions"):

        def write(original: Any, self: SecretsManagerBackend, *args: Any, **kwargs: Any) -> Any:
            answer = original(self, *args, **kwargs)
            secret = self.secrets.get(str(kwargs.get("secret_id") or kwargs.get("name") or args[0]))
            if isinstance(secret, FakeSecret):
                _replicate(world, secret)
            return answer

        write.__qualname__ = f"write_{name}"
        around(SecretsManagerBackend, name)(write)

    for name in ("put_secret_value", "update_secret_version_stage"):

        def guard(
            original: Any, self: SecretsManagerBackend, secret_id: str, *args: Any, **kwargs: Any
        ) -> Any:
            secret = self.secrets.get(secret_id)
            if isinstance(secret, ReplicaSecret):
                raise OperationNotPermittedOnReplica
            if secret is not None and secret.is_deleted():
                raise InvalidRequestException(
                    "You can't perform this operation on the secret because it was marked for deletion."
                )
            return original(self, secret_id, *args, **kwargs)

        guard.__qualname__ = f"guard_{name}"
        around(SecretsManagerBackend, name)(guard)

    @around(SecretsManagerBackend, "create_secret")
    def create(original: Any, self: SecretsManagerBackend, name: str, *args: Any, **kwargs: Any) -> Any:
        existing = self.secrets.get(name)
        if existing is not None and existing.is_deleted():
            raise InvalidRequestException(
                "You can't create this secret because a secret with this name is already scheduled "
                "for deletion."
            )
        key = kwargs.get("kms_key_id")
        if key and key_state(self.region_name, key) != "Enabled":
            raise InvalidParameterException(f"KMS key {key} is not usable in {self.region_name}.")
        return original(self, name, *args, **kwargs)


def _replicate(world: World, secret: FakeSecret) -> None:
    """Bring every replica up to date, once the wait is over; not out of, or into, a lost region."""
    for replica in secret.replicas:
        if not replica.has_replica or world.is_lost(replica.region):
            continue
        replica.config |= {"Status": "InProgress"}

        def arrive(replica: ReplicaSecret = replica) -> None:
            if world.is_lost(replica.region) or replica not in secret.replicas:
                return
            key = _key(replica)
            if key and key_state(replica.region, key) != "Enabled":
                replica.config |= {
                    "Status": "Failed",
                    "StatusMessage": f"Replication failed: the KMS key {key} is not accessible.",
                }
                return
            replica._versions = copy.deepcopy(secret.versions)  # type: ignore[attr-defined]
            replica._default = secret.default_version_id  # type: ignore[attr-defined]
            replica.config |= {"Status": "InSync", "StatusMessage": "Replication succeeded"}

        world.after("secrets.replicate", secret.region, arrive, cause=calls.cause())


def _promote(backend: SecretsManagerBackend, replica: ReplicaSecret) -> FakeSecret:
    """Make the replica a secret of its own, with what had reached it."""
    source = replica.source
    secret = copy.copy(source)
    secret.arn, secret.region = replica.arn, backend.region_name
    secret.versions = copy.deepcopy(replica.versions)
    secret.default_version_id = replica.default_version_id
    secret.replicas, secret.kms_key_id = [], _key(replica)
    source.replicas = [each for each in source.replicas if each is not replica]
    dict.pop(backend.secrets, replica.arn, None)
    backend.secrets[secret.name] = secret
    return secret
