"""RDS for PostgreSQL in the world's AWS: moto's API, real servers, backups, replication and restores."""

from __future__ import annotations

from rehearsal.world import World


def install(world: World) -> None:
    """Put the world's RDS in place of moto's. Call once per world, before the first RDS call."""
    from rehearsal.aws.rds.backend import take_over
    from rehearsal.aws.rds.fleet import Fleet

    take_over(Fleet(world))
