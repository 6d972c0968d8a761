"""Every rule of the policy pack, with resources that pass and that fail."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pytest
from pulumi.runtime.rpc import UNKNOWN
from pulumi_policy import PolicyResourceOptions, ResourceValidationArgs, ResourceValidationPolicy
from pulumi_policy.proxy import unknown_checking_proxy

from infra.policies.pack import policies
from infra.policies.rule import Resource
from infra.policies.rules import RULES
from tests.infra.engine import Stack

TAGS = {"class": "critical", "owner": "ops", "stack": "prod"}
HTTPS_ONLY = {"Effect": "Deny", "Principal": "*", "Condition": {"Bool": {"aws:SecureTransport": "false"}}}
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
        (({"storageEncrypted": False}, "storageEncrypted"), ({"kmsKeyId": None}, "AWS's own key")),
    ),
    Case(
        "database-private",
        "rds/instance:Instance",
        INSTANCE,
        (({"publiclyAccessible": True}, "must be false"), ({"vpcSecurityGroupIds": []}, "default")),
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
    Case("database-tls", "rds/instance:Instance", INSTANCE, (({"parameterGroupName": None}, "default"),)),
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
        ),
    ),
    Case(
        "access-logged",
        "lb/loadBalancer:LoadBalancer",
        {"accessLogs": {"enabled": True, "bucket": "logs"}},
        (({"accessLogs": None}, "enabled"), ({"accessLogs": {"enabled": True}}, "bucket")),
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
        ((policy(), "without TLS"), (policy(HTTPS_ONLY, EVERYONE_READS), "everyone s3:GetObject")),
    ),
    Case(
        "bucket-policy",
        "s3/bucketPolicy:BucketPolicy",
        policy(HTTPS_ONLY, READ_LATCH),
        (
            (policy(HTTPS_ONLY, EVERYONE_READS), "everyone s3:GetObject"),
            (policy(HTTPS_ONLY, {**READ_LATCH, "Action": "s3:PutObject"}), "everyone s3:PutObject"),
        ),
        urn=LATCH,
    ),
    Case(
        "bucket-versioned",
        "s3/bucketVersioning:BucketVersioning",
        {"versioningConfiguration": {"status": "Enabled"}},
        (({"versioningConfiguration": {"status": "Suspended"}}, "Enabled"),),
    ),
    Case("bucket-not-inline", "s3/bucket:Bucket", {}, (({"acl": "public-read"}, "acl"),)),
    Case(
        "key-kept",
        "kms/key:Key",
        {"deletionWindowInDays": 30, "enableKeyRotation": True},
        (
            ({"deletionWindowInDays": 7}, "must be 30"),
            ({"enableKeyRotation": None}, "enableKeyRotation"),
            (policy({"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "kms:*"}), "lets everyone"),
        ),
    ),
    Case(
        "secret-kept",
        "secretsmanager/secret:Secret",
        {"kmsKeyId": "arn:key", "recoveryWindowInDays": 7},
        (({"recoveryWindowInDays": 0}, "at least 7"), ({"kmsKeyId": None}, "kmsKeyId")),
    ),
    Case(
        "topic-encrypted", "sns/topic:Topic", {"kmsMasterKeyId": "arn"}, (({"kmsMasterKeyId": None}, "kms"),)
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
            ({"launchTemplate": {"version": "$Latest"}}, "a number"),
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
        ),
    ),
    Case(
        "no-administrators",
        "iam/rolePolicyAttachment:RolePolicyAttachment",
        {"policyArn": "arn:aws:iam::aws:policy/ReadOnlyAccess"},
        (({"policyArn": "arn:aws:iam::aws:policy/AdministratorAccess"}, "AdministratorAccess"),),
    ),
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


def test_a_database_must_be_protected_in_the_program_too() -> None:
    unprotected = Resource("aws:rds/instance:Instance", "it", INSTANCE, protect=False)
    assert any("protect=True" in wrong for wrong in judge("database-protected", unprotected))


def test_access_keys_are_refused_whatever_they_say() -> None:
    assert judge("no-access-keys", Resource("aws:iam/accessKey:AccessKey", "it", {}))


def test_a_non_critical_database_may_stand_in_one_zone() -> None:
    small = {**INSTANCE, "multiAz": False, "tags": {**TAGS, "class": "non-critical"}}
    assert judge("database-multi-az", Resource("aws:rds/instance:Instance", "it", small)) == []


def test_every_rule_has_a_case() -> None:
    assert {rule.name for rule in RULES} - {case.rule for case in CASES} == {"no-access-keys"}
    assert len(RULES) >= 12
    assert len({rule.name for rule in RULES}) == len(RULES)


@pytest.mark.parametrize("site", ["edge", "standby", "primary", "serving"])
def test_the_companys_own_stacks_break_no_rule(site: str, request: pytest.FixtureRequest) -> None:
    stack: Stack = request.getfixturevalue(site)
    for declared in stack.declared:
        parent = "lifeboat:edge:Latch$" if declared.name == "latch" else ""
        resource = Resource(declared.type, declared.name, declared.inputs, f"urn::{parent}", protect=True)
        for rule in RULES:
            if rule.concerns(resource.type):
                assert list(rule.check(resource)) == [], (rule.name, declared)


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
