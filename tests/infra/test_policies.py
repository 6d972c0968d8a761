"""Every rule of the policy pack, with resources that pass and that fail."""

from __future__ import annotations

import importlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pytest
from pulumi.runtime.rpc import UNKNOWN
from pulumi_policy import (
    PolicyResource,
    PolicyResourceOptions,
    ResourceValidationArgs,
    ResourceValidationPolicy,
    StackValidationArgs,
    StackValidationPolicy,
)
from pulumi_policy.proxy import unknown_checking_proxy

from infra.policies.pack import policies
from infra.policies.rule import Node, Resource
from infra.policies.rules import RULES, STACK_RULES
from infra.policies.rules.kinds import REFUSED
from infra.policies.rules.stores import LATCH as LATCH_KIND
from infra.policies.rules.whole import COMPANIONS
from tests.infra.engine import Stack

TAGS = {"class": "critical", "owner": "ops", "stack": "prod"}
HTTPS_ONLY = {
    "Effect": "Deny",
    "Principal": "*",
    "Action": "s3:*",
    "Resource": ["arn:aws:s3:::b", "arn:aws:s3:::b/*"],
    "Condition": {"Bool": {"aws:SecureTransport": "false"}},
}
OVER_TLS = {"Bool": {"aws:SecureTransport": "true"}}
EVERYONE_READS = {
    "Effect": "Allow",
    "Principal": "*",
    "Action": "s3:GetObject",
    "Resource": "arn:aws:s3:::b/*",
}
READ_LATCH = {
    "Effect": "Allow",
    "Principal": "*",
    "Action": ["s3:GetObject"],
    "Resource": "arn:aws:s3:::b/latch",
}
LATCH = "urn:pulumi:edge::lifeboat::lifeboat:edge:Latch$aws:s3/bucketPolicy:BucketPolicy::latch"
CALLED_LATCH = "urn:pulumi:edge::lifeboat::aws:s3/bucketPolicy:BucketPolicy::lifeboat:edge:Latch$x"
KEY_OF_ONE = {
    "Effect": "Allow",
    "Principal": {"AWS": "*"},
    "Action": "kms:*",
    "Condition": {"ArnEquals": {"aws:PrincipalArn": "arn:aws:iam::123456789012:role/one"}},
}
ASSUMED_BY_EC2 = {
    "Effect": "Allow",
    "Principal": {"Service": "ec2.amazonaws.com"},
    "Action": "sts:AssumeRole",
}
INSTANCE = {
    "tags": TAGS,
    "storageEncrypted": True,
    "kmsKeyId": "arn:key",
    "publiclyAccessible": False,
    "dbSubnetGroupName": "data",
    "vpcSecurityGroupIds": ["sg-1"],
    "parameterGroupName": "own",
    "backupRetentionPeriod": 14,
    "backupWindow": "02:30-03:30",
    "maintenanceWindow": "sun:05:30-sun:06:30",
    "deleteAutomatedBackups": False,
    "multiAz": True,
    "deletionProtection": True,
    "skipFinalSnapshot": False,
    "finalSnapshotIdentifier": "last",
    "enabledCloudwatchLogsExports": ["postgresql"],
}
TEMPLATE = {
    "imageId": "ami-1",
    "metadataOptions": {"httpTokens": "required"},
    "blockDeviceMappings": [{"ebs": {"encrypted": "true", "kmsKeyId": "arn:key"}}],
}
GROUP = {
    "tags": [{"key": key, "value": value, "propagateAtLaunch": False} for key, value in TAGS.items()],
    "vpcZoneIdentifiers": ["subnet-1", "subnet-2"],
    "minSize": 2,
    "maxSize": 4,
    "targetGroupArns": ["arn"],
    "healthCheckType": "ELB",
    "launchTemplate": {"version": "3"},
}


def policy(*statements: Mapping[str, Any]) -> dict[str, str]:
    return {"policy": json.dumps({"Statement": list(statements)})}


def without(statement: Mapping[str, Any], key: str) -> dict[str, Any]:
    return {k: v for k, v in statement.items() if k != key}


@dataclass(frozen=True)
class Case:
    """A rule on a resource: passes with `good`, and fails with each change to it, saying so."""

    rule: str
    type: str
    good: Mapping[str, Any]
    bad: tuple[tuple[Mapping[str, Any], str], ...]
    urn: str = ""


INGRESS = "vpc/securityGroupIngressRule:SecurityGroupIngressRule"
CASES = (
    Case(
        "tagged",
        "ec2/vpc:Vpc",
        {"tags": TAGS},
        (({"tags": None}, "class, owner, stack"), ({"tags": {**TAGS, "class": "high"}}, "'high'")),
    ),
    Case("tagged", "autoscaling/group:Group", GROUP, (({"tags": GROUP["tags"][:2]}, "no tag stack"),)),
    Case("tagged", "sqs/queue:Queue", {"tags": TAGS}, (({"tags": {}}, "no tag"),)),
    Case(
        "database-encrypted",
        "rds/instance:Instance",
        INSTANCE,
        (
            ({"storageEncrypted": False}, "storageEncrypted"),
            ({"storageEncrypted": "false"}, "storageEncrypted"),
            ({"kmsKeyId": None}, "AWS's own key"),
            ({"kmsKeyId": "alias/aws/rds"}, "AWS's own key"),
            ({"kmsKeyId": "arn:aws:kms:eu-west-1:123456789012:alias/aws/rds"}, "AWS's own key"),
        ),
    ),
    Case(
        "database-private",
        "rds/instance:Instance",
        INSTANCE,
        (
            ({"publiclyAccessible": True}, "must be false"),
            ({"vpcSecurityGroupIds": []}, "default"),
            ({"dbSubnetGroupName": None}, "default"),
            ({"dbSubnetGroupName": "default-vpc-1"}, "default"),
        ),
    ),
    Case(
        "database-backed-up",
        "rds/instance:Instance",
        INSTANCE,
        (
            ({"backupRetentionPeriod": 7}, "is 7"),
            ({"backupRetentionPeriod": None}, "is 0"),
            ({"backupWindow": "05:00-06:00"}, "02:00-05:00"),
            ({"backupWindow": None}, "backupWindow"),
            ({"maintenanceWindow": None}, "maintenanceWindow is 'None'"),
            ({"maintenanceWindow": "sun:03:00-sun:04:00"}, "must not overlap"),
            ({"deleteAutomatedBackups": None}, "would go with the instance"),
        ),
    ),
    Case("database-multi-az", "rds/instance:Instance", INSTANCE, (({"multiAz": False}, "multiAz"),)),
    Case(
        "database-protected",
        "rds/instance:Instance",
        INSTANCE,
        (
            ({"deletionProtection": None}, "deletionProtection"),
            ({"deletionProtection": "false"}, "deletionProtection"),
            ({"skipFinalSnapshot": True}, "skipFinalSnapshot"),
            ({"finalSnapshotIdentifier": None}, "finalSnapshotIdentifier"),
        ),
    ),
    Case(
        "database-logs",
        "rds/instance:Instance",
        INSTANCE,
        (({"enabledCloudwatchLogsExports": ["upgrade"]}, "postgresql"),),
    ),
    Case(
        "database-tls",
        "rds/instance:Instance",
        INSTANCE,
        (
            ({"parameterGroupName": None}, "default"),
            ({"parameterGroupName": "default.postgres17"}, "default"),
        ),
    ),
    Case(
        "database-tls",
        "rds/parameterGroup:ParameterGroup",
        {"parameters": [{"name": "rds.force_ssl", "value": "1"}]},
        (
            ({"parameters": []}, "rds.force_ssl"),
            ({"parameters": [{"name": "rds.force_ssl", "value": "0"}]}, "to 1"),
        ),
    ),
    Case(
        "nothing-open",
        INGRESS,
        {"cidrIpv4": "0.0.0.0/0", "ipProtocol": "tcp", "fromPort": 443, "toPort": 443},
        (
            ({"fromPort": 22, "toPort": 22}, "22-22"),
            ({"fromPort": 80}, "80-443"),
            ({"ipProtocol": "-1"}, "to the world"),
            ({"cidrIpv4": None, "cidrIpv6": "::/0", "fromPort": 5432, "toPort": 5432}, "5432"),
            ({"cidrIpv4": "128.0.0.0/1", "fromPort": 22, "toPort": 22}, "22-22"),
            ({"cidrIpv4": None, "cidrIpv6": "2000::/3", "fromPort": 22, "toPort": 22}, "22-22"),
        ),
    ),
    Case(
        "nothing-open",
        INGRESS,
        {"cidrIpv4": "10.0.0.0/8", "cidrIpv6": "fc00::/7", "ipProtocol": "tcp", "fromPort": 22, "toPort": 22},
        (({"cidrIpv4": "10.0.0.0/0"}, "22-22"),),
    ),
    Case(
        "nothing-open",
        "ec2/managedPrefixList:ManagedPrefixList",
        {"entries": [{"cidr": "10.0.0.0/8"}]},
        (({"entries": [{"cidr": "10.0.0.0/8"}, {"cidr": "0.0.0.0/0"}]}, "name it in the rule"),),
    ),
    Case(
        "nothing-open",
        "ec2/securityGroupRule:SecurityGroupRule",
        {"type": "egress", "cidrBlocks": ["0.0.0.0/0"], "protocol": "-1", "fromPort": 0, "toPort": 0},
        (({"type": "ingress"}, "to the world"),),
    ),
    Case(
        "nothing-open",
        "ec2/defaultSecurityGroup:DefaultSecurityGroup",
        {"ingress": []},
        (
            (
                {"ingress": [{"ipv6CidrBlocks": ["::/0"], "protocol": "-1", "fromPort": 0, "toPort": 0}]},
                "world",
            ),
        ),
    ),
    Case(
        "nothing-open",
        "ec2/securityGroup:SecurityGroup",
        {"ingress": [{"cidrBlocks": ["10.0.0.0/8"], "protocol": "tcp", "fromPort": 22, "toPort": 22}]},
        (
            (
                {"ingress": [{"cidrBlocks": ["0.0.0.0/0"], "protocol": "tcp", "fromPort": 22, "toPort": 22}]},
                "22",
            ),
        ),
    ),
    Case("no-public-addresses", "ec2/subnet:Subnet", {}, (({"mapPublicIpOnLaunch": True}, "must be false"),)),
    Case(
        "no-public-addresses",
        "ec2/launchTemplate:LaunchTemplate",
        {"networkInterfaces": [{"associatePublicIpAddress": "false"}]},
        (({"networkInterfaces": [{"associatePublicIpAddress": "true"}]}, "must be false"),),
    ),
    Case(
        "https-only",
        "lb/listener:Listener",
        {"protocol": "HTTPS", "sslPolicy": "ELBSecurityPolicy-TLS13-1-2-2021-06"},
        (
            ({"sslPolicy": "ELBSecurityPolicy-2016-08"}, "TLS 1.2"),
            ({"protocol": "HTTP", "defaultActions": [{"type": "forward"}]}, "must redirect"),
            ({"protocol": None, "defaultActions": [{"type": "forward"}]}, "must redirect"),
        ),
    ),
    Case(
        "https-only",
        "alb/listener:Listener",
        {"protocol": "HTTP", "defaultActions": [{"type": "redirect", "redirect": {"protocol": "HTTPS"}}]},
        (({"defaultActions": [{"type": "redirect", "redirect": {"protocol": "HTTP"}}]}, "must redirect"),),
    ),
    Case(
        "access-logged",
        "lb/loadBalancer:LoadBalancer",
        {"accessLogs": {"enabled": True, "bucket": "logs"}},
        (
            ({"accessLogs": None}, "enabled"),
            ({"accessLogs": {"enabled": True}}, "bucket"),
            ({"accessLogs": {"bucket": "logs"}}, "enabled"),
        ),
    ),
    Case(
        "bucket-private",
        "s3/bucketPublicAccessBlock:BucketPublicAccessBlock",
        dict.fromkeys(
            ("blockPublicAcls", "blockPublicPolicy", "ignorePublicAcls", "restrictPublicBuckets"), True
        ),
        (
            ({"blockPublicPolicy": False}, "blockPublicPolicy"),
            ({"ignorePublicAcls": None}, "ignorePublicAcls"),
        ),
    ),
    Case(
        "bucket-private",
        "s3/bucketPublicAccessBlock:BucketPublicAccessBlock",
        {"blockPublicAcls": True, "ignorePublicAcls": True},
        (({"blockPublicAcls": False}, "blockPublicAcls"),),
        urn=LATCH,
    ),
    Case(
        "bucket-policy",
        "s3/bucketPolicy:BucketPolicy",
        policy(HTTPS_ONLY),
        (
            (policy(), "without TLS"),
            (policy({**HTTPS_ONLY, "Action": "s3:GetBucketAcl"}), "without TLS"),
            (policy({**HTTPS_ONLY, "Principal": {"AWS": "arn:aws:iam::123456789012:root"}}), "without TLS"),
            (policy(HTTPS_ONLY, EVERYONE_READS), "everyone s3:GetObject"),
            (policy(HTTPS_ONLY, {**EVERYONE_READS, "Principal": {"AWS": ["*"]}}), "everyone s3:GetObject"),
            # a condition that names nobody
            (policy(HTTPS_ONLY, {**EVERYONE_READS, "Condition": OVER_TLS}), "everyone s3:GetObject"),
            (
                policy(
                    HTTPS_ONLY,
                    {**EVERYONE_READS, "Condition": {"StringEqualsIfExists": {"aws:SourceVpce": "vpce-1"}}},
                ),
                "everyone s3:GetObject",
            ),
            (
                policy(
                    HTTPS_ONLY,
                    {
                        **EVERYONE_READS,
                        "Condition": {"ArnLike": {"aws:PrincipalArn": "arn:aws:iam::*:role/*"}},
                    },
                ),
                "everyone s3:GetObject",
            ),
            (
                policy(HTTPS_ONLY, {"Effect": "Allow", "NotPrincipal": {"AWS": "1"}, "Action": "s3:*"}),
                "everyone s3:*",
            ),
            (policy(HTTPS_ONLY, READ_LATCH), "everyone s3:GetObject"),
        ),
    ),
    Case(
        "bucket-policy",
        "s3/bucketPolicy:BucketPolicy",
        policy(
            HTTPS_ONLY,
            {**EVERYONE_READS, "Condition": {"StringEquals": {"aws:PrincipalAccount": "123456789012"}}},
        ),
        ((policy(HTTPS_ONLY, READ_LATCH), "everyone s3:GetObject"),),
        urn=CALLED_LATCH,
    ),
    Case(
        "bucket-policy",
        "s3/bucketPolicy:BucketPolicy",
        policy(HTTPS_ONLY, READ_LATCH),
        (
            (policy(HTTPS_ONLY, EVERYONE_READS), "everyone s3:GetObject"),
            (policy(HTTPS_ONLY, {**READ_LATCH, "Action": "s3:PutObject"}), "everyone s3:PutObject"),
            (policy(HTTPS_ONLY, {**READ_LATCH, "Resource": "arn:aws:s3:::b/*latch"}), "everyone"),
            (policy(HTTPS_ONLY, without(READ_LATCH, "Resource")), "everyone s3:GetObject"),
            (policy(HTTPS_ONLY, {**without(READ_LATCH, "Action"), "NotAction": "s3:PutObject"}), "everyone"),
        ),
        urn=LATCH,
    ),
    Case(
        "bucket-versioned",
        "s3/bucketVersioning:BucketVersioning",
        {"versioningConfiguration": {"status": "Enabled"}},
        (({"versioningConfiguration": {"status": "Suspended"}}, "Enabled"),),
    ),
    Case(
        "bucket-versioned",
        "s3/bucketVersioningV2:BucketVersioningV2",
        {"versioningConfiguration": {"status": "Enabled"}},
        (({"versioningConfiguration": {"status": "Suspended"}}, "Enabled"),),
    ),
    Case("bucket-not-inline", "s3/bucket:Bucket", {}, (({"acl": "public-read"}, "acl"),)),
    Case("bucket-not-inline", "s3/bucketV2:BucketV2", {}, (({"policy": "{}"}, "policy"),)),
    Case(
        "bucket-private", "s3/bucketAcl:BucketAcl", {"acl": "private"}, (({"acl": "public-read"}, "policy"),)
    ),
    Case(
        "store-kept",
        "s3/bucket:Bucket",
        {"tags": TAGS},
        (({"forceDestroy": True}, "forceDestroy"), ({"forceDestroy": True, "tags": None}, "forceDestroy")),
    ),
    Case(
        "store-kept",
        "s3/bucket:Bucket",
        {"tags": {**TAGS, "class": "non-critical"}, "forceDestroy": True},
        (({"tags": TAGS}, "forceDestroy"),),
    ),
    Case(
        "nobody-unnamed",
        "kms/key:Key",
        policy(KEY_OF_ONE),
        (
            (policy({**KEY_OF_ONE, "Condition": OVER_TLS}), "lets everyone kms:*"),
            (policy(without(KEY_OF_ONE, "Condition")), "lets everyone kms:*"),
        ),
    ),
    *(
        Case("nobody-unnamed", kind, {}, ((policy(EVERYONE_READS), "lets everyone"),))
        for kind in ("kms/keyPolicy:KeyPolicy", "sns/topicPolicy:TopicPolicy", "secretsmanager/secret:Secret")
    ),
    Case(
        "nobody-unnamed",
        "iam/role:Role",
        {"assumeRolePolicy": policy(ASSUMED_BY_EC2)["policy"]},
        (({"assumeRolePolicy": policy({**ASSUMED_BY_EC2, "Principal": "*"})["policy"]}, "everyone"),),
    ),
    Case(
        "key-kept",
        "kms/key:Key",
        {"deletionWindowInDays": 30, "enableKeyRotation": True},
        (
            ({"deletionWindowInDays": 7}, "must be 30"),
            ({"enableKeyRotation": None}, "enableKeyRotation"),
        ),
    ),
    Case(
        "secret-kept",
        "secretsmanager/secret:Secret",
        {"kmsKeyId": "arn:key", "recoveryWindowInDays": 7},
        (
            ({"recoveryWindowInDays": 0}, "at least 7"),
            ({"kmsKeyId": None}, "kmsKeyId"),
            ({"kmsKeyId": "aws/secretsmanager"}, "kmsKeyId"),
        ),
    ),
    Case(
        "topic-encrypted",
        "sns/topic:Topic",
        {"kmsMasterKeyId": "arn"},
        (({"kmsMasterKeyId": None}, "kms"), ({"kmsMasterKeyId": "alias/aws/sns"}, "kms")),
    ),
    Case(
        "metadata-v2",
        "ec2/launchTemplate:LaunchTemplate",
        TEMPLATE,
        (
            ({"metadataOptions": None}, "required"),
            ({"metadataOptions": {"httpTokens": "optional"}}, "required"),
        ),
    ),
    Case(
        "image-pinned",
        "ec2/launchTemplate:LaunchTemplate",
        TEMPLATE,
        (({"imageId": "resolve:ssm:/x"}, "ami-"), ({"imageId": None}, "ami-")),
    ),
    Case(
        "disk-encrypted",
        "ec2/launchTemplate:LaunchTemplate",
        TEMPLATE,
        (
            ({"blockDeviceMappings": None}, "root disk"),
            ({"blockDeviceMappings": [{"ebs": {"encrypted": "true"}}]}, "kmsKeyId"),
            ({"blockDeviceMappings": [{"ebs": {"kmsKeyId": "k"}}]}, "encrypted"),
            (
                {"blockDeviceMappings": [{"ebs": {"encrypted": "true", "kmsKeyId": "alias/aws/ebs"}}]},
                "kmsKeyId",
            ),
        ),
    ),
    Case(
        "group-spread",
        "autoscaling/group:Group",
        GROUP,
        (({"vpcZoneIdentifiers": ["subnet-1"]}, "two zones"), ({"minSize": 1}, "minSize is 1")),
    ),
    Case(
        "group-spread",
        "autoscaling/group:Group",
        {**GROUP, "minSize": 0, "maxSize": 0},
        (({"maxSize": 1}, "is 0"),),
    ),
    Case(
        "group-healed",
        "autoscaling/group:Group",
        GROUP,
        (
            ({"healthCheckType": "EC2"}, "must be ELB"),
            ({"targetGroupArns": None, "trafficSources": [{}], "healthCheckType": None}, "must be ELB"),
            ({"launchTemplate": {"version": "$Latest"}}, "a number"),
            ({"launchTemplate": {"id": "lt-1"}}, "a number"),
            ({"launchTemplate": None, "mixedInstancesPolicy": {}}, "a number"),
        ),
    ),
    Case(
        "least-privilege",
        "iam/rolePolicy:RolePolicy",
        policy({"Effect": "Allow", "Action": ["rds:ModifyDBInstance", "rds:Describe*"], "Resource": "*"}),
        (
            (policy({"Effect": "Allow", "Action": "rds:Delete*", "Resource": "*"}), "rds:Delete*"),
            (policy({"Effect": "Allow", "Action": "*", "Resource": "*"}), "allows *"),
            (policy({"Effect": "Allow", "Action": ["s3:*"], "Resource": ["*"]}), "allows s3:*"),
            (policy({"Effect": "Allow", "Action": "s3:*", "Resource": "arn:aws:s3:::*/*"}), "allows s3:*"),
            (
                policy({"Effect": "Allow", "Action": "iam:P?t*", "NotResource": "arn:aws:x"}),
                "allows iam:P?t*",
            ),
            (policy({"Effect": "Allow", "NotAction": "iam:*", "Resource": "*"}), "NotAction"),
        ),
    ),
    Case(
        "least-privilege",
        "iam/role:Role",
        {},
        (
            (
                {"inlinePolicies": [policy({"Effect": "Allow", "Action": "*", "Resource": "*"})]},
                "allows * on everything",
            ),
        ),
    ),
    Case(
        "no-administrators",
        "iam/rolePolicyAttachment:RolePolicyAttachment",
        {"policyArn": "arn:aws:iam::aws:policy/ReadOnlyAccess"},
        (({"policyArn": "arn:aws:iam::aws:policy/AdministratorAccess"}, "AdministratorAccess"),),
    ),
    Case(
        "no-administrators",
        "iam/role:Role",
        {"managedPolicyArns": []},
        (({"managedPolicyArns": ["arn:aws:iam::aws:policy/IAMFullAccess"]}, "IAMFullAccess"),),
    ),
    Case(
        "no-administrators",
        "iam/userPolicyAttachment:UserPolicyAttachment",
        {"policyArn": "arn:aws:iam::aws:policy/ReadOnlyAccess"},
        (({"policyArn": "arn:aws:iam::aws:policy/PowerUserAccess"}, "PowerUserAccess"),),
    ),
    Case("check-asks", "route53/healthCheck:HealthCheck", {}, (({"disabled": True}, "for ever"),)),
    Case(
        "failover-sound",
        "route53/record:Record",
        {"failoverRoutingPolicies": [{"type": "PRIMARY"}], "ttl": 30, "healthCheckId": "check"},
        (
            ({"ttl": 300}, "at most 60"),
            ({"healthCheckId": None}, "must have a health check"),
            ({"failoverRoutingPolicies": [{"type": "SECONDARY"}]}, "no health check"),
            ({"aliases": [{"evaluateTargetHealth": True}]}, "evaluateTargetHealth"),
        ),
    ),
    Case(
        "certificate-by-dns",
        "acm/certificate:Certificate",
        {"validationMethod": "DNS"},
        (({"validationMethod": "EMAIL"}, "DNS"),),
    ),
)


def judge(rule: str, resource: Resource) -> list[str]:
    (found,) = [r for r in RULES if r.name == rule]
    assert found.concerns(resource.type)
    return list(found.check(resource))


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.rule} {case.type.rpartition(':')[2]}")
def test_a_rule_passes_what_is_right_and_names_what_is_wrong(case: Case) -> None:
    def resource(props: Mapping[str, Any]) -> Resource:
        given = {key: value for key, value in props.items() if value is not None}
        return Resource(f"aws:{case.type}", "it", given, case.urn, protect=True)

    assert judge(case.rule, resource(case.good)) == []
    for change, said in case.bad:
        wrong = judge(case.rule, resource({**case.good, **change}))
        assert any(said in sentence for sentence in wrong), (change, wrong)


def test_what_aws_keeps_no_tags_for_needs_none_under_any_name() -> None:
    for kind in ("s3/bucketVersioning:BucketVersioning", "s3/bucketVersioningV2:BucketVersioningV2"):
        assert judge("tagged", Resource(f"aws:{kind}", "it", {})) == []


def test_a_database_must_be_protected_in_the_program_too() -> None:
    unprotected = Resource("aws:rds/instance:Instance", "it", INSTANCE, protect=False)
    assert any("protect=True" in wrong for wrong in judge("database-protected", unprotected))


def test_a_critical_bucket_must_be_protected_in_the_program_too() -> None:
    bucket = Resource("aws:s3/bucket:Bucket", "it", {"tags": TAGS}, protect=False)
    assert any("protect=True" in wrong for wrong in judge("store-kept", bucket))


def test_access_keys_are_refused_whatever_they_say() -> None:
    assert judge("no-access-keys", Resource("aws:iam/accessKey:AccessKey", "it", {}))


@pytest.mark.parametrize("kind", sorted(REFUSED))
def test_kinds_that_rules_would_look_past_are_refused_with_what_to_use(kind: str) -> None:
    (wrong,) = judge("known-kinds", Resource(f"aws:{kind}", "it", {}))
    assert f"aws:{kind} has no place here: " in wrong


def test_every_refused_kind_is_one_that_pulumi_has() -> None:
    for kind in REFUSED:
        module, _, name = kind.partition(":")
        assert hasattr(importlib.import_module(f"pulumi_aws.{module.partition('/')[0]}"), name), kind


def test_a_non_critical_database_may_stand_in_one_zone() -> None:
    small = {**INSTANCE, "multiAz": False, "tags": {**TAGS, "class": "non-critical"}}
    assert judge("database-multi-az", Resource("aws:rds/instance:Instance", "it", small)) == []


def test_every_rule_has_a_case() -> None:
    assert {rule.name for rule in RULES} - {case.rule for case in CASES} == {"no-access-keys", "known-kinds"}
    assert len(RULES) >= 12
    assert len({rule.name for rule in RULES}) == len(RULES)


@pytest.mark.parametrize("site", ["edge", "standby", "primary", "serving"])
def test_the_companys_own_stacks_break_no_rule(site: str, request: pytest.FixtureRequest) -> None:
    stack: Stack = request.getfixturevalue(site)
    nodes = []
    for declared in stack.declared:
        parent = f"{LATCH_KIND}$" if declared.name == "latch" else ""
        urn = f"urn:pulumi:{site}::lifeboat::{parent}{declared.type}::{declared.name}"
        props = {**declared.inputs, "id": f"{declared.name}-1a2b3c4"}
        resource = Resource(declared.type, declared.name, props, urn, protect=True)
        nodes.append(Node(resource, {}))
        for rule in RULES:
            if rule.concerns(resource.type):
                assert list(rule.check(resource)) == [], (rule.name, declared)
    for whole in STACK_RULES:
        assert [(node.resource.name, wrong) for node, wrong in whole.check(nodes)] == [], whole.name


def node(kind: str, name: str, uses: Mapping[str, str] | None = None, **props: Any) -> Node:
    """A resource that comes from others: `uses` is property -> the other's name."""
    kept = {key: frozenset([f"urn:{other}"]) for key, other in (uses or {}).items()}
    return Node(Resource(f"aws:{kind}", name, props, f"urn:{name}", protect=True), kept)


def judge_stack(rule: str, *nodes: Node) -> list[tuple[str, str]]:
    (found,) = [r for r in STACK_RULES if r.name == rule]
    return [(wrong.resource.name, said) for wrong, said in found.check(nodes)]


@pytest.mark.parametrize("missing", [None, *COMPANIONS])
def test_a_bucket_without_one_of_its_guards_is_found(missing: str | None) -> None:
    guards = [node(kind, "guard", {"bucket": "mine"}) for kind in COMPANIONS if kind != missing]
    others = [node(kind, "guard", {"bucket": "another"}) for kind in COMPANIONS]
    wrong = judge_stack("bucket-whole", node("s3/bucket:Bucket", "mine"), *guards, *others)
    assert [name for name, _ in wrong] == (["mine"] if missing else [])
    assert all(str(missing).rpartition(":")[2] in said for _, said in wrong)


def test_a_guard_may_name_its_bucket_by_text() -> None:
    bucket = node("s3/bucketV2:BucketV2", "mine", bucket="company-uploads")
    guards = [node(kind, "guard", bucket="company-uploads") for kind in COMPANIONS]
    assert judge_stack("bucket-whole", bucket, *guards) == []
    assert judge_stack("bucket-whole", bucket)


@pytest.mark.parametrize(
    ("group", "source", "fine"),
    [("balancer", "0.0.0.0/0", True), ("web", "0.0.0.0/0", False), ("web", "10.0.0.0/8", True)],
)
def test_only_a_load_balancers_group_is_open_to_the_world(group: str, source: str, fine: bool) -> None:
    way = {"cidrIpv4": source, "ipProtocol": "tcp", "fromPort": 443, "toPort": 443}
    wrong = judge_stack(
        "world-to-balancers",
        node("ec2/securityGroup:SecurityGroup", "balancer"),
        node("ec2/securityGroup:SecurityGroup", "web"),
        node("lb/loadBalancer:LoadBalancer", "lb", {"securityGroups": "balancer"}),
        node(INGRESS, "way", {"securityGroupId": group}, **way),
    )
    assert [name for name, _ in wrong] == ([] if fine else ["way"])


def test_a_group_that_is_open_by_itself_is_found_too() -> None:
    ingress = [{"cidrBlocks": ["0.0.0.0/0"], "protocol": "tcp", "fromPort": 443, "toPort": 443}]
    group = node("ec2/securityGroup:SecurityGroup", "web", ingress=ingress)
    assert judge_stack("world-to-balancers", group)


def test_a_stack_rule_runs_as_pulumis_own_policy_with_what_a_preview_knows() -> None:
    (found,) = [p for p in policies() if p.name == "bucket-whole" and isinstance(p, StackValidationPolicy)]
    options = PolicyResourceOptions(True, [], False, None, [], None, [])

    def declared(kind: str, name: str, **leads_to: list[PolicyResource]) -> PolicyResource:
        props = unknown_checking_proxy(dict.fromkeys(leads_to, UNKNOWN))
        return PolicyResource(f"aws:{kind}", props, f"urn:{name}", name, options, None, None, [], leads_to)

    bucket, bare = declared("s3/bucket:Bucket", "whole"), declared("s3/bucket:Bucket", "bare")
    guards = [declared(kind, "guard", bucket=[bucket]) for kind in COMPANIONS]
    said: list[tuple[str, str | None]] = []
    found.validate(
        StackValidationArgs([bucket, bare, *guards]), lambda message, urn=None: said.append((message, urn))
    )
    assert len(said) == len(COMPANIONS)
    assert all(message.startswith("bare: has no ") and urn == "urn:bare" for message, urn in said)


def run_policy(name: str, kind: str, props: dict[str, Any], *, protect: bool = True) -> list[str]:
    """Through Pulumi's own policy object, with properties guarded as in a preview."""
    (found,) = [p for p in policies() if p.name == name and isinstance(p, ResourceValidationPolicy)]
    options = PolicyResourceOptions(protect, [], False, None, [], None, [])
    args = ResourceValidationArgs(f"aws:{kind}", unknown_checking_proxy(props), "urn", "it", options, None)
    said: list[str] = []
    found.validate(args, lambda message, urn=None: said.append(message))
    return said


def test_a_value_that_a_preview_does_not_know_counts_as_given() -> None:
    unknown = {**INSTANCE, "kmsKeyId": UNKNOWN}
    assert run_policy("database-encrypted", "rds/instance:Instance", unknown) == []


def test_a_rule_that_needs_an_unknown_value_waits_for_the_update() -> None:
    assert run_policy("bucket-policy", "s3/bucketPolicy:BucketPolicy", {"policy": UNKNOWN}) == []


def test_a_violation_names_the_resource() -> None:
    wrong = run_policy("database-multi-az", "rds/instance:Instance", {**INSTANCE, "multiAz": False})
    assert wrong == ["it: multiAz must be true for a database of class critical"]


def test_a_policy_leaves_other_types_alone() -> None:
    assert run_policy("database-multi-az", "ec2/vpc:Vpc", {}) == []
