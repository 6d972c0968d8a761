"""A web tier by hand, with boto3: what infra declares, in one region, for tests of the compute half."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config

from rehearsal.world import WorldSettings

ROOT = Path(__file__).parents[2]
# A web server in one line: answers 200 everywhere with its own id, as the artefact's `start`.
TINY_SERVER = """#!/bin/bash
exec python3 -c '
import http.server, os
class Hello(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        body = (os.environ["INSTANCE_ID"] + " " + os.environ["ARTEFACT_VERSION"]).encode()
        self.send_response(200); self.send_header("Content-Length", str(len(body))); self.end_headers()
        self.wfile.write(body)
    def log_message(self, *a): pass
http.server.ThreadingHTTPServer((os.environ["LISTEN_ADDRESS"], 8080), Hello).serve_forever()'
"""


@dataclass
class Cloud:
    """boto3 against a world."""

    settings: WorldSettings
    region: str
    agent: str = "test"
    clients: dict[str, Any] = field(default_factory=dict)

    def client(self, service: str) -> Any:
        """A client of the region."""
        if service not in self.clients:
            self.clients[service] = self._client(service)
        return self.clients[service]

    def _client(self, service: str) -> Any:
        return boto3.client(
            service,
            region_name=self.region,
            endpoint_url=self.settings.api_url,
            aws_access_key_id="test",
            aws_secret_access_key="test",
            config=Config(
                connect_timeout=5,
                read_timeout=20,
                retries={"total_max_attempts": 1},
                user_agent_extra=self.agent,
                s3={"addressing_style": "path"},
            ),
        )


@dataclass
class Platform:
    """Ids of what was made."""

    cloud: Cloud
    bucket: str
    subnets: list[str]
    profile: str
    template: str
    balancer: str
    dns_name: str
    listener: str
    group: str
    asg: str = ""

    def targets(self) -> dict[str, str]:
        """Target -> state."""
        rows = self.cloud.client("elbv2").describe_target_health(TargetGroupArn=self.group)
        return {row["Target"]["Id"]: row["TargetHealth"]["State"] for row in rows["TargetHealthDescriptions"]}

    def members(self) -> dict[str, str]:
        """Instance -> life-cycle state."""
        found = self.cloud.client("autoscaling").describe_auto_scaling_groups(
            AutoScalingGroupNames=[self.asg]
        )
        return {
            row["InstanceId"]: row["LifecycleState"] for row in found["AutoScalingGroups"][0]["Instances"]
        }

    def serving(self, count: int) -> set[str] | None:
        """The targets that are healthy, when they are `count` and nothing else is registered."""
        states = self.targets()
        healthy = {target for target, state in states.items() if state == "healthy"}
        return healthy if len(healthy) == count == len(states) else None

    def address(self) -> str:
        """Where the load balancer answers."""
        feed = json.loads((self.cloud.settings.home / "feed" / "balancers.json").read_text())
        return next(str(row["address"]) for row in feed["balancers"] if row["arn"] == self.balancer)

    def url(self, path: str = "/") -> str:
        """Of the HTTP listener."""
        return f"http://{self.address()}:{self.cloud.settings.port(80)}{path}"


def artefact(start: str) -> tuple[bytes, str]:
    """A tar.gz with that `start`, and its SHA-256."""
    import hashlib
    import io
    import tarfile

    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        entry = tarfile.TarInfo("start")
        entry.size, entry.mode = len(start.encode()), 0o755
        archive.addfile(entry, io.BytesIO(start.encode()))
    return packed.getvalue(), hashlib.sha256(packed.getvalue()).hexdigest()


def put_artefact(cloud: Cloud, bucket: str, name: str, version: str, start: str, sha256: str = "") -> None:
    """Put an artefact and its manifest (with a false hash, if one is given) into the bucket."""
    content, real = artefact(start)
    s3 = cloud.client("s3")
    manifest = {"schema": 1, "name": name, "version": version, "sha256": sha256 or real, "built_at": "now"}
    s3.put_object(Bucket=bucket, Key=f"{name}/{version}/artefact.tar.gz", Body=content)
    s3.put_object(Bucket=bucket, Key=f"{name}/{version}/manifest.json", Body=json.dumps(manifest).encode())


def user_data(**variables: str) -> str:
    """boot.sh with its variables, base64."""
    first, _, rest = (ROOT / "infra/aws/boot.sh").read_text().partition("\n")
    lines = "\n".join(f"export {name}='{value}'" for name, value in variables.items())
    return base64.b64encode(f"{first}\n{lines}\n{rest}".encode()).decode()


def template(platform: Platform, name: str, data: str, **more: Any) -> str:
    """A launch template with IMDSv2 only; answers its id."""
    made = platform.cloud.client("ec2").create_launch_template(
        LaunchTemplateName=name,
        LaunchTemplateData={
            "ImageId": "ami-12c6146b",
            "InstanceType": "m7g.large",
            "UserData": data,
            "IamInstanceProfile": {"Name": platform.profile},
            "MetadataOptions": {"HttpTokens": "required", "InstanceMetadataTags": "enabled"},
            **more,
        },
    )
    return str(made["LaunchTemplate"]["LaunchTemplateId"])


def build(cloud: Cloud, name: str) -> Platform:
    """Everything but the Auto Scaling group; the artefact `web/v1` is the tiny server."""
    ec2, elb = cloud.client("ec2"), cloud.client("elbv2")
    bucket = f"{name}-artefacts-{cloud.region}"
    cloud.client("s3").create_bucket(
        Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": cloud.region}
    )
    put_artefact(cloud, bucket, "web", "v1", TINY_SERVER)
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    subnets = [
        ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.0.{i}.0/24", AvailabilityZone=f"{cloud.region}{zone}")
        for i, zone in enumerate("ab")
    ]
    ids = [row["Subnet"]["SubnetId"] for row in subnets]
    profile = _profile(cloud, name)
    balancer = elb.create_load_balancer(Name=name, Subnets=ids, Type="application")["LoadBalancers"][0]
    group = elb.create_target_group(
        Name=name, Protocol="HTTP", Port=8080, VpcId=vpc, HealthCheckPath="/healthz",
        HealthCheckIntervalSeconds=10, HealthCheckTimeoutSeconds=5, HealthyThresholdCount=2,
    )["TargetGroups"][0]["TargetGroupArn"]  # fmt: skip
    listener = elb.create_listener(
        LoadBalancerArn=balancer["LoadBalancerArn"], Protocol="HTTP", Port=80,
        DefaultActions=[{"Type": "forward", "TargetGroupArn": group}],
    )["Listeners"][0]["ListenerArn"]  # fmt: skip
    made = Platform(
        cloud, bucket, ids, profile, "", balancer["LoadBalancerArn"], balancer["DNSName"], listener, group
    )
    made.template = template(
        made, name, user_data(ARTEFACT_BUCKET=bucket, ARTEFACT_NAME="web", ARTEFACT_VERSION="v1")
    )
    return made


def _profile(cloud: Cloud, name: str) -> str:
    iam = cloud.client("iam")
    profile = f"{name}-{cloud.region}"
    iam.create_role(RoleName=profile, AssumeRolePolicyDocument="{}")
    allowed = {"Effect": "Allow", "Action": ["s3:*", "secretsmanager:GetSecretValue"], "Resource": "*"}
    iam.put_role_policy(
        RoleName=profile,
        PolicyName="machines",
        PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [allowed]}),
    )
    iam.create_instance_profile(InstanceProfileName=profile)
    iam.add_role_to_instance_profile(InstanceProfileName=profile, RoleName=profile)
    return profile


def scale(platform: Platform, name: str, size: int, **more: Any) -> None:
    """Make the Auto Scaling group."""
    platform.asg = name
    platform.cloud.client("autoscaling").create_auto_scaling_group(
        AutoScalingGroupName=name, MinSize=size, MaxSize=4, VPCZoneIdentifier=",".join(platform.subnets),
        LaunchTemplate={"LaunchTemplateId": platform.template, "Version": "1"},
        TargetGroupARNs=[platform.group], HealthCheckType="ELB", HealthCheckGracePeriod=120,
        Tags=[{"Key": "class", "Value": "critical", "PropagateAtLaunch": True}], **more,
    )  # fmt: skip
