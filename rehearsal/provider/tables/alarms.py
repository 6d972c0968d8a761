"""CloudWatch and SNS."""

from __future__ import annotations

from rehearsal.provider import shapes
from rehearsal.provider.kinds import Autoname, Call, Context, Do, Kind
from rehearsal.provider.tables.tags import by_arn
from rehearsal.provider.wire import Props

ALARM = (
    *(
        "name",
        "alarmDescription",
        "namespace",
        "metricName",
        "dimensions",
        "statistic",
        "extendedStatistic",
        "period",
    ),
    *(
        "evaluationPeriods",
        "threshold",
        "comparisonOperator",
        "treatMissingData",
        "alarmActions",
        "okActions",
    ),
    *("insufficientDataActions", "datapointsToAlarm", "unit", "actionsEnabled"),
)


def _put_alarm(ctx: Context) -> None:
    extra = (
        ctx.kind.tags.create(ctx.tags)
        if ctx.tags and not ctx.old_inputs and ctx.kind.tags and ctx.kind.tags.create
        else {}
    )
    ctx.run(Call("PutMetricAlarm", props=ALARM), extra)


METRIC_ALARM = Kind(
    "aws:cloudwatch/metricAlarm:MetricAlarm",
    "cloudwatch",
    create=Do(_put_alarm, props=ALARM),
    id="$name",
    follow=(Do(_put_alarm, props=ALARM, on="update"),),
    read=(Call("DescribeAlarms", {"AlarmNames": ["$id"]}, result="MetricAlarms[0]"),),
    delete=(Call("DeleteAlarms", {"AlarmNames": ["$id"]}),),
    autoname=Autoname(),
    renames={"name": "AlarmName", "arn": "AlarmArn", "okActions": "OKActions"},
    replaces=frozenset({"name"}),
    opaque=frozenset({"dimensions"}),
    defaults={"actionsEnabled": True, "treatMissingData": "missing"},
    tags=by_arn("TagResource", "UntagResource", "ResourceARN", listing="ListTagsForResource"),
    outputs=lambda _, live: {"arn": live.get("AlarmArn")},
)

LOG_GROUP = Kind(
    "aws:cloudwatch/logGroup:LogGroup",
    "logs",
    create=Call("CreateLogGroup", props=("name", "kmsKeyId", "logGroupClass")),
    id="$name",
    follow=(
        Call(
            "PutRetentionPolicy",
            {"logGroupName": "$id"},
            props=("retentionInDays",),
            when=("retentionInDays",),
        ),
    ),
    read=(
        Call(
            "DescribeLogGroups",
            lambda ctx: {"logGroupNamePrefix": ctx.id, "limit": 1},
            result="logGroups[0]",
        ),
    ),
    delete=(Call("DeleteLogGroup", {"logGroupName": "$id"}),),
    autoname=Autoname(),
    renames={"name": "logGroupName"},
    replaces=frozenset({"name", "namePrefix", "logGroupClass"}),
    local=frozenset({"skipDestroy"}),
    defaults={"skipDestroy": False},
    outputs=lambda _, live: {"arn": str(live.get("arn", "")).removesuffix(":*")},
)

TOPIC_ATTRIBUTES = {"kmsMasterKeyId": "KmsMasterKeyId", "displayName": "DisplayName", "policy": "Policy"}


def _create_topic(ctx: Context) -> Props:
    given = {name: shapes.text(ctx.inputs[p]) for p, name in TOPIC_ATTRIBUTES.items() if ctx.inputs.get(p)}
    tags = ctx.kind.tags.create(ctx.tags) if ctx.tags and ctx.kind.tags and ctx.kind.tags.create else {}
    return dict(ctx.call("CreateTopic", {"Name": ctx.inputs["name"], "Attributes": given, **tags}))


def _change_topic(ctx: Context) -> None:
    for prop in sorted(ctx.changed & set(TOPIC_ATTRIBUTES)):
        request = {"TopicArn": ctx.id, "AttributeName": TOPIC_ATTRIBUTES[prop]}
        ctx.call("SetTopicAttributes", {**request, "AttributeValue": shapes.text(ctx.inputs.get(prop, ""))})


TOPIC = Kind(
    "aws:sns/topic:Topic",
    "sns",
    create=Do(_create_topic, props=("name", *TOPIC_ATTRIBUTES)),
    id="TopicArn",
    follow=(Do(_change_topic, props=tuple(TOPIC_ATTRIBUTES), on="update"),),
    read=(Call("GetTopicAttributes", {"TopicArn": "$id"}, result="Attributes"),),
    delete=(Call("DeleteTopic", {"TopicArn": "$id"}),),
    autoname=Autoname(length=80),
    replaces=frozenset({"fifoTopic", "name", "namePrefix"}),
    computed=frozenset({"policy"}),
    tags=by_arn(
        "TagResource", "UntagResource", "ResourceArn", listing="ListTagsForResource", value=lambda ctx: ctx.id
    ),
    outputs=lambda ctx, live: {"arn": ctx.id, "owner": live.get("Owner")},
)


def _put_policy(ctx: Context) -> None:
    request = {"TopicArn": ctx.inputs["arn"], "AttributeName": "Policy"}
    ctx.call("SetTopicAttributes", {**request, "AttributeValue": shapes.text(ctx.inputs["policy"])})


TOPIC_POLICY = Kind(
    "aws:sns/topicPolicy:TopicPolicy",
    "sns",
    create=Do(_put_policy, props=("arn", "policy")),
    id="$arn",
    follow=(Do(_put_policy, props=("policy",), on="update"),),
    read=(
        Call(
            "GetTopicAttributes",
            {"TopicArn": "$id"},
            result="Attributes.{Policy: Policy, Owner: Owner, Arn: TopicArn}",
        ),
    ),
    replaces=frozenset({"arn"}),
)

SUBSCRIPTION = Kind(
    "aws:sns/topicSubscription:TopicSubscription",
    "sns",
    create=Call("Subscribe", {"ReturnSubscriptionArn": True}, props=("topic", "protocol", "endpoint")),
    id="SubscriptionArn",
    read=(Call("GetSubscriptionAttributes", {"SubscriptionArn": "$id"}, result="Attributes"),),
    delete=(Call("Unsubscribe", {"SubscriptionArn": "$id"}),),
    renames={"topic": "TopicArn"},
    replaces=frozenset({"endpoint", "protocol", "topic"}),
    outputs=lambda ctx, _: {"arn": ctx.id},
)

KINDS = (METRIC_ALARM, LOG_GROUP, TOPIC, TOPIC_POLICY, SUBSCRIPTION)
