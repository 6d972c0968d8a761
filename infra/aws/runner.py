"""Runners: one-shot machines inside the site that do what nobody outside can: speak SQL, move databases.

Nothing comes in, no agent; a runner boots from Lifeboat's own bundle in the site's store, reads its job from
an object, writes the result beside it, and ends.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pulumi

from infra.aws.machine import MachineArgs, launch_template, role
from infra.aws.stores import JOBS_PREFIX, Bucket
from infra.component import Component, Labels, allow

ARTEFACT = "bundle"


@dataclass(frozen=True)
class RunnerArgs:
    """Inputs of `Runner`. `secret_arns`: what it may read and, for the application's role, nothing else."""

    image_id: str
    instance_type: str
    security_group_id: pulumi.Output[str]
    key_arn: pulumi.Output[str]
    artefacts: Bucket
    bundle_version: str
    jobs: Bucket
    secret_arns: list[pulumi.Input[str]]


class Runner(Component):
    """Role and launch template."""

    def __init__(self, name: str, args: RunnerArgs, labels: Labels) -> None:
        super().__init__("aws:Runner", name, labels)
        self._args = args
        self.role, profile = role(self, "runner", "What a runner may do", self._statements())
        self.template = launch_template(
            self,
            "runner",
            MachineArgs(
                image_id=args.image_id,
                instance_type=args.instance_type,
                security_group_id=args.security_group_id,
                key_arn=args.key_arn,
                variables={
                    "ARTEFACT_BUCKET": args.artefacts.id,
                    "ARTEFACT_NAME": ARTEFACT,
                    "ARTEFACT_VERSION": args.bundle_version,
                    "JOBS_BUCKET": args.jobs.id,
                    "ONE_SHOT": "on",
                },
            ),
            profile,
            instance_initiated_shutdown_behavior="terminate",
        )
        self.register_outputs({"template": self.template.id})

    def _statements(self) -> list[dict[str, Any]]:
        args = self._args
        return [
            allow(["s3:GetObject"], pulumi.Output.concat(args.artefacts.arn, f"/{ARTEFACT}/*")),
            allow(["s3:GetObject", "s3:PutObject"], pulumi.Output.concat(args.jobs.arn, f"/{JOBS_PREFIX}*")),
            allow(["secretsmanager:GetSecretValue"], args.secret_arns),
            allow(["kms:Decrypt", "kms:GenerateDataKey"], args.key_arn),
        ]
