"""Web servers: an Auto Scaling group over the zones that boots an artefact from the region's own store.

In a pilot light the group stands at zero. How many servers run beyond the minimum is Auto Scaling's decision
(and recovery's, which asks for `capacityFull` at once), so the wanted number is not declared.
"""

from __future__ import annotations

from dataclasses import dataclass

import pulumi
from pulumi_aws import autoscaling

from infra.aws.machine import MachineArgs, launch_template, role
from infra.aws.network import WEB_PORT
from infra.aws.stores import Bucket
from infra.component import Component, Labels, allow

ARTEFACT = "web"
GRACE_SECONDS = 300
"""Longer than the slowest boot seen: a group that replaces servers while they boot never comes up."""
WARMUP_SECONDS = 60
TARGET_CPU_PERCENT = 50


@dataclass(frozen=True)
class Capacity:
    """Least and most servers; both 0 in a pilot light."""

    least: int
    most: int


@dataclass(frozen=True)
class WebTierArgs:
    """Inputs of `WebTier`."""

    image_id: str
    instance_type: str
    subnet_ids: list[pulumi.Output[str]]
    security_group_id: pulumi.Output[str]
    target_group_arn: pulumi.Output[str]
    key_arn: pulumi.Output[str]
    artefacts: Bucket
    artefact_version: str
    secret_arn: pulumi.Output[str]
    secret_name: str
    company_stores: list[Bucket]
    jobs: bool
    capacity: Capacity


class WebTier(Component):
    """Role, launch template, Auto Scaling group and its scaling policy."""

    def __init__(self, name: str, args: WebTierArgs, labels: Labels) -> None:
        super().__init__("aws:WebTier", name, labels)
        self.args = args
        self.role, profile = role(self, "web", "What web servers may do", self._statements())
        switch = "on" if args.jobs else "off"
        stores = {f"STORE_{b.name.upper().replace('-', '_')}": b.id for b in args.company_stores}
        self.template = launch_template(
            self,
            "web",
            MachineArgs(
                image_id=args.image_id,
                instance_type=args.instance_type,
                security_group_id=args.security_group_id,
                key_arn=args.key_arn,
                variables={
                    "ARTEFACT_BUCKET": args.artefacts.id,
                    "ARTEFACT_NAME": ARTEFACT,
                    "ARTEFACT_VERSION": args.artefact_version,
                    "SECRET_APP": args.secret_name,
                    "JOBS": switch,
                    "MAIL": switch,
                    "LISTEN_PORT": str(WEB_PORT),
                    **stores,
                },
            ),
            profile,
            monitoring={"enabled": True},
        )
        self.group = self._group()
        self._scale_on_load()
        self.register_outputs({"group": self.group.name})

    def _statements(self) -> list[dict[str, object]]:
        args = self.args
        contents = [pulumi.Output.concat(store.arn, "/*") for store in args.company_stores]
        statements = [
            allow(["s3:GetObject"], pulumi.Output.concat(args.artefacts.arn, f"/{ARTEFACT}/*")),
            allow(["secretsmanager:GetSecretValue"], args.secret_arn),
            allow(["kms:Decrypt", "kms:GenerateDataKey"], args.key_arn),
        ]
        if contents:
            statements.append(allow(["s3:GetObject", "s3:PutObject", "s3:DeleteObject"], contents))
            statements.append(allow(["s3:ListBucket"], [store.arn for store in args.company_stores]))
        return statements

    def _group(self) -> autoscaling.Group:
        args = self.args
        return autoscaling.Group(
            "web",
            min_size=args.capacity.least,
            max_size=args.capacity.most,
            vpc_zone_identifiers=args.subnet_ids,
            target_group_arns=[args.target_group_arn],
            health_check_type="ELB",
            health_check_grace_period=GRACE_SECONDS,
            # By number, not "$Latest": only a new number makes a new artefact roll out.
            launch_template={
                "id": self.template.id,
                "version": self.template.latest_version.apply(lambda number: str(int(number))),
            },
            instance_refresh={
                "strategy": "Rolling",
                # Over 100, or Auto Scaling takes a server away before it starts the new one.
                "preferences": {
                    "min_healthy_percentage": 100,
                    "max_healthy_percentage": 150,
                    "instance_warmup": str(WARMUP_SECONDS),
                },
            },
            enabled_metrics=["GroupDesiredCapacity", "GroupInServiceInstances", "GroupTotalInstances"],
            # Whether servers are healthy is asked of the target group (recovery) and by alarms. An `up` that
            # waits for them would stand between a recovery and its next step.
            wait_for_capacity_timeout="0",
            tags=[
                {"key": key, "value": value, "propagate_at_launch": False}
                for key, value in self.tags("web").items()
            ],
            opts=self.child(),
        )

    def _scale_on_load(self) -> None:
        metric = {"predefined_metric_type": "ASGAverageCPUUtilization"}
        autoscaling.Policy(
            "load",
            autoscaling_group_name=self.group.name,
            policy_type="TargetTrackingScaling",
            target_tracking_configuration={
                "predefined_metric_specification": metric,
                "target_value": TARGET_CPU_PERCENT,
            },
            opts=self.child(),
        )
