"""What sessions of a role may do: the role's policies, held to each call that such a session signs.

Machines and whoever has assumed the recovery role call with a session; the world's own long-lived key is the
account's administrator and may do anything. Source: IAM User Guide, "Policy evaluation logic": an explicit
Deny wins, else an identity-based Allow is needed. What policies on keys and buckets give besides is not
modelled: a role of ours has to be allowed by its own policies.
"""

from __future__ import annotations

import fnmatch
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from moto.iam.models import iam_backends
from moto.secretsmanager.models import secretsmanager_backends
from moto.sts.models import sts_backends

from rehearsal.aws import ACCOUNT
from rehearsal.aws.calls import Call

_S3_PERMISSIONS = {
    "HeadObject": "GetObject",
    "HeadBucket": "ListBucket",
    "ListObjects": "ListBucket",
    "ListObjectsV2": "ListBucket",
    "ListObjectVersions": "ListBucketVersions",
    "CopyObject": "PutObject",
    "CreateMultipartUpload": "PutObject",
    "UploadPart": "PutObject",
    "CompleteMultipartUpload": "PutObject",
    "DeleteObjects": "DeleteObject",
}
"""S3 operations that are allowed under another name (Service Authorization Reference, Amazon S3)."""
_FREE = {"sts:GetCallerIdentity"}
"""Allowed to everybody, whatever policies say."""


@dataclass(frozen=True)
class Refusal:
    """A call that the caller's role does not allow."""

    code: str
    status: int
    message: str


def refusal(call: Call) -> Refusal | None:
    """Why the call's session may not make it; None when it may.

    NotImplementedError when that hangs on something that is not modelled: a condition, or a resource that the
    call does not name.
    """
    session = sts_backends[ACCOUNT]["aws"].get_assumed_role_from_access_key(call.access_key)
    if session is None:
        return _unknown(call.service) if call.access_key.startswith("ASIA") else None
    action, resource = _action(call), _resource(call)
    if action in _FREE:
        return None
    effects = {
        str(statement["Effect"])
        for statement in _statements(session.role_arn)
        if _matches(statement, action, resource)
    }
    if "Allow" in effects and "Deny" not in effects:
        return None
    because = (
        "with an explicit deny in an identity-based policy"
        if "Deny" in effects
        else f"because no identity-based policy allows the {action} action"
    )
    on = f" on resource: {resource}" if resource else ""
    return Refusal(
        *_shape(call.service),
        f"User: {session.arn} is not authorized to perform: {action}{on} {because}",
    )


def _unknown(service: str) -> Refusal:
    codes = {"ec2": ("AuthFailure", 401), "s3": ("InvalidAccessKeyId", 403)}
    code, status = codes.get(service, ("InvalidClientTokenId", 403))
    return Refusal(code, status, "The security token included in the request is invalid.")


def _shape(service: str) -> tuple[str, int]:
    """Code and status of a refusal, as the service gives it."""
    if service == "ec2":
        return "UnauthorizedOperation", 403
    if service in ("secretsmanager", "kms", "acm"):
        return "AccessDeniedException", 400
    return ("AuthorizationError" if service == "sns" else "AccessDenied"), 403


def _action(call: Call) -> str:
    name = _S3_PERMISSIONS.get(call.operation, call.operation) if call.service == "s3" else call.operation
    return f"{call.service}:{name}"


def _resource(call: Call) -> str:
    """ARN of what the call is about; empty when the call does not name it in a way that is modelled."""
    match call.service:
        case "s3" if call.bucket:
            key = call.params.get("Key", "")
            return f"arn:aws:s3:::{call.bucket}" + (f"/{key}" if key else "")
        case "secretsmanager" if "SecretId" in call.params:
            return _secret_arn(call.region, str(call.params["SecretId"]))
        case "sns" if "TopicArn" in call.params:
            return str(call.params["TopicArn"])
        case _:
            return ""


def _secret_arn(region: str, name: str) -> str:
    if name.startswith("arn:"):
        return name
    secret = secretsmanager_backends[ACCOUNT][region].secrets.get(name)
    return (
        str(secret.arn) if secret is not None else f"arn:aws:secretsmanager:{region}:{ACCOUNT}:secret:{name}"
    )


def _statements(role_arn: str) -> Iterator[Mapping[str, Any]]:
    """Statements of all of the role's policies, inline and attached; none once the role is gone."""
    backend = iam_backends[ACCOUNT]["aws"]
    role = next((role for role in backend.get_roles() if role.arn == role_arn), None)
    if role is None:
        return
    documents = [*role.policies.values(), *_attached(role)]
    for document in documents:
        yield from _listed(json.loads(document)["Statement"])


def _attached(role: Any) -> Iterator[str]:
    for policy in role.managed_policies.values():
        yield next(version.document for version in policy.versions if version.is_default)


def _matches(statement: Mapping[str, Any], action: str, resource: str) -> bool:
    if "NotAction" in statement or "NotResource" in statement:
        raise NotImplementedError("iam: NotAction and NotResource in a role's policy")
    if not any(_like(action.lower(), str(pattern).lower()) for pattern in _listed(statement["Action"])):
        return False
    patterns = [str(pattern) for pattern in _listed(statement["Resource"])]
    if "*" not in patterns:
        if not resource:
            raise NotImplementedError(f"iam: which resource {action} is about, for a policy that names some")
        if not any(_like(resource, pattern) for pattern in patterns):
            return False
    if statement.get("Condition"):
        raise NotImplementedError(f"iam: the condition on {action} in a role's policy")
    return True


def _like(text: str, pattern: str) -> bool:
    """`*` and `?` only: brackets mean themselves in a policy."""
    return fnmatch.fnmatchcase(text, pattern.replace("[", "[[]"))


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
