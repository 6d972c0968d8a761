"""The site's load balancer: HTTPS with the region's certificate, holding page, health path, and its own name.

It stands in a pilot light too: it is slow to make, and what customers meet while nothing serves is a page
that says so. What Route 53 asks (the health path) is answered here and never touches servers or database.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pulumi
from pulumi_aws import lb, route53, s3

from infra.aws.network import WEB_PORT
from infra.aws.stores import encrypted_transport, lifecycle, private_bucket
from infra.component import Component, Labels, allow, policy
from infra.outputs import HEALTH_PATH, VERIFY_HEADER

TARGET_HEALTH_PATH = "/healthz"
TLS_POLICY = "ELBSecurityPolicy-TLS13-1-2-2021-06"
LOGS_KEPT_DAYS = 90
HOLDING_LIMIT = 1024
"""ELB's limit on a fixed response's body, in bytes."""
HOLDING_PAGE = """<!doctype html><html lang="en"><meta charset="utf-8">
<meta http-equiv="refresh" content="30">
<meta name="viewport" content="width=device-width"><title>{company}: back soon</title>
<body style="font:18px/1.5 system-ui;max-width:32em;margin:20vh auto;padding:0 1em">
<h1>We will be back soon</h1><p>{company} is not available at the moment. What you saved is safe; we are
working on it, and this page tries again by itself.</p></body></html>
"""


@dataclass(frozen=True)
class BalancerArgs:
    """Inputs of `Balancer`."""

    account: pulumi.Input[str]
    region: str
    company: str
    vpc_id: pulumi.Output[str]
    subnet_ids: list[pulumi.Output[str]]
    security_group_id: pulumi.Output[str]
    certificate_arn: pulumi.Output[str]
    origin_name: str
    origin_zone_id: str
    holding_page: bool
    verify_token: pulumi.Output[str]


class Balancer(Component):
    """Load balancer, listeners with their rules, target group, access logs, and the origin's name."""

    def __init__(self, name: str, args: BalancerArgs, labels: Labels) -> None:
        super().__init__("aws:Balancer", name, labels)
        self.args = args
        logs, logs_policy = self._logs()
        self.balancer = lb.LoadBalancer(
            "web",
            load_balancer_type="application",
            internal=False,
            subnets=args.subnet_ids,
            security_groups=[args.security_group_id],
            drop_invalid_header_fields=True,
            access_logs={"bucket": logs.id, "prefix": "web", "enabled": True},
            tags=self.tags("web"),
            # ELB writes a test object when logs are switched on, and refuses when it may not.
            opts=self.child(depends_on=[logs_policy]),
        )
        self.targets = self._target_group()
        self._redirect()
        self.https = self._https()
        route53.Record(
            "origin",
            zone_id=args.origin_zone_id,
            name=args.origin_name,
            type="A",
            aliases=[
                {
                    "name": self.balancer.dns_name,
                    "zone_id": self.balancer.zone_id,
                    "evaluate_target_health": False,
                }
            ],
            opts=self.child(),
        )
        self.register_outputs({"dns_name": self.balancer.dns_name})

    def _logs(self) -> tuple[s3.Bucket, s3.BucketPolicy]:
        # SSE-S3, since ELB cannot write under a KMS key. Logs may go when the stack goes.
        tags = self.labels.tags("access-logs", "non-critical")
        bucket, _ = private_bucket(self, "access-logs", key_arn=None, tags=tags, force_destroy=True)
        lifecycle(self, "access-logs", bucket, {"": LOGS_KEPT_DAYS})
        sources = pulumi.Output.concat(
            "arn:aws:elasticloadbalancing:", self.args.region, ":", self.args.account, ":loadbalancer/*"
        )
        delivery = allow(
            ["s3:PutObject"],
            pulumi.Output.concat(bucket.arn, "/web/AWSLogs/", self.args.account, "/*"),
            Principal={"Service": "logdelivery.elasticloadbalancing.amazonaws.com"},
            Condition={"ArnLike": {"aws:SourceArn": sources}},
        )
        return bucket, s3.BucketPolicy(
            "access-logs",
            bucket=bucket.id,
            policy=policy(encrypted_transport(bucket.arn), delivery),
            opts=self.child(),
        )

    def _target_group(self) -> lb.TargetGroup:
        return lb.TargetGroup(
            "web",
            vpc_id=self.args.vpc_id,
            port=WEB_PORT,
            protocol="HTTP",
            target_type="instance",
            deregistration_delay=30,
            health_check={
                # Without the database: a database outage must not make Auto Scaling replace every server.
                "path": TARGET_HEALTH_PATH,
                "protocol": "HTTP",
                "port": "traffic-port",
                "matcher": "200",
                "interval": 10,
                "timeout": 5,
                "healthy_threshold": 2,
                "unhealthy_threshold": 3,
            },
            tags=self.tags("web"),
            opts=self.child(),
        )

    def _redirect(self) -> None:
        secure = {"protocol": "HTTPS", "port": "443", "status_code": "HTTP_301"}
        lb.Listener(
            "http",
            load_balancer_arn=self.balancer.arn,
            port=80,
            protocol="HTTP",
            default_actions=[{"type": "redirect", "redirect": secure}],
            tags=self.tags("http"),
            opts=self.child(),
        )

    def _https(self) -> lb.Listener:
        forward = {"type": "forward", "target_group_arn": self.targets.arn}
        listener = lb.Listener(
            "https",
            load_balancer_arn=self.balancer.arn,
            port=443,
            protocol="HTTPS",
            ssl_policy=TLS_POLICY,
            certificate_arn=self.args.certificate_arn,
            default_actions=[holding(self.args.company) if self.args.holding_page else forward],
            tags=self.tags("https"),
            opts=self.child(),
        )
        healthy = _fixed("200", "text/plain", "ok")
        self._rule(listener, "health", 1, {"path_pattern": {"values": [HEALTH_PATH]}}, healthy)
        header = {"http_header_name": VERIFY_HEADER, "values": [self.args.verify_token]}
        self._rule(listener, "verify", 2, {"http_header": header}, forward)
        return listener

    def _rule(
        self,
        listener: lb.Listener,
        label: str,
        priority: int,
        condition: dict[str, Any],
        action: dict[str, Any],
    ) -> None:
        lb.ListenerRule(
            label,
            listener_arn=listener.arn,
            priority=priority,
            conditions=[condition],
            actions=[action],
            tags=self.tags(label),
            opts=self.child(),
        )


def holding(company: str) -> dict[str, Any]:
    """The listener action that answers 503 with the holding page; ValueError beyond ELB's limit."""
    body = HOLDING_PAGE.format(company=company.capitalize())
    if len(body.encode()) > HOLDING_LIMIT:
        raise ValueError(f"the holding page has {len(body.encode())} bytes; ELB takes {HOLDING_LIMIT}")
    return _fixed("503", "text/html", body)


def _fixed(status: str, content_type: str, body: str) -> dict[str, Any]:
    response = {"status_code": status, "content_type": content_type, "message_body": body}
    return {"type": "fixed-response", "fixed_response": response}
