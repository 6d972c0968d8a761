"""A world for the tests of names and stores, and what they do in it again and again."""

from __future__ import annotations

import itertools
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import boto3
import dns.message
import dns.query
import dns.rcode
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from rehearsal import launch
from rehearsal.durations import CLOUD_SECONDS
from rehearsal.steering import Steering
from rehearsal.world import WorldSettings
from tests.fakes.waiting import until

SCALE = 120.0
_QUICK = Config(retries={"total_max_attempts": 1}, read_timeout=20, connect_timeout=2)
_NUMBERS = itertools.count(1)


@contextmanager
def running(name: str, *, scale: float = SCALE) -> Iterator[NameWorld]:
    """A world of this name, for one module of one test process."""
    name = f"{name}-{os.environ.get('PYTEST_XDIST_WORKER', 'main')}"
    settings = launch.up(name, scale=scale, dies_with_us=True)
    try:
        yield NameWorld(settings)
    finally:
        launch.down(name)


@contextmanager
def refused(code: str, *, saying: str = "") -> Iterator[None]:
    """The block is refused by AWS with this error code."""
    with pytest.raises(ClientError) as error:
        yield
    assert error.value.response["Error"]["Code"] == code, error.value
    assert saying in str(error.value)


@contextmanager
def lost(world: NameWorld, region: str) -> Iterator[None]:
    """The region is gone within the block."""
    world.steering.lose(region)
    try:
        yield
    finally:
        world.steering.give_back(region)


@dataclass(frozen=True)
class NameWorld:
    """boto3 and DNS against a world."""

    settings: WorldSettings

    @property
    def steering(self) -> Steering:
        return Steering(self.settings)

    def client(self, service: str, region: str = "eu-west-1", *, config: Config | None = None) -> Any:
        return boto3.client(
            service,
            region_name=region,
            endpoint_url=self.settings.api_url,
            aws_access_key_id="test",
            aws_secret_access_key="test",
            config=_QUICK.merge(config) if config else _QUICK,
        )

    def fresh(self, word: str) -> str:
        """A name that no other test has."""
        return f"{word}-{next(_NUMBERS)}"

    def settle(self) -> None:
        """Let everything that is under way arrive: longer than any copy takes here."""
        time.sleep(4 * max(self.cloud_seconds) / self.settings.scale)

    @property
    def cloud_seconds(self) -> tuple[float, ...]:
        return tuple(CLOUD_SECONDS[what] for what in ("s3.replicate", "secrets.replicate"))

    # --- zones -------------------------------------------------------------------------------------------

    def zone(self, name: str) -> str:
        """A new hosted zone's id, once the name servers have it."""
        made = self.client("route53").create_hosted_zone(Name=name, CallerReference=self.fresh(name))
        self.insync(made["ChangeInfo"])
        return str(made["HostedZone"]["Id"].removeprefix("/hostedzone/"))

    def change(self, zone: str, *records: dict[str, Any], action: str = "CREATE") -> dict[str, Any]:
        """Change records in one batch; ChangeInfo."""
        changes = [{"Action": action, "ResourceRecordSet": record} for record in records]
        answer = self.client("route53").change_resource_record_sets(
            HostedZoneId=zone, ChangeBatch={"Changes": changes}
        )
        return dict(answer["ChangeInfo"])

    def insync(self, change: dict[str, Any]) -> None:
        """Wait for a change to be everywhere."""
        client = self.client("route53")
        until("INSYNC", lambda: client.get_change(Id=change["Id"])["ChangeInfo"]["Status"] == "INSYNC")

    def ask(self, name: str, *, server: int = 0) -> dns.message.Message:
        """A name server's answer for the name's addresses."""
        address = self.settings.name_server_addresses()[server]
        query = dns.message.make_query(name, "A")
        return dns.query.udp(query, address, timeout=2, port=self.settings.port(53))

    def answers(self, name: str, *, server: int = 0) -> list[str]:
        """Names and addresses in a name server's answer, in order."""
        return [str(r).rstrip(".") for rrset in self.ask(name, server=server).answer for r in rrset]

    # --- buckets -----------------------------------------------------------------------------------------

    def bucket(self, word: str, region: str, *, versioned: bool = True) -> str:
        """A new bucket in the region."""
        name, s3 = self.fresh(word), self.client("s3", region)
        s3.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": region})
        if versioned:
            s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
        return name

    def opened(self, word: str, region: str) -> str:
        """A new bucket that a policy may open to everybody."""
        name = self.bucket(word, region)
        self.client("s3", region).delete_public_access_block(Bucket=name)
        return name


def a(name: str, *addresses: str, **more: Any) -> dict[str, Any]:
    """An A record."""
    return {
        "Name": name,
        "Type": "A",
        "TTL": 60,
        "ResourceRecords": [{"Value": v} for v in addresses],
        **more,
    }


def cname(name: str, target: str, **more: Any) -> dict[str, Any]:
    """A CNAME record."""
    return {"Name": name, "Type": "CNAME", "TTL": 60, "ResourceRecords": [{"Value": target}], **more}
