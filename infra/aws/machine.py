"""What web servers and runners have in common: a role of their own, IMDSv2 only, encrypted disks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pulumi
from pulumi_aws import ec2, iam

from infra.aws.boot import user_data
from infra.component import Component, assumed_by, policy

DISK_GB = 20
ROOT_DEVICE = "/dev/sda1"
"""Of Ubuntu's images. Another name would add a second disk and leave the first one unencrypted."""


@dataclass(frozen=True)
class MachineArgs:
    """Inputs of a launch template. `variables` reach the boot script and the artefact's environment."""

    image_id: str
    instance_type: str
    security_group_id: pulumi.Output[str]
    key_arn: pulumi.Output[str]
    variables: Mapping[str, pulumi.Input[str]]


def role(
    parent: Component, label: str, description: str, statements: list[dict[str, Any]]
) -> tuple[iam.Role, iam.InstanceProfile]:
    """A role that EC2 assumes, with these permissions and no others, and its instance profile."""
    made = iam.Role(
        label,
        description=description,
        assume_role_policy=assumed_by("ec2.amazonaws.com"),
        tags=parent.tags(label),
        opts=parent.child(),
    )
    permissions = iam.RolePolicy(label, role=made.id, policy=policy(*statements), opts=parent.child())
    # No machine starts before its role may do what a boot does.
    ready = parent.child(depends_on=[permissions])
    return made, iam.InstanceProfile(label, role=made.name, tags=parent.tags(label), opts=ready)


def launch_template(
    parent: Component, label: str, args: MachineArgs, profile: iam.InstanceProfile, **options: Any
) -> ec2.LaunchTemplate:
    """The template; its newest version is always the default one, so that RunInstances by id takes it."""
    disk = {
        "encrypted": "true",
        "kms_key_id": args.key_arn,
        "volume_size": DISK_GB,
        "volume_type": "gp3",
        "delete_on_termination": "true",
    }
    return ec2.LaunchTemplate(
        label,
        description=f"{label} machines of {parent.labels.company} in {parent.labels.stack}",
        image_id=args.image_id,
        instance_type=args.instance_type,
        user_data=user_data(args.variables),
        metadata_options={
            "http_endpoint": "enabled",
            "http_tokens": "required",
            "http_put_response_hop_limit": 1,
            "instance_metadata_tags": "enabled",
        },
        block_device_mappings=[{"device_name": ROOT_DEVICE, "ebs": disk}],
        iam_instance_profile={"arn": profile.arn},
        vpc_security_group_ids=[args.security_group_id],
        tag_specifications=[
            {"resource_type": kind, "tags": parent.tags(label)} for kind in ("instance", "volume")
        ],
        update_default_version=True,
        tags=parent.tags(label),
        opts=parent.child(),
        **options,
    )
