"""Load balancers that really forward and really probe, on the addresses that the control plane gave them."""

from __future__ import annotations

from rehearsal.world import WorldSettings


async def serve(settings: WorldSettings) -> None:
    """Run every load balancer of the world, for ever; follows the feed."""
    from rehearsal.balancers.service import Service

    await Service(settings).run()
