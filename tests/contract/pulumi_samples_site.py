"""Samples, second half: what a site is made of."""

from __future__ import annotations

from pulumi_samples import (
    IDENTITY,
    KEYS,
    NETWORK,
    STANDBY,
    STORES,
    TAGS,
    USER,
    USER_DATA,
    Ref,
    Sample,
    policy,
)

DATABASE = [
    Sample(
        "subnet-group",
        "aws:rds/subnetGroup:SubnetGroup",
        {"subnetIds": [Ref("subnet-a"), Ref("subnet-b")], "tags": TAGS},
        change={"description": "of the database", "tags": {"owner": "others"}},
        replace={"name": "other"},
    ),
    Sample(
        "parameter-group",
        "aws:rds/parameterGroup:ParameterGroup",
        {"family": "postgres17", "parameters": [{"name": "rds.force_ssl", "value": "1"}]},
        change={"parameters": [{"name": "log_statement", "value": "ddl"}]},
        replace={"family": "postgres16"},
    ),
    Sample(
        "database",
        "aws:rds/instance:Instance",
        {
            "identifier": "sample-db",
            "engine": "postgres",
            "engineVersion": "17",
            "instanceClass": "db.t4g.micro",
            "allocatedStorage": 20,
            "storageType": "gp3",
            "storageEncrypted": True,
            "kmsKeyId": Ref("key", "arn"),
            "dbName": "shop",
            "username": "dbmaster",
            "password": "not-a-real-one",
            "dbSubnetGroupName": Ref("subnet-group"),
            "parameterGroupName": Ref("parameter-group"),
            "vpcSecurityGroupIds": [Ref("group")],
            "backupRetentionPeriod": 7,
            "backupWindow": "02:30-03:30",
            "maintenanceWindow": "sun:05:30-sun:06:30",
            "copyTagsToSnapshot": True,
            "enabledCloudwatchLogsExports": ["postgresql", "upgrade"],
            "applyImmediately": True,
            "skipFinalSnapshot": True,
            "tags": TAGS,
        },
        change={
            "backupRetentionPeriod": 14,
            "enabledCloudwatchLogsExports": ["postgresql"],
            "tags": {"owner": "o"},
        },
        replace={"username": "somebody"},
        import_id=lambda made: str(made.inputs["identifier"]),
    ),
    Sample(
        "backups",
        "aws:rds/instanceAutomatedBackupsReplication:InstanceAutomatedBackupsReplication",
        {
            "sourceDbInstanceArn": Ref("database", "arn"),
            "kmsKeyId": Ref("replica-key", "arn"),
            "retentionPeriod": 14,
            "region": STANDBY,
        },
        replace={"retentionPeriod": 7},
        import_id=lambda made: f"{made.id}@{STANDBY}",
    ),
]
HEALTH = {"path": "/ready", "protocol": "HTTP", "matcher": "200", "interval": 10, "timeout": 5}
WEB = [
    Sample(
        "template",
        "aws:ec2/launchTemplate:LaunchTemplate",
        {
            "imageId": "ami-0123456789abcdef0",
            "instanceType": "t3.small",
            "userData": USER_DATA,
            "metadataOptions": {"httpTokens": "required", "httpEndpoint": "enabled"},
            "blockDeviceMappings": [
                {
                    "deviceName": "/dev/xvda",
                    "ebs": {"encrypted": "true", "volumeSize": 20, "volumeType": "gp3"},
                }
            ],
            "iamInstanceProfile": {"arn": Ref("profile", "arn")},
            "vpcSecurityGroupIds": [Ref("group")],
            "tagSpecifications": [{"resourceType": "instance", "tags": TAGS}],
            "updateDefaultVersion": True,
            "tags": TAGS,
        },
        change={"instanceType": "t3.large"},
        replace={"name": "other"},
    ),
    Sample(
        "balancer",
        "aws:lb/loadBalancer:LoadBalancer",
        {
            "loadBalancerType": "application",
            "internal": False,
            "subnets": [Ref("subnet-a"), Ref("subnet-b")],
            "securityGroups": [Ref("group")],
            "dropInvalidHeaderFields": True,
            "tags": TAGS,
        },
        change={"idleTimeout": 120, "tags": {"owner": "others"}},
        replace={"internal": True},
    ),
    Sample(
        "targets",
        "aws:lb/targetGroup:TargetGroup",
        {
            "vpcId": Ref("vpc"),
            "port": 8080,
            "protocol": "HTTP",
            "deregistrationDelay": 30,
            "healthCheck": HEALTH,
        },
        change={"healthCheck": {**HEALTH, "interval": 20}, "deregistrationDelay": 10},
        replace={"port": 9090},
    ),
    Sample(
        "listener",
        "aws:lb/listener:Listener",
        {
            "loadBalancerArn": Ref("balancer"),
            "port": 80,
            "protocol": "HTTP",
            "defaultActions": [
                {
                    "type": "redirect",
                    "redirect": {"protocol": "HTTPS", "port": "443", "statusCode": "HTTP_301"},
                }
            ],
        },
        change={"defaultActions": [{"type": "forward", "targetGroupArn": Ref("targets")}]},
        replace={"loadBalancerArn": "arn:aws:elasticloadbalancing:eu-central-1:1:loadbalancer/app/x/1"},
    ),
    Sample(
        "rule",
        "aws:lb/listenerRule:ListenerRule",
        {
            "listenerArn": Ref("listener"),
            "priority": 1,
            "conditions": [{"pathPattern": {"values": ["/lifeboat/health"]}}],
            "actions": [
                {
                    "type": "fixed-response",
                    "fixedResponse": {"contentType": "text/plain", "statusCode": "200", "messageBody": "ok"},
                }
            ],
        },
        change={
            "conditions": [{"httpHeader": {"httpHeaderName": "x-verify", "values": ["word"]}}],
            "priority": 5,
        },
    ),
    Sample(
        "servers",
        "aws:autoscaling/group:Group",
        {
            "minSize": 0,
            "maxSize": 0,
            "vpcZoneIdentifiers": [Ref("subnet-a"), Ref("subnet-b")],
            "targetGroupArns": [Ref("targets")],
            "healthCheckType": "ELB",
            "launchTemplate": {"id": Ref("template"), "version": "1"},
            "instanceRefresh": {"strategy": "Rolling", "preferences": {"minHealthyPercentage": 50}},
            "waitForCapacityTimeout": "0",
            "tags": [{"key": "owner", "value": "ops", "propagateAtLaunch": True}],
        },
        change={"maxSize": 4, "tags": [{"key": "class", "value": "critical", "propagateAtLaunch": True}]},
        replace={"name": "other"},
    ),
    Sample(
        "scaling",
        "aws:autoscaling/policy:Policy",
        {
            "autoscalingGroupName": Ref("servers"),
            "policyType": "TargetTrackingScaling",
            "targetTrackingConfiguration": {
                "predefinedMetricSpecification": {"predefinedMetricType": "ASGAverageCPUUtilization"},
                "targetValue": 60,
            },
        },
        change={
            "targetTrackingConfiguration": {
                "predefinedMetricSpecification": {"predefinedMetricType": "ASGAverageCPUUtilization"},
                "targetValue": 50,
            }
        },
        replace={"name": "other"},
        import_id=None,
    ),
]
NAMES = [
    Sample(
        "zone",
        "aws:route53/zone:Zone",
        {"name": "sample.example", "tags": TAGS},
        change={"comment": "of the sample", "tags": {"owner": "others"}},
        replace={"name": "other.example"},
    ),
    Sample(
        "check",
        "aws:route53/healthCheck:HealthCheck",
        {
            "type": "HTTPS",
            "fqdn": "prod.sample.example",
            "port": 443,
            "resourcePath": "/health",
            "requestInterval": 10,
            "failureThreshold": 3,
            "tags": TAGS,
        },
        change={"failureThreshold": 2, "invertHealthcheck": True},
        replace={"requestInterval": 30},
    ),
    Sample(
        "record",
        "aws:route53/record:Record",
        {
            "zoneId": Ref("zone"),
            "name": "app.sample.example",
            "type": "CNAME",
            "ttl": 30,
            "records": ["prod.sample.example"],
            "setIdentifier": "primary",
            "failoverRoutingPolicies": [{"type": "PRIMARY"}],
            "healthCheckId": Ref("check"),
        },
        change={"ttl": 60},
        replace={"name": "www.sample.example"},
    ),
    Sample(
        "certificate",
        "aws:acm/certificate:Certificate",
        {"domainName": "sample.example", "validationMethod": "DNS", "tags": TAGS},
        change={"tags": {"owner": "others"}},
        replace={"domainName": "other.example"},
    ),
]
VALIDATED = [
    Sample(
        "validation-record",
        "aws:route53/record:Record",
        {
            "zoneId": Ref("zone"),
            "name": Ref("certificate", "validation_name"),
            "type": "CNAME",
            "ttl": 60,
            "records": [Ref("certificate", "validation_value")],
            "allowOverwrite": True,
        },
        change={"ttl": 300},
    ),
    Sample(
        "validation",
        "aws:acm/certificateValidation:CertificateValidation",
        {
            "certificateArn": Ref("certificate"),
            "validationRecordFqdns": [Ref("certificate", "validation_name")],
        },
        replace={"certificateArn": "arn:aws:acm:eu-central-1:123456789012:certificate/other"},
        import_id=None,
    ),
]
ALARMS = [
    Sample(
        "topic",
        "aws:sns/topic:Topic",
        {"tags": TAGS},
        change={"displayName": "Alarms"},
        replace={"name": "x"},
    ),
    Sample(
        "topic-policy",
        "aws:sns/topicPolicy:TopicPolicy",
        {"arn": Ref("topic"), "policy": policy("cloudwatch.amazonaws.com", "sns:Publish")},
        change={"policy": policy("events.amazonaws.com", "sns:Publish")},
        replace={"arn": "arn:aws:sns:eu-central-1:123456789012:other"},
        import_id=None,
    ),
    Sample(
        "subscription",
        "aws:sns/topicSubscription:TopicSubscription",
        {"topic": Ref("topic"), "protocol": "email", "endpoint": "ops@sample.example"},
        replace={"endpoint": "others@sample.example"},
        import_id=None,
    ),
    Sample(
        "alarm",
        "aws:cloudwatch/metricAlarm:MetricAlarm",
        {
            "namespace": "AWS/RDS",
            "metricName": "FreeStorageSpace",
            "dimensions": {"DBInstanceIdentifier": "sample-db"},
            "statistic": "Minimum",
            "period": 300,
            "evaluationPeriods": 1,
            "threshold": 1000000,
            "comparisonOperator": "LessThanThreshold",
            "alarmActions": [Ref("topic")],
            "tags": TAGS,
        },
        change={"threshold": 2000000},
        replace={"name": "other"},
    ),
    Sample(
        "log-group",
        "aws:cloudwatch/logGroup:LogGroup",
        {"retentionInDays": 30},
        change={"retentionInDays": 90},
        replace={"name": "other"},
    ),
]
SAMPLES = [*NETWORK, USER, *IDENTITY, *KEYS, *STORES, *DATABASE, *WEB, *NAMES, *VALIDATED, *ALARMS]
