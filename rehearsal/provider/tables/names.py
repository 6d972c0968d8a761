"""Route 53 and ACM."""

from __future__ import annotations

import uuid
from typing import Any

from rehearsal.provider import shapes
from rehearsal.provider.kinds import Call, Context, Do, Kind, Tags
from rehearsal.provider.tables.network import MANAGED
from rehearsal.provider.tables.tags import by_arn, pairs, unpaired
from rehearsal.provider.wire import Props


def _tags(resource_type: str) -> Tags:
    def target(ctx: Context) -> Props:
        return {"ResourceType": resource_type, "ResourceId": ctx.id}

    return Tags(
        put=lambda ctx, tags: ctx.call("ChangeTagsForResource", {**target(ctx), "AddTags": pairs(tags)}),
        drop=lambda ctx, keys: ctx.call("ChangeTagsForResource", {**target(ctx), "RemoveTagKeys": keys}),
        read=lambda ctx, live: unpaired(
            ctx.call("ListTagsForResource", target(ctx))["ResourceTagSet"]["Tags"]
        ),
    )


# --- zones -------------------------------------------------------------------------------------------------------


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
        _change(ctx, ctx.id, [("DELETE", record)])


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

# --- records -----------------------------------------------------------------------------------------------------

RECORD = ("ttl", "records", "aliases", "failoverRoutingPolicies", "setIdentifier", "healthCheckId", "type")
POLICIES = ("weightedRoutingPolicies", "latencyRoutingPolicies")


def full_name(name: str, zone: str) -> str:
    """A record's name with its zone's, lower case, no trailing dot."""
    name, zone = name.rstrip(".").lower(), zone.rstrip(".").lower()
    return (
        name if not zone or name == zone or name.endswith(f".{zone}") else f"{name}.{zone}" if name else zone
    )


def _zone_name(ctx: Context) -> str:
    found = ctx.call("GetHostedZone", {"Id": str(ctx.value("zoneId")).rsplit("/", 1)[-1]})
    return str(found["HostedZone"]["Name"])


def _record_set(ctx: Context, values: Props, zone: str) -> Props:
    record: Props = {"Name": full_name(values["name"], zone), "Type": values["type"]}
    if values.get("aliases"):
        alias = values["aliases"][0]
        record["AliasTarget"] = {
            "HostedZoneId": alias["zoneId"],
            "DNSName": alias["name"],
            "EvaluateTargetHealth": bool(alias["evaluateTargetHealth"]),
        }
    else:
        record["TTL"] = int(values["ttl"])
        record["ResourceRecords"] = [
            {"Value": _quoted(values["type"], str(v))} for v in values.get("records") or []
        ]
    if values.get("setIdentifier"):
        record["SetIdentifier"] = values["setIdentifier"]
    if values.get("failoverRoutingPolicies"):
        record["Failover"] = values["failoverRoutingPolicies"][0]["type"]
    if values.get("weightedRoutingPolicies"):
        record["Weight"] = int(values["weightedRoutingPolicies"][0]["weight"])
    if values.get("latencyRoutingPolicies"):
        record["Region"] = values["latencyRoutingPolicies"][0]["region"]
    if values.get("healthCheckId"):
        record["HealthCheckId"] = values["healthCheckId"]
    return record


def _quoted(kind: str, value: str) -> str:
    return f'"{value}"' if kind in ("TXT", "SPF") and not value.startswith('"') else value


def _change(ctx: Context, zone: str, changes: list[tuple[str, Props]]) -> None:
    """One batch, awaited until it is in sync."""
    batch = {"Comment": MANAGED, "Changes": [{"Action": a, "ResourceRecordSet": r} for a, r in changes]}
    request = {"HostedZoneId": zone, "ChangeBatch": batch}
    info = ctx.retry(
        lambda: ctx.call("ChangeResourceRecordSets", request),
        ("PriorRequestNotComplete", "NoSuchHostedZone"),
        10,
    )["ChangeInfo"]
    if info["Status"] != "INSYNC":
        change = info["Id"].rsplit("/", 1)[-1]
        ctx.poll(
            lambda: ctx.call("GetChange", {"Id": change})["ChangeInfo"]["Status"] == "INSYNC",
            f"change {change}",
        )


def _put_record(ctx: Context) -> Props:
    zone = str(ctx.inputs["zoneId"]).rsplit("/", 1)[-1]
    record = _record_set(ctx, ctx.inputs, _zone_name(ctx))
    changes = [("UPSERT" if ctx.old_inputs or ctx.inputs.get("allowOverwrite") else "CREATE", record)]
    if ctx.changed & {"type", "setIdentifier"}:
        old = _live_record(ctx)
        changes = ([("DELETE", old)] if old else []) + [("CREATE", record)]
    _change(ctx, zone, changes)
    return {"id": "_".join(filter(None, (zone, record["Name"], record["Type"], record.get("SetIdentifier"))))}


def _live_record(ctx: Context) -> Props | None:
    """The record set as Route 53 has it, by the values before a change."""
    values = ctx.old_inputs or {**ctx.state, **ctx.inputs}
    name = full_name(values["name"], _zone_name(ctx))
    zone = str(values["zoneId"]).rsplit("/", 1)[-1]
    request = {"HostedZoneId": zone, "StartRecordName": name, "StartRecordType": values["type"]}
    for record in ctx.call("ListResourceRecordSets", request)["ResourceRecordSets"]:
        found = record["Name"].rstrip(".").replace("\\052", "*").lower()
        if (found, record["Type"], record.get("SetIdentifier")) == (
            name,
            values["type"],
            values.get("setIdentifier"),
        ):
            return dict(record)
    return None


def _read_record(ctx: Context) -> Props | None:
    ctx = Context(**{**ctx.__dict__, "old_inputs": {}})
    found = _live_record(ctx)
    if found is None:
        return None
    live: Props = {
        "type": found["Type"],
        "setIdentifier": found.get("SetIdentifier"),
        "ttl": found.get("TTL"),
    }
    live |= {
        "fqdn": found["Name"].rstrip("."),
        "zoneId": ctx.value("zoneId"),
        "healthCheckId": found.get("HealthCheckId"),
    }
    if found.get("AliasTarget"):
        alias = found["AliasTarget"]
        name = alias["DNSName"].rstrip(".")
        live["aliases"] = [
            {
                "name": name,
                "zoneId": alias["HostedZoneId"],
                "evaluateTargetHealth": alias["EvaluateTargetHealth"],
            }
        ]
    else:
        texts = [r["Value"] for r in found.get("ResourceRecords", [])]
        live["records"] = [t.strip('"') if found["Type"] in ("TXT", "SPF") else t for t in texts]
    if found.get("Failover"):
        live["failoverRoutingPolicies"] = [{"type": found["Failover"]}]
    return live


def _delete_record(ctx: Context) -> None:
    from botocore.exceptions import ClientError

    found = _live_record(Context(**{**ctx.__dict__, "old_inputs": {}}))
    if found is None:
        return
    try:
        _change(ctx, str(ctx.value("zoneId")).rsplit("/", 1)[-1], [("DELETE", found)])
    except ClientError as error:
        if "not found" not in str(error):
            raise


def _record_rules(inputs: Props) -> dict[str, str]:
    if inputs.get("aliases") and (inputs.get("ttl") is not None or inputs.get("records")):
        return {"aliases": "an alias takes neither ttl nor records"}
    if not inputs.get("aliases") and inputs.get("ttl") is None:
        return {"ttl": "a record that is no alias needs a ttl"}
    routed = any(inputs.get(p) for p in ("failoverRoutingPolicies", *POLICIES))
    return (
        {"setIdentifier": "a routing policy needs a setIdentifier"}
        if routed and not inputs.get("setIdentifier")
        else {}
    )


def _locate_record(given: str) -> tuple[str, Props]:
    """`ZONEID_name_TYPE[_setIdentifier]`; names may hold underscores themselves."""
    zone, rest = given.split("_", 1)
    words = rest.split("_")
    at = next(i for i, w in reversed(list(enumerate(words))) if w.isupper() and len(w) <= 5 and i > 0)
    values = {"zoneId": zone, "name": "_".join(words[:at]), "type": words[at]}
    rest = "_".join(words[at + 1 :])
    return given, values | ({"setIdentifier": rest} if rest else {})


RECORD_KIND = Kind(
    "aws:route53/record:Record",
    "route53",
    create=Do(_put_record, props=("zoneId", "name", *RECORD, *POLICIES)),
    id="id",
    follow=(Do(_put_record, props=(*RECORD, *POLICIES), on="update"),),
    read=(Do(_read_record),),
    delete=(Do(_delete_record),),
    replaces=frozenset({"name", "zoneId"}),
    computed=frozenset({"allowOverwrite"}),
    local=frozenset({"allowOverwrite"}),
    opaque=frozenset({"name", "zoneId"}),
    gone=("NoSuchHostedZone",),
    refuse=_record_rules,
    regional=False,
    locate=_locate_record,
)

# --- health checks -----------------------------------------------------------------------------------------------

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
    outputs=lambda ctx, live: {"arn": f"arn:aws:route53:::healthcheck/{ctx.id}"},
)

# --- certificates ------------------------------------------------------------------------------------------------


def _options(ctx: Context) -> list[Props]:
    found = ctx.call("DescribeCertificate", {"CertificateArn": ctx.id})["Certificate"]
    return list(found.get("DomainValidationOptions") or [])


def _certificate_outputs(ctx: Context, live: Props) -> Props:
    options = [
        {
            "domainName": o["DomainName"],
            "resourceRecordName": o["ResourceRecord"]["Name"],
            "resourceRecordType": o["ResourceRecord"]["Type"],
            "resourceRecordValue": o["ResourceRecord"]["Value"],
        }
        for o in live.get("DomainValidationOptions") or []
        if o.get("ResourceRecord")
    ]
    return {"arn": ctx.id, "domainValidationOptions": options}


CERTIFICATE = Kind(
    "aws:acm/certificate:Certificate",
    "acm",
    create=Call(
        "RequestCertificate",
        props=("domainName", "subjectAlternativeNames", "validationMethod", "keyAlgorithm"),
    ),
    id="CertificateArn",
    read=(Call("DescribeCertificate", {"CertificateArn": "$id"}, result="Certificate"),),
    delete=(Call("DeleteCertificate", {"CertificateArn": "$id"}),),
    settle=lambda ctx: ctx.poll(
        lambda: all(o.get("ResourceRecord") for o in _options(ctx)), f"validation records of {ctx.id}"
    ),
    replaces=frozenset(
        {
            "certificateAuthorityArn",
            "domainName",
            "keyAlgorithm",
            "subjectAlternativeNames",
            "validationMethod",
        }
    ),
    computed=frozenset({"subjectAlternativeNames", "validationMethod", "keyAlgorithm"}),
    opaque=frozenset({"subjectAlternativeNames", "validationMethod", "keyAlgorithm"}),
    tags=by_arn(
        "AddTagsToCertificate",
        "RemoveTagsFromCertificate",
        "CertificateArn",
        listing="ListTagsForCertificate",
        value=lambda ctx: ctx.id,
    ),
    outputs=_certificate_outputs,
)


def _await_issue(ctx: Context) -> Any:
    """Created when the certificate is issued; its id is the time of that."""
    arn = ctx.inputs["certificateArn"]

    def issued() -> bool:
        status = ctx.call("DescribeCertificate", {"CertificateArn": arn})["Certificate"]["Status"]
        if status in ("FAILED", "VALIDATION_TIMED_OUT", "REVOKED"):
            raise RuntimeError(f"certificate {arn} is {status}")
        return bool(status == "ISSUED")

    ctx.poll(issued, f"certificate {arn} to be issued")
    found = ctx.call("DescribeCertificate", {"CertificateArn": arn})["Certificate"]
    return {"id": str(found.get("IssuedAt") or found["CreatedAt"])}


VALIDATION = Kind(
    "aws:acm/certificateValidation:CertificateValidation",
    "acm",
    create=Do(_await_issue, props=("certificateArn", "validationRecordFqdns")),
    id="id",
    read=(
        Call(
            "DescribeCertificate",
            {"CertificateArn": "$certificateArn"},
            result="Certificate.Status=='ISSUED' && {CertificateArn: Certificate.CertificateArn} || null",
        ),
    ),
    replaces=frozenset({"certificateArn", "validationRecordFqdns"}),
)

KINDS = (ZONE, RECORD_KIND, HEALTH_CHECK, CERTIFICATE, VALIDATION)
