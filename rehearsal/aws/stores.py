"""Where things are kept in the rehearsal's AWS: S3, KMS and Secrets Manager, across regions."""

from __future__ import annotations

from rehearsal.aws import stores_access, stores_keys, stores_replication, stores_secrets
from rehearsal.world import World


def install(world: World) -> None:
    """Patch moto's S3, KMS and Secrets Manager so that copies are real, take time and know their region."""
    stores_keys.install(world)
    stores_secrets.install(world)
    stores_access.install()
    stores_replication.install(world)
