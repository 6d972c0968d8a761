"""What actions that work on a stack share."""

from __future__ import annotations

from recovery import state as kept
from recovery.actions.base import Context
from recovery.continuity import state_folder
from recovery.errors import LifeboatError
from recovery.stacks import Place, Stack

STACK_PERMISSIONS = (
    # what a footprint adds, changes, and what undo takes away again
    "autoscaling:CancelInstanceRefresh",
    "autoscaling:CreateOrUpdateTags",
    "autoscaling:StartInstanceRefresh",
    "autoscaling:UpdateAutoScalingGroup",
    "cloudwatch:DeleteAlarms",
    "cloudwatch:PutMetricAlarm",
    "cloudwatch:TagResource",
    "ec2:AllocateAddress",
    "ec2:AssociateAddress",
    "ec2:CreateLaunchTemplateVersion",
    "ec2:CreateNatGateway",
    "ec2:CreateRoute",
    "ec2:CreateTags",
    "ec2:DeleteNatGateway",
    "ec2:DeleteRoute",
    "ec2:DisassociateAddress",
    "ec2:ModifyLaunchTemplate",
    "ec2:ModifyVpcEndpoint",
    "ec2:ReleaseAddress",
    "ec2:ReplaceRoute",
    "elasticloadbalancing:AddTags",
    "elasticloadbalancing:ModifyListener",
    "iam:PassRole",
    "kms:CreateAlias",
    "kms:CreateGrant",
    "kms:CreateKey",
    "kms:ReplicateKey",
    "kms:TagResource",
    "rds:AddTagsToResource",
    "rds:ModifyDBInstance",
    "rds:RemoveTagsFromResource",
    "rds:StartDBInstanceAutomatedBackupsReplication",
    "secretsmanager:GetRandomPassword",
    "sts:GetCallerIdentity",
    # the provider reads what it works on, and each version reads more (interfaces of endpoints, attributes)
    "autoscaling:Describe*",
    "cloudwatch:Describe*",
    "ec2:Describe*",
    "elasticloadbalancing:Describe*",
    "rds:Describe*",
    "cloudwatch:ListTagsForResource",
    "iam:GetRole",
    "iam:GetRolePolicy",
    "kms:DescribeKey",
    "kms:GetKeyPolicy",
    "kms:GetKeyRotationStatus",
    "kms:ListResourceTags",
    "rds:ListTagsForResource",
    "s3:GetBucketLocation",
)
"""What an `up` between pilot light and full does, and reads; making roles or buckets is never part of it."""


def stack_of(ctx: Context, name: str) -> Stack:
    """The stack, worked on in the run's folder, in the backend that can be reached."""
    from recovery.backends import reachable_backend

    state = state_folder(ctx.project)
    backend = reachable_backend(ctx, state)
    place = Place(ctx.project, state, ctx.folder, ctx.run, ctx.step, backend, lambda: _expired(ctx))
    stack = Stack(name, place)
    if backend and not stack.exists():
        stores = kept.reachable_stores(ctx.sites, (ctx.target, ctx.source), ctx.lost)
        stack.restore(kept.last_file(state, stores.values(), name, "export.json"))
    return stack


def _expired(ctx: Context) -> bool:
    return ctx.clock.now() >= ctx.deadline


def keep(ctx: Context, stack: Stack) -> None:
    """Keep the stack's new contract and state where the next step, person or incident finds them.

    What cannot be kept is said, and stops nothing: the service comes first.
    """
    state = state_folder(ctx.project)
    stores = kept.reachable_stores(ctx.sites, (ctx.target, ctx.source), ctx.lost)
    try:
        files = {
            "contract.json": kept.contract_bytes(state, stack.name),
            "export.json": kept.export_bytes(stack.export()),
        }
        copies = kept.keep(stack.name, files, ctx.clock.now(), state, stores)
    except LifeboatError as error:
        ctx.progress(f"{stack.name}: state not kept: {error.what}", None)
        return
    for copy in copies:
        if copy.trouble:
            ctx.progress(f"{stack.name}: state not kept in {copy.where}: {copy.trouble}", None)
