"""boto3 clients of one region for one cause; service models are loaded once per process."""

from __future__ import annotations

import threading
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

import boto3
from botocore.config import Config

if TYPE_CHECKING:
    from mypy_boto3_autoscaling import AutoScalingClient
    from mypy_boto3_cloudwatch import CloudWatchClient
    from mypy_boto3_ec2 import EC2Client
    from mypy_boto3_elbv2 import ElasticLoadBalancingv2Client
    from mypy_boto3_kms import KMSClient
    from mypy_boto3_rds import RDSClient
    from mypy_boto3_route53 import Route53Client
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_secretsmanager import SecretsManagerClient
    from mypy_boto3_sns import SNSClient
    from mypy_boto3_sts import STSClient

GLOBAL = "us-east-1"
"""Where the control planes of Route 53 and IAM are, whatever region one works in."""

_lock = threading.Lock()
_session: boto3.Session | None = None


class Patience(NamedTuple):
    """Seconds to connect and to answer, and how often a call is tried."""

    connect: float
    read: float
    tries: int


WORK = Patience(3, 20, 6)
LOOK = Patience(2, 3, 3)
"""For what a person waits for and nothing hangs on: a region that is silent is told as such in seconds."""
PROBE = Patience(2, 2, 1)


class Clients:
    """Clients of one region. Calls carry `cause` (`lifeboat/<run>/<step>`) in their user agent."""

    def __init__(self, region: str, cause: str, patience: Patience = WORK) -> None:
        self.region = region
        self.cause = cause
        self.patience = patience
        self._config = Config(
            user_agent_extra=cause,
            connect_timeout=patience.connect,
            read_timeout=patience.read,
            retries={"total_max_attempts": patience.tries, "mode": "standard"},
            max_pool_connections=8,
        )

    def _client(self, service: str, region: str | None = None) -> Any:
        global _session  # noqa: PLW0603 - one session holds the service models for the whole process
        with _lock:
            _session = _session or boto3.Session()
            name: Any = service
            return _session.client(name, region_name=region or self.region, config=self._config)

    @cached_property
    def rds(self) -> RDSClient:
        """RDS."""
        client: RDSClient = self._client("rds")
        return client

    @cached_property
    def ec2(self) -> EC2Client:
        """EC2."""
        client: EC2Client = self._client("ec2")
        return client

    @cached_property
    def autoscaling(self) -> AutoScalingClient:
        """Auto Scaling."""
        client: AutoScalingClient = self._client("autoscaling")
        return client

    @cached_property
    def elb(self) -> ElasticLoadBalancingv2Client:
        """Elastic Load Balancing v2."""
        client: ElasticLoadBalancingv2Client = self._client("elbv2")
        return client

    @cached_property
    def s3(self) -> S3Client:
        """S3."""
        client: S3Client = self._client("s3")
        return client

    @cached_property
    def secrets(self) -> SecretsManagerClient:
        """Secrets Manager."""
        client: SecretsManagerClient = self._client("secretsmanager")
        return client

    @cached_property
    def kms(self) -> KMSClient:
        """KMS."""
        client: KMSClient = self._client("kms")
        return client

    @cached_property
    def cloudwatch(self) -> CloudWatchClient:
        """CloudWatch."""
        client: CloudWatchClient = self._client("cloudwatch")
        return client

    @cached_property
    def sns(self) -> SNSClient:
        """SNS."""
        client: SNSClient = self._client("sns")
        return client

    @cached_property
    def sts(self) -> STSClient:
        """STS, the region's own (the global one lives in us-east-1)."""
        client: STSClient = self._client("sts")
        return client

    @cached_property
    def route53(self) -> Route53Client:
        """Route 53, whose control plane is in us-east-1."""
        client: Route53Client = self._client("route53", GLOBAL)
        return client


def warm(region: str) -> None:
    """Load the service models that recovery needs, so that the first step does not wait for the disk."""
    clients = Clients(region, "lifeboat")
    for name in ("s3", "rds", "secrets", "ec2", "autoscaling", "elb"):
        getattr(clients, name)
