"""Who may open an object without credentials, and objects whose key is gone.

moto reads bucket policies without their conditions, and lets anybody write and list. Here a request
without a signature may only GET or HEAD an object that the bucket's policy gives to everybody and that
the bucket's public access block does not take back (S3 User Guide, "How Amazon S3 authorizes a request").
What sessions of a role may do is held to the role's policies (rehearsal/aws/authority.py).
"""

from __future__ import annotations

import fnmatch
import json
import re
from typing import Any

from moto.core.exceptions import ServiceException
from moto.s3.exceptions import InvalidBucketName, S3AccessDeniedError, S3ClientError
from moto.s3.models import FakeBucket, FakeKey, PublicAccessBlock, S3Backend, s3_backends
from moto.s3.responses import S3Response

from rehearsal.aws import ACCOUNT
from rehearsal.aws.patch import around
from rehearsal.aws.stores_keys import key_state

_CONDITIONS = ("aws:securetransport",)
"""Condition keys on statements for everybody that are evaluated; TLS counts as used, as on real endpoints."""
_IDENTITY = "aws:principal"
"""Condition keys about who calls: nobody, for an anonymous request."""


def install() -> None:
    """Patch moto's S3."""
    _patch_entrances()
    _patch_policies()
    _patch_keys()


def _patch_entrances() -> None:
    @around(S3Response, "key_response")
    def key(original: Any, self: S3Response, request: Any, full_url: str, headers: Any) -> Any:
        if _anonymous(request) and not _may_read(request, full_url, self):
            return _denied()
        return original(self, request, full_url, headers)

    @around(S3Response, "bucket_response")
    def bucket(original: Any, self: S3Response, request: Any, full_url: str, headers: Any) -> Any:
        return _denied() if _anonymous(request) else original(self, request, full_url, headers)

    @around(FakeBucket, "get_permission")
    def permission(_: Any, __: FakeBucket, action: str, resource: str) -> Any:  # noqa: ARG001
        from moto.iam.access_control import PermissionResult

        return PermissionResult.PERMITTED  # decided at the entrances


def _anonymous(request: Any) -> bool:
    return "Authorization" not in request.headers and "Signature=" not in request.url


def _denied() -> tuple[int, dict[str, str], str]:
    error = "<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>"
    return 403, {"Content-Type": "application/xml"}, f"<?xml version='1.0' encoding='UTF-8'?>\n{error}"


def _may_read(request: Any, full_url: str, response: S3Response) -> bool:
    if request.method not in ("GET", "HEAD") or any(
        each in request.args for each in ("acl", "tagging", "uploadId", "uploads", "legal-hold", "retention")
    ):
        return False
    response.setup_class(request, full_url, {})
    name = response.parse_bucket_name_from_url(request, full_url)
    bucket = s3_backends[ACCOUNT]["aws"].buckets.get(name)
    key = response.parse_key_name()
    if bucket is None or bucket.keys.get(key) is None:  # 403, not 404, to who may not list
        return False
    return public(bucket, "s3:GetObject", f"arn:aws:s3:::{name}/{key}")


def public(bucket: FakeBucket, action: str, resource: str) -> bool:
    """Whether anybody may do `action` on `resource`."""
    block = bucket.public_access_block
    if bucket.policy is None or (block is not None and _on(block.restrict_public_buckets)):
        return False
    statements = _statements(bucket.policy, action, resource)
    effects = {s["Effect"] for s in statements if _applies(s)}
    return "Allow" in effects and "Deny" not in effects


def _patch_policies() -> None:
    @around(S3Backend, "create_bucket")
    def create(original: Any, self: S3Backend, bucket_name: str, *args: Any, **kwargs: Any) -> FakeBucket:
        if not re.fullmatch(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]", bucket_name):
            raise InvalidBucketName
        made: FakeBucket = original(self, bucket_name, *args, **kwargs)
        made.public_access_block = PublicAccessBlock(True, True, True, True)  # since April 2023
        return made

    @around(S3Backend, "put_bucket_policy")
    def put(original: Any, self: S3Backend, bucket_name: str, policy: bytes) -> None:
        bucket = self.get_bucket(bucket_name)
        try:
            statements = _for_everybody(policy)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise S3ClientError("MalformedPolicy", "This policy contains invalid Json") from error
        block = bucket.public_access_block
        opens = any(s["Effect"] == "Allow" and not s.get("Condition") for s in statements)
        if opens and block is not None and _on(block.block_public_policy):
            raise S3AccessDeniedError
        for statement in statements:
            for keys in statement.get("Condition", {}).values():
                for key in keys:
                    if key.lower() not in _CONDITIONS and not key.lower().startswith(_IDENTITY):
                        raise NotImplementedError(f"s3: bucket policy condition {key} for everybody")
        original(self, bucket_name, policy)


def _on(value: Any) -> bool:
    return str(value).lower() == "true"


def _for_everybody(policy: bytes) -> list[dict[str, Any]]:
    return [s for s in _listed(json.loads(policy)["Statement"]) if "*" in _principals(s)]


def _statements(policy: bytes, action: str, resource: str) -> list[dict[str, Any]]:
    return [
        statement
        for statement in _for_everybody(policy)
        if any(fnmatch.fnmatchcase(action.lower(), a.lower()) for a in _listed(statement["Action"]))
        and any(fnmatch.fnmatchcase(resource, r) for r in _listed(statement["Resource"]))
    ]


def _principals(statement: dict[str, Any]) -> list[str]:
    principal = statement.get("Principal", "")
    return _listed(principal.get("AWS", [])) if isinstance(principal, dict) else _listed(principal)


def _applies(statement: dict[str, Any]) -> bool:
    """Whether the statement's conditions hold for an anonymous request over TLS."""
    for operator, keys in statement.get("Condition", {}).items():
        for key, value in keys.items():
            if key.lower() == "aws:securetransport":
                if not all(_on(each) for each in _listed(value)):
                    return False
            elif not ("Not" in operator or operator.endswith("IfExists")):
                return False  # a key that the request lacks satisfies negated operators only
    return True


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _patch_keys() -> None:
    @around(S3Backend, "put_object")
    def put(
        original: Any, self: S3Backend, bucket_name: str, key_name: str, *args: Any, **kwargs: Any
    ) -> FakeKey:
        bucket = self.get_bucket(bucket_name)
        before = list(bucket.keys.getlist(key_name, []))
        key: FakeKey = original(self, bucket_name, key_name, *args, **kwargs)
        if (error := _unusable(self, key)) is not None:
            bucket.keys.setlist(key_name, before) if before else bucket.keys.pop(key_name)
            raise error
        return key

    @around(S3Response, "get_object")
    def get(original: Any, self: S3Response) -> Any:
        found, _ = self._get_key()
        if (error := _unusable(self.backend, found)) is not None:
            raise error
        return original(self)


def _unusable(backend: S3Backend, key: FakeKey) -> ServiceException | None:
    """KMS's error through S3's mouth, when the object's key cannot be used in the bucket's region."""
    if key.encryption != "aws:kms" or not key.kms_key_id:
        return None
    state = key_state(backend.get_bucket(str(key.bucket_name)).region_name, key.kms_key_id)
    if state == "Enabled":
        return None
    code = {"": "KMS.NotFoundException", "Disabled": "KMS.DisabledException"}
    return S3ClientError(
        code.get(state, "KMS.KMSInvalidStateException"), f"{key.kms_key_id} is {state or 'not found'}."
    )
