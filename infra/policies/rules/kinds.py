"""Kinds of resources that have no place here: the other rules, and recovery, would look past them."""

from __future__ import annotations

from collections.abc import Iterator

from infra.policies.rule import Resource, canonical, rule

_TEMPLATES = "machines come from launch templates, which the other rules look at"
_INSTANCES = "recovery restores DB instances and nothing else"
_IN_THE_GROUP = "name target groups in the Auto Scaling group itself, or it does not heal by them"
REFUSED = {
    "autoscaling/attachment:Attachment": _IN_THE_GROUP,
    "autoscaling/trafficSourceAttachment:TrafficSourceAttachment": _IN_THE_GROUP,
    "docdb/cluster:Cluster": _INSTANCES,
    "ec2/instance:Instance": _TEMPLATES,
    "ec2/launchConfiguration:LaunchConfiguration": _TEMPLATES,
    "ec2/spotFleetRequest:SpotFleetRequest": _TEMPLATES,
    "ec2/spotInstanceRequest:SpotInstanceRequest": _TEMPLATES,
    "elb/loadBalancer:LoadBalancer": "classic load balancers know no redirects: use lb.LoadBalancer",
    "neptune/cluster:Cluster": _INSTANCES,
    "rds/cluster:Cluster": _INSTANCES,
}


@rule("known-kinds", "Only kinds of resources that rules and recovery know", *REFUSED)
def known_kinds(resource: Resource) -> Iterator[str]:
    """A rule that looks at templates says nothing about a machine without one."""
    yield f"{resource.type} has no place here: {REFUSED[canonical(resource.type).removeprefix('aws:')]}"


RULES = (known_kinds,)
