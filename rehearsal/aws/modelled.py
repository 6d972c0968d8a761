"""What the world stands for. moto keeps books on far more: clusters without servers, hooks that nobody calls.

All of that is refused, so that nothing succeeds silently.
"""

from __future__ import annotations

from rehearsal.aws.calls import Call
from rehearsal.world import World

_SERVICES = frozenset(
    {
        "acm", "autoscaling", "cloudwatch", "ec2", "elasticloadbalancing", "iam", "kms", "logs", "rds",
        "route53", "s3", "secretsmanager", "sns", "sqs", "ssm", "sts", "tagging",
    }
)  # fmt: skip
_BOOKS_ONLY = frozenset(
    {
        "autoscaling:BatchPutScheduledUpdateGroupAction", "autoscaling:ExecutePolicy",
        "autoscaling:PutLifecycleHook", "autoscaling:PutScheduledUpdateGroupAction",
        "autoscaling:PutWarmPool", "ec2:CopyImage", "ec2:CopySnapshot", "ec2:CreateFleet",
        "ec2:CreateImage", "ec2:CreateSnapshot", "ec2:CreateTransitGateway", "ec2:CreateVolume",
        "ec2:CreateVpcPeeringConnection", "ec2:RequestSpotFleet", "ec2:RequestSpotInstances",
        "kms:UpdatePrimaryRegion", "rds:CreateBlueGreenDeployment", "rds:CreateDBCluster",
        "rds:CreateDBProxy", "rds:CreateGlobalCluster", "rds:RestoreDBClusterFromSnapshot",
        "rds:RestoreDBClusterToPointInTime", "rds:StartExportTask", "secretsmanager:RotateSecret",
    }
)  # fmt: skip
"""Operations of those services that moto notes down and that would change nothing here."""


def refusal(world: World, call: Call) -> str:
    """Why the world cannot answer a call as AWS would; empty when it can."""
    if call.region and call.region not in world.regions:
        return f"this world has no region {call.region}; its regions are {', '.join(world.regions)}"
    if call.service not in _SERVICES:
        return f"this world has no {call.service}"
    if f"{call.service}:{call.operation}" in _BOOKS_ONLY:
        return "it would be noted down, and nothing would come of it"
    return ""
