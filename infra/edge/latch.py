"""The latch: one object whose presence takes the primary out of the name.

In a bucket of its own in the standby region, and the only thing of the platform that the public may read,
because Route 53's health checkers are the public. Nobody but the recovery role may write it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pulumi
from pulumi_aws import s3

from infra.aws.access import BREAK_GLASS_PREFIX, ROLE_PREFIX
from infra.aws.stores import encrypted_transport
from infra.component import Component, Labels, allow, policy

KEY = "primary-out"


@dataclass(frozen=True)
class LatchArgs:
    """Inputs of `Latch`."""

    account: pulumi.Input[str]
    region: str


class Latch(Component):
    """Bucket, its policy, and the host that health checkers ask."""

    def __init__(self, name: str, args: LatchArgs, labels: Labels) -> None:
        super().__init__("edge:Latch", name, labels)
        self._args = args
        here: dict[str, Any] = {"region": args.region}
        # Its guards with it: a destroy that stops at the bucket would leave a latch that nobody can read.
        kept = self.child(protect=True)
        bucket = s3.Bucket("latch", tags=self.tags("latch"), opts=kept, **here)
        self.bucket: pulumi.Output[str] = bucket.id
        self.host: pulumi.Output[str] = bucket.bucket_regional_domain_name
        s3.BucketVersioning(
            "latch",
            bucket=bucket.id,
            versioning_configuration={"status": "Enabled"},
            opts=kept,
            **here,
        )
        # SSE-S3: what is encrypted under a KMS key, the public cannot read.
        s3.BucketServerSideEncryptionConfiguration(
            "latch",
            bucket=bucket.id,
            rules=[{"apply_server_side_encryption_by_default": {"sse_algorithm": "AES256"}}],
            opts=kept,
            **here,
        )
        access = s3.BucketPublicAccessBlock(
            "latch",
            bucket=bucket.id,
            block_public_acls=True,
            ignore_public_acls=True,
            block_public_policy=False,
            restrict_public_buckets=False,
            opts=kept,
            **here,
        )
        s3.BucketPolicy(
            "latch",
            bucket=bucket.id,
            policy=policy(*self._statements(bucket.arn)),
            # A public policy is refused while the block of new buckets still stands.
            opts=self.child(protect=True, depends_on=[access]),
            **here,
        )
        self.register_outputs({"bucket": self.bucket})

    def _statements(self, arn: pulumi.Output[str]) -> list[dict[str, Any]]:
        account = self._args.account
        writers = [
            pulumi.Output.concat("arn:aws:iam::", account, f":role/{ROLE_PREFIX}*"),
            pulumi.Output.concat("arn:aws:iam::", account, f":user/{BREAK_GLASS_PREFIX}*"),
            pulumi.Output.concat("arn:aws:iam::", account, ":root"),
        ]
        latch = pulumi.Output.concat(arn, f"/{KEY}")
        return [
            allow(["s3:GetObject"], latch, Sid="CheckersRead", Principal="*"),
            {
                "Sid": "OnlyRecoveryWrites",
                "Effect": "Deny",
                "Principal": "*",
                "Action": ["s3:PutObject", "s3:DeleteObject", "s3:DeleteObjectVersion"],
                "Resource": pulumi.Output.concat(arn, "/*"),
                "Condition": {"ArnNotLike": {"aws:PrincipalArn": writers}},
            },
            encrypted_transport(arn),
        ]
