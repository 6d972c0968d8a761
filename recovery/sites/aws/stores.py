"""S3 buckets, Secrets Manager and the latch object."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from infra.outputs import EdgeContract, SiteContract
from recovery.errors import ActionFailed
from recovery.sites.aws.clients import Clients
from recovery.sites.aws.errors import code, explained

_TAKEN = {"PreconditionFailed", "ConditionalRequestConflict", "412", "409"}
_ABSENT = {"NoSuchKey", "404", "NotFound"}


@explained
class S3Stores:
    """See recovery.sites.ports.Stores."""

    def __init__(self, clients: Clients, contract: SiteContract) -> None:
        self.clients = clients
        self._contract = contract

    def read(self, store: str, key: str) -> bytes | None:
        """GetObject."""
        return get(self.clients, self._contract.store(store).bucket, key)

    def write(self, store: str, key: str, body: bytes) -> None:
        """PutObject."""
        self.clients.s3.put_object(Bucket=self._contract.store(store).bucket, Key=key, Body=body)

    def put_new(self, store: str, key: str, body: bytes) -> bool:
        """PutObject, `If-None-Match: *`; a conflict is another one's write at the same moment."""
        try:
            self.clients.s3.put_object(
                Bucket=self._contract.store(store).bucket, Key=key, Body=body, IfNoneMatch="*"
            )
        except ClientError as error:
            if code(error) in _TAKEN:
                return False
            raise
        return True

    def delete(self, store: str, key: str) -> None:
        """DeleteObject; the store is versioned, so what it held can still be seen."""
        self.clients.s3.delete_object(Bucket=self._contract.store(store).bucket, Key=key)

    def keys(self, store: str, prefix: str) -> Sequence[str]:
        """ListObjectsV2, all pages."""
        pages = self.clients.s3.get_paginator("list_objects_v2").paginate(
            Bucket=self._contract.store(store).bucket, Prefix=prefix
        )
        return tuple(found["Key"] for page in pages for found in page.get("Contents", []))


@explained
class SecretsManager:
    """See recovery.sites.ports.Secrets."""

    def __init__(self, clients: Clients) -> None:
        self.clients = clients

    def read(self, name: str) -> Mapping[str, Any]:
        """GetSecretValue; ActionFailed when it is no JSON object."""
        text = self._text(name)
        try:
            value = json.loads(text)
        except ValueError:
            value = None
        if not isinstance(value, dict):
            raise ActionFailed(
                f"secret {name} in {self.clients.region} is not a JSON object",
                means="it cannot be used as a database credential",
                cure="put the value back as infra made it (username, password, host, port, dbname)",
            )
        return value

    def _text(self, name: str) -> str:
        try:
            return self.clients.secrets.get_secret_value(SecretId=name).get("SecretString", "")
        except ClientError as error:
            if code(error) not in ("ResourceNotFoundException", "InvalidRequestException"):
                raise
            region = self.clients.region
            raise ActionFailed(
                f"secret {name} in {region} cannot be read: "
                f"{' '.join(error.response.get('Error', {}).get('Message', '').split()) or code(error)}",
                means="a recovery window of 7 to 30 days keeps deleted secrets; this step waits for it",
                cure=f"aws secretsmanager restore-secret --region {region} --secret-id {name}   (or, when it "
                "never was there, bring the site's stack up: `pulumi up` makes it), then dr resume",
            ) from error

    def update(self, name: str, **values: str | int) -> bool:
        """PutSecretValue with these members changed and the others as they were."""
        before = dict(self.read(name))
        after = {**before, **values}
        if after == before:
            return False
        self.clients.secrets.put_secret_value(SecretId=name, SecretString=json.dumps(after, sort_keys=True))
        return True


@explained
class S3Latch:
    """See recovery.sites.ports.Latch. One data-plane write in the standby's region."""

    def __init__(self, clients: Clients, edge: EdgeContract) -> None:
        self.clients = clients
        self._latch = edge.latch

    def engage(self, reason: str) -> None:
        """PutObject."""
        self.clients.s3.put_object(
            Bucket=self._latch.bucket, Key=self._latch.key, Body=reason.encode(), ContentType="text/plain"
        )

    def release(self) -> None:
        """DeleteObject."""
        self.clients.s3.delete_object(Bucket=self._latch.bucket, Key=self._latch.key)

    def engaged(self) -> bool | None:
        """HeadObject."""
        try:
            self.clients.s3.head_object(Bucket=self._latch.bucket, Key=self._latch.key)
        except ClientError as error:
            return False if code(error) in _ABSENT else None
        except BotoCoreError:
            return None
        return True

    def reason(self) -> str | None:
        """GetObject."""
        body = get(self.clients, self._latch.bucket, self._latch.key)
        return None if body is None else body.decode(errors="replace")


def get(clients: Clients, bucket: str, key: str) -> bytes | None:
    """GetObject; None when there is no such object."""
    try:
        return clients.s3.get_object(Bucket=bucket, Key=key)["Body"].read()
    except ClientError as error:
        if code(error) in _ABSENT:
            return None
        raise
