"""The IAM permissions that recovery needs: class constants of the actions, put together."""

from __future__ import annotations

import fnmatch
import json
from collections.abc import Iterable
from pathlib import Path

from recovery.actions import registry

FILE = Path("infra") / "aws" / "recovery-permissions.json"
_ALWAYS = (
    "kms:Decrypt",
    "kms:GenerateDataKey",
    "s3:GetObject",
    "s3:ListBucket",
    "s3:PutObject",
    "sts:GetCallerIdentity",
)
"""Who we are, and the state stores (dr status, dr state)."""
_S3 = {"HeadObject": "GetObject", "HeadBucket": "ListBucket", "ListObjectsV2": "ListBucket"}
"""S3 operations that another operation's permission allows (Service Authorization Reference, Amazon S3)."""


def needed(names: Iterable[str] | None = None) -> tuple[str, ...]:
    """IAM actions of these recovery actions (default: of all), each once, in order."""
    wanted = set(_ALWAYS)
    for name in registry.names() if names is None else names:
        wanted.update(registry.find(name).permissions)
    return tuple(sorted(p for p in wanted if not _implied(p, wanted)))


def document() -> str:
    """What `infra/aws/recovery-permissions.json` holds."""
    return json.dumps({"version": 1, "actions": list(needed())}, indent=1) + "\n"


def covers(permissions: Iterable[str], service: str, operation: str) -> bool:
    """Whether a call is allowed: `service` and `operation` as botocore names them."""
    name = _S3.get(operation, operation) if service == "s3" else operation
    return any(fnmatch.fnmatchcase(f"{service}:{name}", permission) for permission in permissions)


def _implied(permission: str, others: set[str]) -> bool:
    return any(other != permission and fnmatch.fnmatchcase(permission, other) for other in others)
