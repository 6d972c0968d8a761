"""Access logs of load balancers: refused where the bucket does not let them in, delivered where it does.

Source: ELB User Guide, "Enable access logs for your Application Load Balancer".
"""

from __future__ import annotations

import gzip
import secrets
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from moto.elbv2.exceptions import ELBClientError
from moto.elbv2.models import ELBv2Backend, FakeLoadBalancer, elbv2_backends
from moto.s3.models import s3_backends

from rehearsal.aws import ACCOUNT
from rehearsal.aws.patch import around
from rehearsal.balancers.access_log import file_of
from rehearsal.world import World

_SERVICE = "logdelivery.elasticloadbalancing.amazonaws.com"
_EVERY_S = 300.0


def patch(world: World) -> None:
    """Check buckets when logs are switched on, and deliver what was logged."""

    @around(ELBv2Backend, "modify_load_balancer_attributes")
    def modify(original: Callable[..., Any], self: Any, arn: str, attrs: dict[str, Any]) -> Any:
        balancer = self.load_balancers.get(arn)
        if balancer is not None:
            wanted = {**balancer.attrs, **attrs}
            if enabled(wanted):
                _check(self.region_name, wanted["access_logs.s3.bucket"])
                _put(wanted, f"{_folder(wanted)}/ELBAccessLogTestFile", b"")
        return original(self, arn, attrs)

    def deliver() -> None:
        for region, backend in list(elbv2_backends[ACCOUNT].items()):
            if region in world.regions and not world.is_lost(region):
                for balancer in list(backend.load_balancers.values()):
                    _deliver(world, region, balancer)

    world.every(max(_EVERY_S / world.settings.scale, 2.0), deliver, name="access-logs")


def enabled(attributes: dict[str, Any]) -> bool:
    """Whether the load balancer's attributes ask for access logs."""
    return str(attributes.get("access_logs.s3.enabled", "")).lower() == "true"


def _check(region: str, name: str) -> None:
    bucket = s3_backends[ACCOUNT]["aws"].buckets.get(name)
    if bucket is None:
        raise ELBClientError("InvalidConfigurationRequest", f"S3Bucket: {name} does not exist")
    if bucket.region_name != region:
        raise ELBClientError(
            "InvalidConfigurationRequest", f"The bucket {name} is not in the load balancer's region, {region}"
        )
    # delivery cannot write under a KMS key, nor without being let in
    by_kms = "aws:kms" in str(bucket.encryption or "")
    if by_kms or _SERVICE not in (bucket.policy or b"").decode():
        raise ELBClientError(
            "InvalidConfigurationRequest",
            f"Access Denied for bucket: {name}. Please check S3bucket permission",
        )


def _deliver(world: World, region: str, balancer: FakeLoadBalancer) -> None:
    waiting = file_of(world.settings.home, balancer.arn)
    if not enabled(balancer.attrs) or not waiting.exists():
        return
    taken = waiting.with_suffix(".sending")
    waiting.rename(taken)
    now = datetime.now(UTC)
    owner = balancer.arn.partition(":loadbalancer/")[2].replace("/", ".")
    folder = f"{_folder(balancer.attrs)}/elasticloadbalancing/{region}/{now:%Y/%m/%d}"
    address = world.address(region, balancer.arn)
    name = (
        f"{folder}/{ACCOUNT}_elasticloadbalancing_{region}_{owner}_{now:%Y%m%dT%H%MZ}_{address}_"
        f"{secrets.token_hex(4)}.log.gz"
    )
    _put(balancer.attrs, name, gzip.compress(taken.read_bytes()))
    taken.unlink()


def _folder(attributes: dict[str, Any]) -> str:
    prefix = attributes.get("access_logs.s3.prefix") or ""
    return f"{prefix}/AWSLogs/{ACCOUNT}".lstrip("/")


def _put(attributes: dict[str, Any], name: str, body: bytes) -> None:
    bucket = attributes["access_logs.s3.bucket"]
    if bucket in s3_backends[ACCOUNT]["aws"].buckets:  # it may have been deleted since
        s3_backends[ACCOUNT]["aws"].put_object(bucket, name, body)
