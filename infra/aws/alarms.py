"""Alarms to one SNS topic: what would make a recovery fail, or lose more than promised, before it is needed.

How old the newest restorable moment is, AWS does not publish as a metric; `dr status --publish` (from a
schedule) does, into the namespace `Lifeboat`. Silence there counts as breaching: an unwatched backup is not a
healthy one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pulumi
from pulumi_aws import cloudwatch, sns

from infra.aws.stores import REPLICATION_RULE, Bucket
from infra.component import Component, Labels, allow, policy
from infra.outputs import DATABASE_DIMENSION, METRICS, REPLICATION_LAG, RESTORABLE_AGE

RESTORABLE_AGE_LIMIT = 900
REPLICATION_LAG_LIMIT = 1800
"""The promise for a lost region: 30 minutes."""
FREE_STORAGE_SHARE = 0.2
GB = 1024**3


@dataclass(frozen=True)
class AlarmsArgs:
    """Inputs of `Alarms`. `database_identifier` is None where no database stands.

    `least_servers`: how many must answer; 0 in a pilot light.
    """

    account: pulumi.Input[str]
    key_arn: pulumi.Output[str]
    emails: tuple[str, ...]
    database_identifier: str | None
    database_storage_gb: int
    backups_watched: bool
    """Does a site stand where the backups go, so that `dr status` sees how far they reach?"""
    balancer_suffix: pulumi.Output[str]
    targets_suffix: pulumi.Output[str]
    least_servers: int
    replicated: list[Bucket]


class Alarms(Component):
    """The topic, who hears it, and the alarms."""

    def __init__(self, name: str, args: AlarmsArgs, labels: Labels) -> None:
        super().__init__("aws:Alarms", name, labels)
        self._args = args
        self.topic = sns.Topic(
            "alarms", kms_master_key_id=args.key_arn, tags=self.tags("alarms"), opts=self.child()
        )
        self.topic_arn: pulumi.Output[str] = self.topic.arn
        publish = allow(
            ["sns:Publish"],
            self.topic_arn,
            Principal={"Service": "cloudwatch.amazonaws.com"},
            Condition={"StringEquals": {"aws:SourceAccount": args.account}},
        )
        sns.TopicPolicy("alarms", arn=self.topic_arn, policy=policy(publish), opts=self.child())
        for number, email in enumerate(args.emails):
            sns.TopicSubscription(
                f"email-{number}", topic=self.topic_arn, protocol="email", endpoint=email, opts=self.child()
            )
        self._web()
        if args.database_identifier is not None:
            self._database(args.database_identifier)
        for bucket in args.replicated:
            self._replication(bucket)
        self.register_outputs({"topic_arn": self.topic_arn})

    def _alarm(
        self, label: str, description: str, *, minutes: int = 5, periods: int = 1, **metric: Any
    ) -> None:
        settings = {
            "comparison_operator": "GreaterThanThreshold",
            "treat_missing_data": "notBreaching",
            **metric,
        }
        cloudwatch.MetricAlarm(
            label,
            alarm_description=description,
            period=minutes * 60,
            evaluation_periods=periods,
            alarm_actions=[self.topic_arn],
            ok_actions=[self.topic_arn],
            tags=self.tags(label),
            opts=self.child(),
            **settings,
        )

    def _web(self) -> None:
        metric = {
            "namespace": "AWS/ApplicationELB",
            "dimensions": {
                "LoadBalancer": self._args.balancer_suffix,
                "TargetGroup": self._args.targets_suffix,
            },
        }
        self._alarm(
            "unhealthy-targets",
            "A web server does not answer its health check",
            minutes=1,
            periods=3,
            metric_name="UnHealthyHostCount",
            statistic="Maximum",
            threshold=0,
            **metric,
        )
        if self._args.least_servers:
            # A server that is gone is not unhealthy, and a group that cannot launch has none of either.
            self._alarm(
                "servers-missing",
                f"Fewer than {self._args.least_servers} web servers answer",
                minutes=1,
                periods=5,
                metric_name="HealthyHostCount",
                statistic="Minimum",
                comparison_operator="LessThanThreshold",
                threshold=self._args.least_servers,
                treat_missing_data="breaching",
                **metric,
            )

    def _database(self, identifier: str) -> None:
        dimensions = {DATABASE_DIMENSION: identifier}
        self._alarm(
            "database-storage",
            "Less than a fifth of the database's storage is free, or the database says nothing",
            periods=2,
            namespace="AWS/RDS",
            metric_name="FreeStorageSpace",
            dimensions=dimensions,
            statistic="Minimum",
            comparison_operator="LessThanThreshold",
            threshold=int(self._args.database_storage_gb * GB * FREE_STORAGE_SHARE),
            treat_missing_data="breaching",
        )
        self._age("restorable-age", RESTORABLE_AGE, RESTORABLE_AGE_LIMIT, dimensions)
        if self._args.backups_watched:
            self._age("backup-replication-lag", REPLICATION_LAG, REPLICATION_LAG_LIMIT, dimensions)

    def _age(self, label: str, metric: str, limit: int, dimensions: dict[str, str]) -> None:
        self._alarm(
            label,
            f"Backups end more than {limit // 60} minutes ago, or nobody looks (dr status --publish)",
            periods=3,
            namespace=METRICS,
            metric_name=metric,
            dimensions=dimensions,
            statistic="Maximum",
            threshold=limit,
            treat_missing_data="breaching",
        )

    def _replication(self, bucket: Bucket) -> None:
        self._alarm(
            f"replication-failed-{bucket.name}",
            f"Objects of {bucket.name} were not copied to the standby region",
            namespace="AWS/S3",
            metric_name="OperationsFailedReplication",
            dimensions={
                "SourceBucket": bucket.id,
                "DestinationBucket": str(bucket.replicated_to),
                "RuleId": REPLICATION_RULE,
            },
            statistic="Sum",
            threshold=0,
        )
