"""Machines: replaceable, pinned, encrypted, spread over zones."""

from __future__ import annotations

from collections.abc import Iterator

from infra.policies.rule import Resource, Unknown, listed, own_key, rule, truthy

TEMPLATE = "ec2/launchTemplate:LaunchTemplate"
GROUP = "autoscaling/group:Group"


@rule("metadata-v2", "Machines answer version 2 of the metadata service only", TEMPLATE)
def metadata_v2(resource: Resource) -> Iterator[str]:
    """Version 1 gives a role's credentials to whoever makes the application fetch a URL."""
    if (resource.props.get("metadataOptions") or {}).get("httpTokens") != "required":
        yield "metadataOptions.httpTokens must be required"


@rule("image-pinned", "Machines boot a pinned image", TEMPLATE)
def image_pinned(resource: Resource) -> Iterator[str]:
    """What boots on the day is what was rehearsed."""
    if not str(resource.props.get("imageId", "")).startswith("ami-"):
        yield f"imageId is {resource.props.get('imageId')!r}: must be the id of an image (ami-...)"


@rule("disk-encrypted", "Disks are encrypted under a key of the company's own", TEMPLATE, "ebs/volume:Volume")
def disk_encrypted(resource: Resource) -> Iterator[str]:
    """Account-wide defaults may be switched off by others."""
    if resource.type == f"aws:{TEMPLATE}":
        disks = [mapping.get("ebs") or {} for mapping in listed(resource.props.get("blockDeviceMappings"))]
        if not disks:
            yield "blockDeviceMappings must describe the root disk"
    else:
        disks = [resource.props]
    for disk in disks:
        if not truthy(disk.get("encrypted")) or not own_key(disk.get("kmsKeyId")):
            yield "a disk must be encrypted, with kmsKeyId of the company's own"


@rule("group-spread", "Groups spread over two zones, with two servers or none", GROUP)
def group_spread(resource: Resource) -> Iterator[str]:
    """The continuity plan's promise P6; none is a pilot light."""
    props = resource.props
    if len(listed(props.get("vpcZoneIdentifiers"))) < 2:
        yield "vpcZoneIdentifiers must name subnets in two zones at least"
    least, most = props.get("minSize") or 0, props.get("maxSize") or 0
    if resource.critical and not (least >= 2 or most == 0):
        yield f"minSize is {int(least)}: must be at least 2, or maxSize 0"


@rule("group-healed", "Groups replace servers that their load balancer finds unhealthy", GROUP)
def group_healed(resource: Resource) -> Iterator[str]:
    """And a new artefact rolls out: `$Latest`, or no version at all, never does."""
    props = resource.props
    served = any(listed(props.get(key)) for key in ("targetGroupArns", "trafficSources", "loadBalancers"))
    if served and props.get("healthCheckType") != "ELB":
        yield "healthCheckType must be ELB"
    version = (props.get("launchTemplate") or {}).get("version")
    if not isinstance(version, Unknown) and not str(version).isdigit():
        yield "launchTemplate.version must be a number: the group would not notice a new one"


RULES = (metadata_v2, image_pinned, disk_encrypted, group_spread, group_healed)
