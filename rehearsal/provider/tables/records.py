"""Route 53: records."""

from __future__ import annotations

from rehearsal.provider.kinds import Context, Do, Kind
from rehearsal.provider.tables.common import MANAGED
from rehearsal.provider.wire import Props

CONTENT = ("ttl", "records", "aliases", "failoverRoutingPolicies", "setIdentifier", "healthCheckId", "type")
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


def _record_set(values: Props, zone: str) -> Props:
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


def change(ctx: Context, zone: str, changes: list[tuple[str, Props]]) -> None:
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
    record = _record_set(ctx.inputs, _zone_name(ctx))
    changes = [("UPSERT" if ctx.old_inputs or ctx.inputs.get("allowOverwrite") else "CREATE", record)]
    if ctx.changed & {"type", "setIdentifier"}:
        old = _live_record(ctx)
        changes = ([("DELETE", old)] if old else []) + [("CREATE", record)]
    change(ctx, zone, changes)
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
        change(ctx, str(ctx.value("zoneId")).rsplit("/", 1)[-1], [("DELETE", found)])
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


RECORD = Kind(
    "aws:route53/record:Record",
    "route53",
    create=Do(_put_record, props=("zoneId", "name", *CONTENT, *POLICIES)),
    id="id",
    follow=(Do(_put_record, props=(*CONTENT, *POLICIES), on="update"),),
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


KINDS = (RECORD,)
