"""Access: named permissions for roles, no long-lived keys."""

from __future__ import annotations

from collections.abc import Iterator

from infra.policies.rule import Resource, listed, rule


@rule(
    "least-privilege",
    "Policies name actions; none allows a whole service everywhere",
    "iam/policy:Policy",
    "iam/rolePolicy:RolePolicy",
    "iam/userPolicy:UserPolicy",
)
def least_privilege(resource: Resource) -> Iterator[str]:
    """Wildcards on every resource, but for `Describe*` and `List*`, which read no content."""
    for statement in resource.statements():
        if statement.get("Effect") != "Allow" or "*" not in listed(statement.get("Resource")):
            continue
        for action in listed(statement.get("Action")):
            verb = str(action).partition(":")[2]
            if "*" in str(action) and verb not in ("Describe*", "List*"):
                yield f"allows {action} on everything"


@rule("no-access-keys", "No access keys: people and machines take roles", "iam/accessKey:AccessKey")
def no_access_keys(resource: Resource) -> Iterator[str]:
    """A key that lies about is the commonest way in."""
    yield f"{resource.name} would be a long-lived key"


@rule(
    "no-administrators",
    "No role holds AWS's administrator policy",
    "iam/rolePolicyAttachment:RolePolicyAttachment",
)
def no_administrators(resource: Resource) -> Iterator[str]:
    """Nor its near kin."""
    if str(resource.props.get("policyArn")).endswith(
        ("/AdministratorAccess", "/PowerUserAccess", "/IAMFullAccess")
    ):
        yield f"attaches {resource.props['policyArn']}"


RULES = (least_privilege, no_access_keys, no_administrators)
