"""What actions that work on a stack share."""

from __future__ import annotations

from recovery.actions.base import Context
from recovery.continuity import state_folder
from recovery.stacks import Place, Stack

STACK_PERMISSIONS = (
    "autoscaling:*",
    "cloudwatch:*",
    "ec2:*",
    "elasticloadbalancing:*",
    "iam:Get*",
    "iam:List*",
    "iam:PassRole",
    "kms:*",
    "rds:*",
    "route53:*",
    "s3:*",
    "secretsmanager:*",
    "sns:*",
    "acm:*",
)


def stack_of(ctx: Context, name: str) -> Stack:
    """The stack, worked on in the run's folder, in the backend that can be reached."""
    from recovery.backends import reachable_backend

    state = state_folder(ctx.project)
    place = Place(ctx.project, state, ctx.folder, ctx.run, ctx.step, reachable_backend(ctx, state))
    return Stack(name, place)
