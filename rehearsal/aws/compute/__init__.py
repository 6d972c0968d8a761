"""EC2's machines, Auto Scaling and load balancing as AWS runs them, on top of moto's books."""

from __future__ import annotations

from rehearsal.world import World


def install(world: World) -> None:
    """Make moto's EC2, Auto Scaling and ELBv2 drive the machines and load balancers of `world`."""
    from rehearsal.aws.compute import access_logs, autoscaling, balancing, gateways, instances, metadata
    from rehearsal.aws.compute.reconcile import Reconciler

    fleet = instances.Fleet(world)
    instances.patch(fleet)
    gateways.patch(world)
    metadata.serve(fleet)
    balancing.patch(world)
    access_logs.patch(world)
    autoscaling.patch(Reconciler(world, fleet))
