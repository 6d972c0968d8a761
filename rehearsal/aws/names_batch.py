"""A batch of record changes, checked as Route 53 checks it (API Reference, ChangeResourceRecordSets)."""

from __future__ import annotations

from typing import Any

from dns import rdata, rdataclass, rdatatype
from dns.exception import DNSException
from moto.elbv2.models import elbv2_backends
from moto.route53.exceptions import NoSuchHealthCheck, Route53ClientError
from moto.route53.models import FakeZone, RecordSet, Route53Backend

from rehearsal.aws import ACCOUNT

_MODELLED = {"A", "AAAA", "CNAME", "TXT", "MX", "NS", "SOA", "CAA", "SRV"}
_NOT_MODELLED = (
    "Weight",
    "Region",
    "GeoLocation",
    "GeoProximityLocation",
    "MultiValueAnswer",
    "CidrRoutingConfig",
)
_LIMIT = 1000


class ChangeRefused(Route53ClientError):
    """InvalidChangeBatch, with AWS's sentence."""

    def __init__(self, sentence: str) -> None:
        super().__init__("InvalidChangeBatch", f"[{sentence}]")


def is_true(value: Any) -> bool:
    """A boolean as the API's XML or a parsed request carries it."""
    return value is True or str(value).lower() == "true"


class Batch:
    """Applies changes to a copy of a zone's records; the caller keeps `records` if none was refused."""

    def __init__(self, backend: Route53Backend, zone: FakeZone) -> None:
        self._backend, self._zone = backend, zone
        self.records: list[RecordSet] = list(zone.rrsets)

    def apply(self, action: str, wanted: dict[str, Any]) -> None:
        """One change; raises ChangeRefused, or NoSuchHealthCheck."""
        wanted["Name"] = wanted["Name"].lower().rstrip(".") + "."
        self._is_modelled(wanted)
        zone = self._zone.name.lower().rstrip(".") + "."
        if wanted["Name"] != zone and not wanted["Name"].endswith("." + zone):
            raise ChangeRefused(f"RRSet with DNS name {wanted['Name']} is not permitted in zone {zone}")
        if wanted.get("ResourceRecords"):
            wanted["ResourceRecords"] = [each["Value"] for each in wanted["ResourceRecords"]]
        existing = self._find(wanted)
        if action == "DELETE":
            self._delete(wanted, existing)
            return
        if action == "CREATE" and existing is not None:
            raise ChangeRefused(f"Tried to create resource record set {_label(wanted)} but it already exists")
        self._check(wanted, existing, zone)
        record = RecordSet(wanted)  # type: ignore[abstract]
        if existing is None:
            self.records.append(record)
        else:
            self.records[self.records.index(existing)] = record

    def _is_modelled(self, wanted: dict[str, Any]) -> None:
        policy = next((key for key in _NOT_MODELLED if wanted.get(key) not in (None, False)), None)
        if policy or wanted["Type"] not in _MODELLED or "*" in wanted["Name"] or "\\052" in wanted["Name"]:
            what = policy or wanted["Type"]
            raise NotImplementedError(f"route53: record {wanted['Name']} {what} is not modelled")

    def _find(self, wanted: dict[str, Any]) -> RecordSet | None:
        key = (wanted["Name"], wanted["Type"], wanted.get("SetIdentifier"))
        return next((r for r in self.records if (r.name, r.type, r.set_identifier) == key), None)

    def _delete(self, wanted: dict[str, Any], existing: RecordSet | None) -> None:
        label = _label(wanted)
        if existing is None:
            raise ChangeRefused(f"Tried to delete resource record set {label} but it was not found")
        same_values = sorted(existing.records or ()) == sorted(wanted.get("ResourceRecords") or ())
        same_ttl = int(existing.ttl or 0) == int(wanted.get("TTL") or 0)
        if not (
            same_values and same_ttl and _alias(existing.alias_target) == _alias(wanted.get("AliasTarget"))
        ):
            raise ChangeRefused(
                f"Tried to delete resource record set {label} but the values provided do not match "
                "the current values"
            )
        if wanted["Type"] in ("NS", "SOA") and wanted["Name"] == self._zone.name:
            raise ChangeRefused(
                f"A HostedZone must contain at least one {wanted['Type']} record for the zone itself."
            )
        self.records.remove(existing)

    def _check(self, wanted: dict[str, Any], existing: RecordSet | None, zone: str) -> None:
        others = [r for r in self.records if r.name == wanted["Name"] and r is not existing]
        label = f"RRSet with DNS name {wanted['Name']}, type {wanted['Type']}"
        if wanted["Type"] == "CNAME" and wanted["Name"] == zone:
            raise ChangeRefused(
                f"RRSet of type CNAME with DNS name {wanted['Name']} is not permitted at apex in zone {zone}"
            )
        if any((r.type == "CNAME") != (wanted["Type"] == "CNAME") for r in others):
            raise ChangeRefused(
                f"{label} is not permitted as it conflicts with other records with the same DNS name "
                f"in zone {zone}"
            )
        kin = [r for r in others if r.type == wanted["Type"]]
        identifier = wanted.get("SetIdentifier")
        if kin and (identifier is None or any(r.set_identifier is None for r in kin)):
            raise ChangeRefused(
                f"{label}, SetIdentifier {identifier} cannot be created as a non-multi-value set exists "
                "with the same name and type."
            )
        if identifier is not None and not wanted.get("Failover"):
            raise ChangeRefused(f"{label}: SetIdentifier is given without a routing policy")
        if wanted.get("Failover") and (
            identifier is None or any(r.failover == wanted["Failover"] for r in kin)
        ):
            raise ChangeRefused(
                f"{label}, SetIdentifier {identifier} cannot be created as a failover set with the same "
                f"{wanted['Failover']} exists, or it has no SetIdentifier"
            )
        check = wanted.get("HealthCheckId")
        if check and check not in self._backend.health_checks:
            raise NoSuchHealthCheck(check)
        self._check_values(wanted)

    def _check_values(self, wanted: dict[str, Any]) -> None:
        alias, values = wanted.get("AliasTarget"), wanted.get("ResourceRecords")
        if bool(alias) == bool(values) or (bool(values) and wanted.get("TTL") is None):
            raise Route53ClientError(
                "InvalidInput",
                "Invalid request: Expected exactly one of [AliasTarget, all of [TTL, and ResourceRecords], "
                f"or TrafficPolicyInstanceId], but found none or several in Change with {_label(wanted)}",
            )
        if len(values or ()) > _LIMIT:
            raise ChangeRefused("Number of records limit of 1000 exceeded.")
        for value in values or ():
            _check_value(wanted["Type"], str(value))
        if alias:
            self._check_alias(wanted, alias)

    def _check_alias(self, wanted: dict[str, Any], alias: dict[str, Any]) -> None:
        name, zone_id = alias["DNSName"].lower().rstrip(".") + ".", alias["HostedZoneId"]
        tried = f"Tried to create an alias that targets {name}, type {wanted['Type']} in zone {zone_id}, but "
        if name.endswith(".elb.amazonaws.com."):
            balancer = _balancer(name)
            if balancer is None:
                raise ChangeRefused(f"{tried}that target was not found")
            if balancer.canonical_hosted_zone_id != zone_id:
                raise ChangeRefused(f"{tried}the alias target name does not lie within the target zone")
            alias["DNSName"] = name
            return
        zone = self._backend.zones.get(zone_id.removeprefix("/hostedzone/"))
        if zone is None or not name.endswith("." + zone.name):
            raise ChangeRefused(f"{tried}the alias target name does not lie within the target zone")
        records = self.records if zone is self._zone else zone.rrsets
        if not any(r.name == name and r.type == wanted["Type"] for r in records):
            raise ChangeRefused(f"{tried}that target was not found")
        alias["DNSName"] = name


def _balancer(name: str) -> Any | None:
    wanted = name.removeprefix("dualstack.").rstrip(".")
    for backend in list(elbv2_backends[ACCOUNT].values()):
        for balancer in list(backend.load_balancers.values()):
            if balancer.dns_name.lower() == wanted:
                return balancer
    return None


def _label(wanted: dict[str, Any]) -> str:
    label = f"[name='{wanted['Name']}', type='{wanted['Type']}'"
    return label + (f", set identifier='{wanted['SetIdentifier']}']" if wanted.get("SetIdentifier") else "]")


def _alias(target: dict[str, Any] | None) -> tuple[str, str] | None:
    return (target["HostedZoneId"], target["DNSName"].lower().rstrip(".")) if target else None


def _check_value(kind: str, value: str) -> None:
    """Refuse what is no value of its type: one that the name servers could not read would stop the zone."""
    fault = ""
    if kind == "TXT" and not value.startswith('"'):
        fault = "Value should be enclosed in quotation marks"
    try:
        rdata.from_text(rdataclass.IN, rdatatype.from_text(kind), value)
    except (DNSException, ValueError) as wrong:
        fault = str(wrong)
    if fault:
        raise ChangeRefused(f"Invalid Resource Record: FATAL problem: {fault} encountered with '{value}'")
