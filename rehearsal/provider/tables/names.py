"""Route 53: zones and health checks."""

from __future__ import annotations

import uuid

from rehearsal.provider import shapes
from rehearsal.provider.kinds import Call, Context, Do, Kind, Tags
from rehearsal.provider.tables.common import MANAGED
from rehearsal.provider.tables.records import change
from rehearsal.provider.tables.tags import pairs, unpaired
from rehearsal.provider.wire import Props


def _tags(resource_type: str) -> Tags:
    def target(ctx: Context) -> Props:
        return {"ResourceType": resource_type, "ResourceId": ctx.id}

    return Tags(
        put=lambda ctx, tags: ctx.call("ChangeTagsForResource", {**target(ctx), "AddTags": pairs(tags)}),
        drop=lambda ctx, keys: ctx.call("ChangeTagsForResource", {**target(ctx), "RemoveTagKeys": keys}),
        read=lambda ctx, _: unpaired(ctx.call("ListTagsForResource", target(ctx))["ResourceTagSet"]["Tags"]),
    )


# --- zones ---


def _create_zone(ctx: Context) -> Props:
    request = {
        "Name": ctx.inputs["name"],
        "CallerReference": str(uuid.uuid4()),
        "HostedZoneConfig": {"Comment": ctx.inputs.get("comment", "")},
    }
    answer = ctx.call("CreateHostedZone", request)
    return {"id": answer["HostedZone"]["Id"].rsplit("/", 1)[1]}


def _zone(ctx: Context) -> Props:
    found = ctx.call("GetHostedZone", {"Id": ctx.id})
    servers = sorted(found.get("DelegationSet", {}).get("NameServers", []))
    return {
        "Name": found["HostedZone"]["Name"].rstrip("."),
        "Comment": found["HostedZone"].get("Config", {}).get("Comment", ""),
        "ZoneId": ctx.id,
        "NameServers": servers,
        "PrimaryNameServer": servers[0] if servers else None,
        "Arn": f"arn:aws:route53:::hostedzone/{ctx.id}",
    }


def _clear_zone(ctx: Context) -> None:
    if not ctx.value("forceDestroy"):
        return
    apex = str(ctx.value("name")).rstrip(".") + "."
    records = ctx.call("ListResourceRecordSets", {"HostedZoneId": ctx.id})["ResourceRecordSets"]
    extra = [r for r in records if not (r["Name"] == apex and r["Type"] in ("NS", "SOA"))]
    for record in extra:
        change(ctx, ctx.id, [("DELETE", record)])


ZONE = Kind(
    "aws:route53/zone:Zone",
    "route53",
    create=Do(_create_zone, props=("name", "comment")),
    id="id",
    follow=(Call("UpdateHostedZoneComment", {"Id": "$id"}, props=("comment",), on="update"),),
    read=(Do(_zone),),
    delete=(Do(_clear_zone), Call("DeleteHostedZone", {"Id": "$id"})),
    fills={"comment": MANAGED},
    replaces=frozenset({"name", "delegationSetId"}),
    local=frozenset({"forceDestroy"}),
    defaults={"forceDestroy": False},
    regional=False,
    tags=_tags("hostedzone"),
)

CHECK_RENAMES = {
    "fqdn": "FullyQualifiedDomainName",
    "childHealthchecks": "ChildHealthChecks",
    "childHealthThreshold": "HealthThreshold",
    "invertHealthcheck": "Inverted",
    "measureLatency": "MeasureLatency",
    "enableSni": "EnableSNI",
}
CHECK_ONCE = ("type", "requestInterval", "measureLatency")
CHECK_LATER = (
    *(
        "fqdn",
        "ipAddress",
        "port",
        "resourcePath",
        "searchString",
        "failureThreshold",
        "invertHealthcheck",
        "disabled",
    ),
    *("enableSni", "childHealthchecks", "childHealthThreshold", "regions", "insufficientDataHealthStatus"),
)


def _check_config(ctx: Context) -> Props:
    shape = ctx.clients.operation("route53", "CreateHealthCheck").input_shape.members["HealthCheckConfig"]
    config: Props = {}
    for prop in (*CHECK_ONCE, *CHECK_LATER):
        if ctx.inputs.get(prop) is not None:
            member = shapes.member_for(shape, prop, CHECK_RENAMES, prop)
            assert member, prop
            config[member] = shapes.to_api(shape.members[member], ctx.inputs[prop], CHECK_RENAMES, prop)
    return config


HEALTH_CHECK = Kind(
    "aws:route53/healthCheck:HealthCheck",
    "route53",
    create=Call(
        "CreateHealthCheck",
        lambda ctx: {
            "CallerReference": ctx.inputs.get("referenceName", "") + str(uuid.uuid4())[:30],
            "HealthCheckConfig": _check_config(ctx),
        },
        when=(*CHECK_ONCE, *CHECK_LATER),
    ),
    id="HealthCheck.Id",
    follow=(Call("UpdateHealthCheck", {"HealthCheckId": "$id"}, props=CHECK_LATER, on="update"),),
    read=(
        Call(
            "GetHealthCheck",
            {"HealthCheckId": "$id"},
            result="HealthCheck.HealthCheckConfig",
        ),
    ),
    delete=(Call("DeleteHealthCheck", {"HealthCheckId": "$id"}),),
    renames=CHECK_RENAMES,
    replaces=frozenset({"type", "requestInterval", "measureLatency", "referenceName", "routingControlArn"}),
    computed=frozenset({"requestInterval", "failureThreshold", "enableSni"}),
    local=frozenset({"referenceName"}),
    defaults={"disabled": False, "invertHealthcheck": False, "measureLatency": False},
    regional=False,
    tags=_tags("healthcheck"),
    outputs=lambda ctx, _: {"arn": f"arn:aws:route53:::healthcheck/{ctx.id}"},
)


KINDS = (ZONE, HEALTH_CHECK)
