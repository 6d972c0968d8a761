"""Everything says how much it matters and whose it is: recovery goes by it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from infra.policies.rule import Resource, canonical, rule

CLASSES = ("critical", "non-critical")
# AWS keeps no tags for these. A type that is not here is asked for tags: new ones fail until looked at.
UNTAGGABLE = frozenset(
    f"aws:{kind}"
    for kind in (
        "acm/certificateValidation:CertificateValidation",
        "autoscaling/policy:Policy",
        "ec2/route:Route",
        "ec2/routeTableAssociation:RouteTableAssociation",
        "iam/rolePolicy:RolePolicy",
        "iam/rolePolicyAttachment:RolePolicyAttachment",
        "iam/userPolicy:UserPolicy",
        "kms/alias:Alias",
        "rds/instanceAutomatedBackupsReplication:InstanceAutomatedBackupsReplication",
        "route53/record:Record",
        "s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration",
        "s3/bucketPolicy:BucketPolicy",
        "s3/bucketPublicAccessBlock:BucketPublicAccessBlock",
        "s3/bucketReplicationConfig:BucketReplicationConfig",
        "s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration",
        "s3/bucketVersioning:BucketVersioning",
        "secretsmanager/secretVersion:SecretVersion",
        "sns/topicPolicy:TopicPolicy",
        "sns/topicSubscription:TopicSubscription",
    )
)


def _tags(resource: Resource) -> dict[str, str]:
    tags = resource.props.get("tags") or {}
    if isinstance(tags, Mapping):
        return {str(key): str(value) for key, value in tags.items()}
    return {str(tag["key"]): str(tag["value"]) for tag in tags}


@rule("tagged", "Every resource is tagged with class (critical or non-critical), owner and stack")
def tagged(resource: Resource) -> Iterator[str]:
    """Recovery order, owners and bills follow tags."""
    if canonical(resource.type) in UNTAGGABLE:
        return
    tags = _tags(resource)
    missing = [key for key in ("class", "owner", "stack") if not tags.get(key)]
    if missing:
        yield f"has no tag {', '.join(missing)}"
    if tags.get("class", CLASSES[0]) not in CLASSES:
        yield f"has class {tags['class']!r}: must be critical or non-critical"


RULES = (tagged,)
