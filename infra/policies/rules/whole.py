"""Rules over a whole stack: what belongs together, and what a single resource cannot say of itself."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from infra.policies.rule import Node, StackRule, stack_rule
from infra.policies.rules.network import GROUPS, world_ways

COMPANIONS = {
    "s3/bucketPolicy:BucketPolicy": "a policy that refuses plain HTTP",
    "s3/bucketPublicAccessBlock:BucketPublicAccessBlock": "a block of public access",
    "s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration": "encryption",
    "s3/bucketVersioning:BucketVersioning": "versions",
}


@stack_rule("bucket-whole", "Every bucket has its guards: policy, public access block, encryption, versions")
def bucket_whole(stack: Sequence[Node]) -> Iterator[tuple[Node, str]]:
    """They are resources of their own, so a bucket without them has nothing that another rule would see."""
    for bucket in (node for node in stack if node.of("s3/bucket:Bucket")):
        for kind, what in COMPANIONS.items():
            if not any(node.of(kind) and node.points_to(bucket, "bucket") for node in stack):
                yield bucket, f"has no {kind.rpartition(':')[2]}: {what}"


@stack_rule("world-to-balancers", "The world reaches load balancers and nothing else")
def world_to_balancers(stack: Sequence[Node]) -> Iterator[tuple[Node, str]]:
    """80 and 443 of a web server or a database are as open as any other port."""
    balancers = [node for node in stack if node.of("lb/loadBalancer:LoadBalancer")]
    open_groups = [
        group
        for group in stack
        if group.of("ec2/securityGroup:SecurityGroup")
        and any(balancer.points_to(group, "securityGroups") for balancer in balancers)
    ]
    for node in stack:
        if not node.of(*GROUPS) or not world_ways(node.resource):
            continue
        if not any(node is group or node.points_to(group, "securityGroupId") for group in open_groups):
            yield node, "opens a group to the world that is no load balancer's"


STACK_RULES: tuple[StackRule, ...] = (bucket_whole, world_to_balancers)
