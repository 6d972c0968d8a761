"""How Auto Scaling makes an instance: where, from what, and what keeps it from doing so."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

from moto.autoscaling.models import ASG_NAME_TAG, FakeAutoScalingGroup
from moto.core.exceptions import ServiceException
from moto.kms.models import kms_backends

from rehearsal.aws.calls import Call
from rehearsal.aws.compute.group import Book, Member, members, now
from rehearsal.aws.stores_keys import key_state
from rehearsal.world import World

_RETRY_S = 30.0
_ROLE = "AWSServiceRoleForAutoScaling"


class _RefusedError(Exception):
    """There will be no instance; the text says why, as a scaling activity does."""


def launch(world: World, group: FakeAutoScalingGroup, book: Book) -> None:
    """Make one instance in the zone that has fewest, or in another when that one has no capacity.

    What goes wrong ends in failed activities, and is tried again later.
    """
    for zone in _zones(group, book):
        activity = book.note(group, "Launching a new EC2 instance", book.why or "capacity is to grow.")
        try:
            _check_capacity(world, group, zone)
            _check_key(group)
            member = _run_instance(group, zone, book)
        except (_RefusedError, ServiceException) as refused:
            activity.finish("Failed", f"{refused} Launching EC2 instance failed.")
            continue
        activity.description += f": {member.instance_id}"
        member.activity = activity
        group.instance_states.append(member)
        return
    book.not_before = now() + max(1.0, _RETRY_S / world.settings.scale)


def _zones(group: FakeAutoScalingGroup, book: Book) -> list[str]:
    zones = Counter({subnet.availability_zone: 0 for subnet in _subnets(group)})
    # those that a refresh will take away do not count: what stays is to be spread
    leaving = book.refresh.todo if book.refresh else []
    stays = [member for member in members(group) if member.active and member.instance_id not in leaving]
    zones.update(member.availability_zone for member in stays)
    return [zone for zone, _ in sorted(zones.items(), key=lambda row: (row[1], row[0]))]


def _subnets(group: FakeAutoScalingGroup) -> list[Any]:
    ids = (group.vpc_zone_identifier or "").split(",")
    subnets: list[Any] = group.ec2_backend.describe_subnets(subnet_ids=[each for each in ids if each])
    return subnets


def _check_capacity(world: World, group: FakeAutoScalingGroup, zone: str) -> None:
    """A fault of the rehearsal's, met as RunInstances would meet it."""
    agent, where = "autoscaling.amazonaws.com", {"AvailabilityZone": zone}
    call = Call("ec2", "RunInstances", group.region, agent, where)
    rule = world.faults.meets(call) if world.faults is not None else None
    if rule is not None and rule.effect in ("no-capacity", "error", "deny", "throttle"):
        raise _RefusedError(
            f"We currently do not have sufficient {group.instance_type} capacity in the Availability Zone "
            f"you requested ({zone}). Our system will be working on provisioning additional capacity."
        )


def _check_key(group: FakeAutoScalingGroup) -> None:
    """Disks are encrypted by Auto Scaling's own role, which a customer's key must let in.

    Source: Auto Scaling User Guide, "Required KMS key policy for use with encrypted volumes".
    """
    data = group.ec2_launch_template.get_version(group.launch_template_version).data  # type: ignore[union-attr]
    keys = [disk["Ebs"]["KmsKeyId"] for disk in data.get("BlockDeviceMappings") or [] if _own_key(disk)]
    for key in keys:
        state = key_state(group.region, key)
        backend = kms_backends[group.account_id][group.region]
        allowed = state and _ROLE in json.dumps(json.loads(backend.get_key_policy(key) or "{}"))
        if state != "Enabled" or not allowed:
            why = (
                f"is {state or 'not in this region'}"
                if state != "Enabled"
                else f"does not let {_ROLE} use it"
            )
            raise _RefusedError(
                "Instance became unhealthy while waiting for instance to be in InService state. Termination "
                f"Reason: Client.InvalidKMSKey.InvalidState: The KMS key provided is in an incorrect "
                f"state ({key} {why})."
            )


def _own_key(disk: dict[str, Any]) -> bool:
    return bool((disk.get("Ebs") or {}).get("KmsKeyId"))


def _run_instance(group: FakeAutoScalingGroup, zone: str, book: Book) -> Member:
    template: Any = group.ec2_launch_template
    version = template.get_version(group.launch_template_version)
    subnet = next(each for each in _subnets(group) if each.availability_zone == zone)
    tags = {**group.get_propagated_tags(), ASG_NAME_TAG: group.name}
    reservation = group.ec2_backend.run_instances(
        version.image_id,
        1,
        None,
        [],
        is_instance_type_default=True,
        instance_type="m1.small",
        launch_template={"LaunchTemplateId": template.id, "Version": str(version.number)},
        placement=zone,
        region_name=group.region,
        subnet_id=subnet.id,
        tags={"instance": tags},
        cause=book.cause,
    )
    return Member(reservation.instances[0], group, version.number)
