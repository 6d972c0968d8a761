"""One small program per resource type: inputs, a change in place, and the import id where it is not the id.

`Ref("vpc")` is the id of the sample of that name, `Ref("vpc", "arn")` one of its outputs.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from pulumi_engine import Resource

from rehearsal.provider.wire import Props

STANDBY = "eu-west-1"


@dataclass(frozen=True)
class Ref:
    sample: str
    output: str = "id"
    form: str = "{}"


@dataclass(frozen=True)
class Sample:
    name: str
    token: str
    inputs: Props
    change: Props = field(default_factory=dict)
    """Inputs that differ in an update in place."""
    replace: Props = field(default_factory=dict)
    """Inputs that a new resource is needed for."""
    import_id: Callable[[Resource], str] | None = lambda made: made.id
    """None: the type cannot be imported."""


def resolve(value: Any, made: dict[str, Resource]) -> Any:
    if isinstance(value, Ref):
        found = made[value.sample]
        return value.form.format(found.id if value.output == "id" else found.state[value.output])
    if isinstance(value, dict):
        return {k: resolve(v, made) for k, v in value.items()}
    return [resolve(v, made) for v in value] if isinstance(value, list) else value


def policy(principal: str, action: str) -> str:
    statement = {"Effect": "Allow", "Action": action, "Principal": {"Service": principal}}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def permission(action: str) -> str:
    statement = {"Effect": "Allow", "Action": [action], "Resource": ["*"]}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def bucket_policy(made_of: Ref) -> Any:
    return Ref(
        made_of.sample,
        "arn",
        '{{"Version": "2012-10-17", "Statement": [{{"Effect": "Deny", "Principal": "*", "Action": "s3:*",'
        ' "Resource": "{}/secret/*"}}]}}',
    )


TAGS = {"owner": "ops", "class": "critical"}
USER_DATA = base64.b64encode(b"#!/bin/bash\n").decode()
NETWORK = [
    Sample(
        "vpc",
        "aws:ec2/vpc:Vpc",
        {"cidrBlock": "10.9.0.0/16", "enableDnsHostnames": True, "tags": TAGS},
        change={"enableDnsHostnames": False, "tags": {"owner": "others"}},
        replace={"cidrBlock": "10.8.0.0/16"},
    ),
    Sample(
        "gateway", "aws:ec2/internetGateway:InternetGateway", {"vpcId": Ref("vpc")}, change={"tags": TAGS}
    ),
    *(
        Sample(
            f"subnet-{zone}",
            "aws:ec2/subnet:Subnet",
            {"vpcId": Ref("vpc"), "cidrBlock": f"10.9.{i}.0/24", "availabilityZone": f"eu-central-1{zone}"},
            change={"mapPublicIpOnLaunch": True},
            replace={"cidrBlock": "10.9.9.0/24"},
        )
        for i, zone in enumerate("ab")
    ),
    Sample("eip", "aws:ec2/eip:Eip", {"domain": "vpc", "tags": TAGS}, change={"tags": {}}),
    Sample(
        "nat",
        "aws:ec2/natGateway:NatGateway",
        {"allocationId": Ref("eip"), "subnetId": Ref("subnet-a")},
        change={"tags": TAGS},
        replace={"subnetId": Ref("subnet-b")},
    ),
    Sample("table", "aws:ec2/routeTable:RouteTable", {"vpcId": Ref("vpc")}, change={"tags": TAGS}),
    Sample(
        "route",
        "aws:ec2/route:Route",
        {"routeTableId": Ref("table"), "destinationCidrBlock": "0.0.0.0/0", "gatewayId": Ref("gateway")},
        replace={"destinationCidrBlock": "10.0.0.0/8"},
        import_id=lambda made: f"{made.inputs['routeTableId']}_0.0.0.0/0",
    ),
    Sample(
        "association",
        "aws:ec2/routeTableAssociation:RouteTableAssociation",
        {"subnetId": Ref("subnet-a"), "routeTableId": Ref("table")},
        replace={"subnetId": Ref("subnet-b")},
        import_id=None,
    ),
    Sample(
        "s3-endpoint",
        "aws:ec2/vpcEndpoint:VpcEndpoint",
        {
            "vpcId": Ref("vpc"),
            "serviceName": "com.amazonaws.eu-central-1.s3",
            "vpcEndpointType": "Gateway",
            "routeTableIds": [Ref("table")],
        },
        change={"tags": TAGS},
        replace={"serviceName": "com.amazonaws.eu-central-1.dynamodb"},
    ),
    Sample(
        "group",
        "aws:ec2/securityGroup:SecurityGroup",
        {"vpcId": Ref("vpc"), "description": "web servers", "tags": TAGS},
        change={"tags": {"owner": "others"}},
        replace={"description": "other servers"},
    ),
    *(
        Sample(
            f"rule-{way}",
            f"aws:vpc/securityGroup{way}Rule:SecurityGroup{way}Rule",
            {
                "securityGroupId": Ref("group"),
                "ipProtocol": "tcp",
                "fromPort": 443,
                "toPort": 443,
                "cidrIpv4": "0.0.0.0/0",
                "tags": TAGS,
            },
            change={"cidrIpv4": "10.0.0.0/8", "description": "inside"},
            replace={"securityGroupId": "sg-0123456789abcdef0"},
        )
        for way in ("Ingress", "Egress")
    ),
]
IDENTITY = [
    Sample(
        "role",
        "aws:iam/role:Role",
        {"assumeRolePolicy": policy("ec2.amazonaws.com", "sts:AssumeRole"), "tags": TAGS},
        change={
            "assumeRolePolicy": policy("lambda.amazonaws.com", "sts:AssumeRole"),
            "maxSessionDuration": 7200,
            "tags": {"owner": "others"},
        },
        replace={"path": "/other/"},
    ),
    *(
        Sample(
            f"{owner}-policy",
            f"aws:iam/{owner}Policy:{owner.title()}Policy",
            {owner: Ref(owner), "policy": permission("s3:GetObject")},
            change={"policy": permission("s3:PutObject")},
            replace={owner: "somebody-else"},
        )
        for owner in ("role", "user")
    ),
    Sample(
        "profile",
        "aws:iam/instanceProfile:InstanceProfile",
        {"role": Ref("role"), "tags": TAGS},
        replace={"path": "/x/"},
    ),
    Sample(
        "policy",
        "aws:iam/policy:Policy",
        {"policy": permission("s3:GetObject"), "description": "reads"},
        change={"policy": permission("s3:ListBucket")},
        replace={"description": "lists"},
    ),
    Sample(
        "attachment",
        "aws:iam/rolePolicyAttachment:RolePolicyAttachment",
        {"role": Ref("role"), "policyArn": Ref("policy")},
        replace={"policyArn": "arn:aws:iam::123456789012:policy/other"},
    ),
]
USER = Sample("user", "aws:iam/user:User", {"tags": TAGS}, replace={"name": "somebody"})
KEYS = [
    Sample(
        "key",
        "aws:kms/key:Key",
        {"description": "disks", "multiRegion": True, "enableKeyRotation": True, "tags": TAGS},
        change={"description": "all disks", "enableKeyRotation": False, "tags": {"owner": "others"}},
        replace={"multiRegion": False},
    ),
    Sample(
        "replica-key",
        "aws:kms/replicaKey:ReplicaKey",
        {"primaryKeyArn": Ref("key", "arn"), "region": STANDBY},
        change={"description": "its copy"},
        replace={"primaryKeyArn": "arn:aws:kms:eu-central-1:123456789012:key/mrk-1"},
        import_id=lambda made: f"{made.id}@{STANDBY}",
    ),
    Sample(
        "alias",
        "aws:kms/alias:Alias",
        {"name": "alias/disks", "targetKeyId": Ref("key")},
        replace={"name": "alias/other"},
    ),
    Sample(
        "secret",
        "aws:secretsmanager/secret:Secret",
        {"name": "shop/test", "kmsKeyId": Ref("key", "arn"), "recoveryWindowInDays": 0, "tags": TAGS},
        change={"description": "a word", "replicas": [{"region": STANDBY}], "tags": {"owner": "others"}},
        replace={"name": "shop/other"},
    ),
    Sample(
        "secret-version",
        "aws:secretsmanager/secretVersion:SecretVersion",
        {"secretId": Ref("secret"), "secretString": "hush"},
        replace={"secretString": "louder"},
    ),
]
STORES = [
    Sample(
        "bucket",
        "aws:s3/bucket:Bucket",
        {"forceDestroy": True, "tags": TAGS},
        change={"tags": {"owner": "others"}},
        replace={"bucket": "another-bucket"},
    ),
    Sample(
        "target",
        "aws:s3/bucket:Bucket",
        {"forceDestroy": True, "region": STANDBY},
        import_id=lambda made: f"{made.id}@{STANDBY}",
    ),
    *(
        Sample(
            f"{bucket}-versioning",
            "aws:s3/bucketVersioning:BucketVersioning",
            {"bucket": Ref(bucket), "versioningConfiguration": {"status": "Enabled"}, "region": region},
            replace={"bucket": "another"},
            import_id=lambda made, region=region: f"{made.id}@{region}",  # type: ignore[misc]
        )
        for bucket, region in (("bucket", "eu-central-1"), ("target", STANDBY))
    ),
    Sample(
        "encryption",
        "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration",
        {
            "bucket": Ref("bucket"),
            "rules": [
                {
                    "applyServerSideEncryptionByDefault": {
                        "sseAlgorithm": "aws:kms",
                        "kmsMasterKeyId": Ref("key", "arn"),
                    },
                    "bucketKeyEnabled": True,
                }
            ],
        },
        change={"rules": [{"applyServerSideEncryptionByDefault": {"sseAlgorithm": "AES256"}}]},
        replace={"bucket": "another"},
    ),
    Sample(
        "public-access",
        "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock",
        {"bucket": Ref("bucket"), "blockPublicAcls": True, "blockPublicPolicy": True},
        change={"ignorePublicAcls": True},
        replace={"bucket": "another"},
    ),
    Sample(
        "bucket-policy",
        "aws:s3/bucketPolicy:BucketPolicy",
        {"bucket": Ref("bucket"), "policy": bucket_policy(Ref("bucket"))},
        replace={"bucket": "another"},
    ),
    Sample(
        "lifecycle",
        "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration",
        {
            "bucket": Ref("bucket"),
            "rules": [
                {
                    "id": "old",
                    "status": "Enabled",
                    "filter": {"prefix": ""},
                    "noncurrentVersionExpiration": {"noncurrentDays": 30},
                    "abortIncompleteMultipartUpload": {"daysAfterInitiation": 7},
                }
            ],
        },
        change={
            "rules": [
                {"id": "old", "status": "Enabled", "filter": {"prefix": "logs/"}, "expiration": {"days": 9}}
            ]
        },
        replace={"bucket": "another"},
    ),
    Sample(
        "ownership",
        "aws:s3/bucketOwnershipControls:BucketOwnershipControls",
        {"bucket": Ref("bucket"), "rule": {"objectOwnership": "BucketOwnerEnforced"}},
        change={"rule": {"objectOwnership": "BucketOwnerPreferred"}},
        replace={"bucket": "another"},
    ),
    Sample(
        "replication",
        "aws:s3/bucketReplicationConfig:BucketReplicationConfig",
        {
            "bucket": Ref("bucket"),
            "role": Ref("role", "arn"),
            "rules": [
                {
                    "id": "all",
                    "priority": 1,
                    "status": "Enabled",
                    "filter": {"prefix": ""},
                    "deleteMarkerReplication": {"status": "Enabled"},
                    "destination": {"bucket": Ref("target", "arn"), "storageClass": "STANDARD"},
                }
            ],
        },
        replace={"bucket": "another"},
    ),
]
