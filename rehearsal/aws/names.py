"""Names in the rehearsal's AWS: Route 53 zones and health checks, and ACM certificates."""

from __future__ import annotations

from rehearsal.aws import names_certificates, names_checks, names_zones
from rehearsal.world import World


def install(world: World) -> None:
    """Patch moto's Route 53 and ACM so that they drive the world's name servers, checkers and balancers."""
    propagation = names_zones.install(world)
    names_checks.install(world)
    names_certificates.install(world, propagation)
