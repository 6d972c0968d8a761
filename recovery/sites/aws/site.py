"""An AWS site: its parts, made when they are first asked for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError
from botocore.exceptions import ConnectionError as NoConnection

from infra.outputs import DATABASE_DIMENSION, METRICS, EdgeContract, SiteContract
from recovery.sites.aws.clients import LOOK, PROBE, WORK, Clients, Patience
from recovery.sites.aws.database import RdsDatabase
from recovery.sites.aws.errors import THROTTLED, code, explain
from recovery.sites.aws.fence import AwsFence
from recovery.sites.aws.pilot_light import lacking
from recovery.sites.aws.runner import Ec2Runner
from recovery.sites.aws.stores import S3Stores, SecretsManager
from recovery.sites.aws.web import AutoScalingWebTier
from recovery.sites.ports import Finding, Health, Identity

if TYPE_CHECKING:
    from mypy_boto3_cloudwatch.type_defs import DimensionTypeDef, MetricDatumTypeDef


class AwsSite:
    """See recovery.sites.ports.Site."""

    def __init__(self, contract: SiteContract, cause: str, patience: Patience = WORK) -> None:
        self._contract = contract
        self._cause = cause
        self._clients = Clients(contract.region, cause, patience)

    @property
    def contract(self) -> SiteContract:
        """What it was built from."""
        return self._contract

    @cached_property
    def database(self) -> RdsDatabase:
        """RDS."""
        return RdsDatabase(self._clients)

    @cached_property
    def web(self) -> AutoScalingWebTier:
        """Auto Scaling and load balancer."""
        return AutoScalingWebTier(self._clients, self._contract)

    @cached_property
    def stores(self) -> S3Stores:
        """S3."""
        return S3Stores(self._clients, self._contract)

    @cached_property
    def secrets(self) -> SecretsManager:
        """Secrets Manager."""
        return SecretsManager(self._clients)

    @cached_property
    def runner(self) -> Ec2Runner:
        """One-shot machines."""
        return Ec2Runner(self._clients, self._contract)

    @cached_property
    def fence(self) -> AwsFence:
        """Quarantine."""
        return AwsFence(self._clients, self._contract)

    def announce(self, title: str, body: str) -> None:
        """SNS Publish; a subject has at most 100 characters there."""
        try:
            self._clients.sns.publish(
                TopicArn=self._contract.alarms_topic_arn, Subject=title[:100], Message=body
            )
        except (ClientError, BotoCoreError) as error:
            raise explain(error, self._contract.region) from error

    def measure(self, metric: str, database: str, seconds: float) -> None:
        """CloudWatch PutMetricData."""
        dimensions: list[DimensionTypeDef] = [{"Name": DATABASE_DIMENSION, "Value": database}]
        datum: MetricDatumTypeDef = {
            "MetricName": metric,
            "Dimensions": dimensions,
            "Value": seconds,
            "Unit": "Seconds",
        }
        try:
            self._clients.cloudwatch.put_metric_data(Namespace=METRICS, MetricData=[datum])
        except (ClientError, BotoCoreError) as error:
            raise explain(error, self._contract.region) from error

    def identity(self) -> Identity:
        """STS GetCallerIdentity in the site's region."""
        try:
            account = self._clients.sts.get_caller_identity()["Account"]
        except (ClientError, BotoCoreError) as error:
            raise explain(error, self._contract.region) from error
        return Identity("aws", account, self._clients.sts.meta.endpoint_url)

    def lacking(self) -> Sequence[str]:
        """See recovery/sites/aws/pilot_light.py."""
        return lacking(Clients(self._contract.region, self._cause, LOOK), self._contract)

    def probe(self) -> Sequence[Finding]:
        """RDS, EC2 and S3 of the region, side by side."""
        clients = Clients(self._contract.region, self._cause, PROBE)
        bucket = self._contract.store("state").bucket
        calls: dict[str, Callable[[], object]] = {
            "rds": lambda: clients.rds.describe_db_instances(MaxRecords=20),
            "ec2": clients.ec2.describe_availability_zones,
            "s3": lambda: clients.s3.head_bucket(Bucket=bucket),
        }
        clients.rds, clients.ec2, clients.s3  # noqa: B018 - made before the threads, which only call
        with ThreadPoolExecutor(len(calls)) as pool:
            return tuple(pool.map(lambda name: _ask(f"{name}@{clients.region}", calls[name]), calls))


def _ask(path: str, call: Callable[[], object]) -> Finding:
    """Silence and server errors are unhealthy; being refused says nothing about the region."""
    try:
        call()
    except (HTTPClientError, NoConnection) as error:  # a read or a connect that timed out, a refusal
        return Finding(path, Health.UNHEALTHY, type(error).__name__)
    except ClientError as error:
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        if code(error) in THROTTLED:
            return Finding(path, Health.HEALTHY, f"answers ({code(error)})")  # it lives, and has much to do
        health = Health.UNHEALTHY if status >= 500 else Health.UNKNOWN
        return Finding(path, health, f"{code(error)} ({status})")
    except Exception as error:
        return Finding(path, Health.UNKNOWN, f"{type(error).__name__}: {error}")
    return Finding(path, Health.HEALTHY, "answers")


def check_status(edge: EdgeContract, check: str, cause: str) -> Finding:
    """GetHealthCheckStatus: healthy when more than 18 % of Route 53's checkers say so (its own rule)."""
    path = f"route53 check `{check}`"
    clients = Clients("us-east-1", cause, PROBE)
    try:
        reply = clients.route53.get_health_check_status(HealthCheckId=edge.health_checks[check])
    except Exception as error:
        return Finding(path, Health.UNKNOWN, f"{type(error).__name__}: {error}")
    said = [o.get("StatusReport", {}).get("Status", "") for o in reply["HealthCheckObservations"]]
    if not said:
        return Finding(path, Health.UNKNOWN, "no checker has reported")
    good = sum(1 for text in said if text.startswith("Success"))
    health = Health.HEALTHY if good / len(said) > 0.18 else Health.UNHEALTHY
    return Finding(path, health, f"{good} of {len(said)} checkers succeed")
