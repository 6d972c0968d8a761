"""AWS's errors, told as what happened, what it means for the recovery, and what to do now."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    CredentialRetrievalError,
    HTTPClientError,
    IncompleteReadError,
    LoginError,
    NoCredentialsError,
    PartialCredentialsError,
    ProfileNotFound,
    SSOError,
    TokenRetrievalError,
)
from botocore.exceptions import ConnectionError as NoConnection

from recovery.errors import ActionFailed, LifeboatError, Unavailable

_FRESH = "a process that waits keeps the old ones, so end it with Ctrl-C"
_SILENT = (HTTPClientError, NoConnection, IncompleteReadError)
_NO_LOGIN = (
    CredentialRetrievalError,
    LoginError,
    NoCredentialsError,
    PartialCredentialsError,
    ProfileNotFound,
    SSOError,
    TokenRetrievalError,
)
_KNOWN: dict[str, tuple[str, str]] = {
    "KMSKeyNotAccessibleFault": (
        "what is encrypted with the key cannot be read until the key is back; nothing was created",
        "aws kms describe-key --region {region} --key-id KEY; when it is pending deletion: "
        "aws kms cancel-key-deletion and enable-key; then dr resume",
    ),
    "InsufficientDBInstanceCapacity": (
        "the region has no room for this class in these zones now; nothing was created",
        "take another instance class (aws rds describe-orderable-db-instance-options --region {region} "
        "--engine postgres): dr resume … --use restore-db.instance_class=CLASS",
    ),
    "InsufficientInstanceCapacity": (
        "the region has no room for this instance type in this zone now; nothing was created",
        "wait a little, or set another type (lifeboat:instanceType), then dr resume",
    ),
    "InstanceQuotaExceeded": (
        "the account may not have more database instances in {region}; nothing was created",
        "raise the quota (Service Quotas, RDS) or delete instances that nobody needs, then dr resume",
    ),
    "StorageQuotaExceeded": (
        "the account may not have more database storage in {region}; nothing was created",
        "raise the quota (Service Quotas, RDS) or delete instances that nobody needs, then dr resume",
    ),
    "AccessDenied": (
        "the credentials in use are not allowed to do this; nothing was changed by this call",
        "use the recovery role (its ARN is in the site's contract: recovery_role_arn); "
        "`dr permissions` lists what it must allow",
    ),
    "ExpiredToken": ("the credentials have run out", f"sign in again; {_FRESH}, then dr resume"),
    "InvalidClientTokenId": (
        "AWS does not know these credentials",
        f"sign in as the recovery role; {_FRESH}, then dr resume",
    ),
    "InvalidRestoreFault": (
        "the backups do not reach the moment asked for",
        "choose another recovery point: dr resume … --use recovery-point.prefer=latest",
    ),
    "NoSuchBucket": (
        "the store is not there: what was kept in it is out of reach",
        "compare the site's contract (dr state show) with what stands: aws s3 ls",
    ),
    "ResourceNotFoundException": (
        "something that the last contract names was deleted in {region} since; everything else goes on",
        "have the stack make it anew: dr resume … --use stack-up.refresh=true --reason WHY   (outside of a "
        "run: pulumi up --refresh)",
    ),
}
NOT_THERE = frozenset(
    {
        "DBParameterGroupNotFound", "DBParameterGroupNotFoundFault", "DBSubnetGroupNotFound",
        "DBSubnetGroupNotFoundFault", "InvalidGroup.NotFound", "InvalidLaunchTemplateId.NotFound",
        "InvalidLaunchTemplateId.NotFoundException", "InvalidSubnetID.NotFound", "ResourceNotFoundException",
    }
)  # fmt: skip
"""Codes that say: what the last contract names, and the site's stack once made, is gone."""
THROTTLED = frozenset(
    {
        "Throttling", "ThrottlingException", "ThrottledException", "RequestLimitExceeded", "RequestThrottled",
        "RequestThrottledException", "TooManyRequestsException", "SlowDown", "BandwidthLimitExceeded",
        "PriorRequestNotComplete",
    }
)  # fmt: skip
"""Codes of a service that answers, and wants to be asked less often."""
_SAME = {
    "UnauthorizedOperation": "AccessDenied",
    "AccessDeniedException": "AccessDenied",
    "AuthorizationError": "AccessDenied",
    "ExpiredTokenException": "ExpiredToken",
    "RequestExpired": "ExpiredToken",
    "UnrecognizedClientException": "InvalidClientTokenId",
    "AuthFailure": "InvalidClientTokenId",
    "InvalidAccessKeyId": "InvalidClientTokenId",
    "SignatureDoesNotMatch": "InvalidClientTokenId",
    "InvalidRestoreFaultException": "InvalidRestoreFault",
}


def code(error: ClientError) -> str:
    """AWS's error code, without the suffix that some services put behind it."""
    return error.response.get("Error", {}).get("Code", "")


def explain(error: ClientError | BotoCoreError, region: str) -> LifeboatError:
    """The error as a person can act on it."""
    if isinstance(error, _NO_LOGIN):
        return ActionFailed(
            f"AWS: no credentials that can be used: {error}",
            means="nothing can be asked or changed at AWS",
            cure=f"sign in as the recovery role (aws sso login, AWS_PROFILE, …); {_FRESH}, then dr resume",
        )
    if isinstance(error, BotoCoreError) and not isinstance(error, _SILENT):
        return ActionFailed(
            f"the AWS SDK in {region} refuses: {error}",
            means="nothing was sent",
            cure="mend what it names (AWS configuration of this shell), then dr resume",
        )
    if isinstance(error, BotoCoreError):
        return Unavailable(
            f"AWS in {region} does not answer: {error}",
            means="the call may or may not have been carried out; trying again is safe",
            cure=f"check the network from here and AWS's health dashboard for {region}, then dr resume",
        )
    name = code(error)
    known = _KNOWN.get("ResourceNotFoundException" if name in NOT_THERE else _SAME.get(name, name))
    text = f"AWS: {name}: {error.response.get('Error', {}).get('Message', '')}"
    operation = f" ({error.operation_name} in {region})"
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    if known is None and (name in THROTTLED or status >= 500):
        return Unavailable(
            text + operation,
            means="the call may or may not have been carried out; trying again is safe",
            cure=f"see AWS's health dashboard for {region}, wait a little, then dr resume",
        )
    means, cure = known or (
        "AWS refused this call, and it changed nothing; everything that does not need it goes on",
        "mend what AWS names, then dr resume",
    )
    return ActionFailed(text + operation, means=means.format(region=region), cure=cure.format(region=region))


def explained[C: type](cls: C) -> C:
    """Class decorator: public methods raise LifeboatError instead of botocore's errors."""
    for name, member in list(vars(cls).items()):
        if not name.startswith("_") and inspect.isfunction(member):
            setattr(cls, name, _wrap(member))
    return cls


def _wrap(method: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(method)
    def call(self: Any, *args: Any, **kwargs: Any) -> Any:
        try:
            return method(self, *args, **kwargs)
        except (ClientError, BotoCoreError) as error:
            raise explain(error, self.clients.region) from error

    return call
