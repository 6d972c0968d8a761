"""Access: named permissions for roles, no long-lived keys."""

from __future__ import annotations

from collections.abc import Iterator

from infra.policies.documents import lets_everyone, statements, sweeping
from infra.policies.rule import Resource, listed, rule

ROLE = "iam/role:Role"
ADMINISTRATORS = ("/AdministratorAccess", "/PowerUserAccess", "/IAMFullAccess")


@rule(
    "least-privilege",
    "Policies name actions; none allows a whole service everywhere",
    "iam/policy:Policy",
    "iam/rolePolicy:RolePolicy",
    "iam/userPolicy:UserPolicy",
    "iam/groupPolicy:GroupPolicy",
    ROLE,
)
def least_privilege(resource: Resource) -> Iterator[str]:
    """Patterns on everything, but for `Describe*` and `List*`, which read no content."""
    inline = [entry.get("policy") for entry in listed(resource.props.get("inlinePolicies"))]
    for document in [resource.props.get("policy"), *inline]:
        for statement in statements(document):
            for what in sweeping(statement):
                yield f"allows {what}"


@rule("no-access-keys", "No access keys: people and machines take roles", "iam/accessKey:AccessKey")
def no_access_keys(resource: Resource) -> Iterator[str]:
    """A key that lies about is the commonest way in."""
    yield f"{resource.name} would be a long-lived key"


@rule(
    "no-administrators",
    "Nobody holds AWS's administrator policy",
    "iam/rolePolicyAttachment:RolePolicyAttachment",
    "iam/userPolicyAttachment:UserPolicyAttachment",
    "iam/groupPolicyAttachment:GroupPolicyAttachment",
    "iam/policyAttachment:PolicyAttachment",
    "iam/rolePolicyAttachmentsExclusive:RolePolicyAttachmentsExclusive",
    "iam/userPolicyAttachmentsExclusive:UserPolicyAttachmentsExclusive",
    "iam/groupPolicyAttachmentsExclusive:GroupPolicyAttachmentsExclusive",
    ROLE,
)
def no_administrators(resource: Resource) -> Iterator[str]:
    """Nor its near kin."""
    for key in ("policyArn", "policyArns", "managedPolicyArns"):
        for arn in listed(resource.props.get(key)):
            if str(arn).endswith(ADMINISTRATORS):
                yield f"attaches {arn}"


@rule(
    "nobody-unnamed",
    "Keys, secrets, topics, queues and roles are for principals that are named",
    "kms/key:Key",
    "kms/keyPolicy:KeyPolicy",
    "kms/replicaKey:ReplicaKey",
    "secretsmanager/secret:Secret",
    "secretsmanager/secretPolicy:SecretPolicy",
    "sns/topic:Topic",
    "sns/topicPolicy:TopicPolicy",
    "sqs/queue:Queue",
    "sqs/queuePolicy:QueuePolicy",
    ROLE,
)
def nobody_unnamed(resource: Resource) -> Iterator[str]:
    """`*` with a condition that says whose request it is names somebody; one about TLS does not."""
    for key in ("policy", "assumeRolePolicy"):
        for statement in statements(resource.props.get(key)):
            if lets_everyone(statement):
                yield f"{key} lets everyone {', '.join(listed(statement.get('Action')))}"


RULES = (least_privilege, no_access_keys, no_administrators, nobody_unnamed)
