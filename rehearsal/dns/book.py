"""What the world's name servers know, and how Route 53 answers from it. Pure: a value in, an answer out.

Built from the feed's sections `zones` (rehearsal.aws.names), `check-status` (rehearsal.dns.checks) and
`balancers` (`dns_name` and `address` of each load balancer). Semantics: Route 53 Developer Guide, "How
Route 53 chooses records when health checking is configured".
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.rrset

ALIAS_TTL = 60
"""An alias to a load balancer answers with 60 s, whatever is asked for (Route 53 Developer Guide)."""
PROVIDER_TTL = 60
_PROVIDER = (dns.name.from_text("amazonaws.com."), *(dns.name.from_text(f"awsdns-{n}.{tld}.") for n, tld in
             ((64, "com"), (65, "net"), (66, "org"), (67, "co.uk"))))  # fmt: skip
_HOPS = 8


@dataclass(frozen=True)
class Alias:
    """An alias target: a name in a zone of ours, or a load balancer."""

    name: dns.name.Name
    evaluate: bool


@dataclass(frozen=True)
class Record:
    """One record set as Route 53 holds it."""

    name: dns.name.Name
    type: dns.rdatatype.RdataType
    ttl: int = 0
    values: tuple[str, ...] = ()
    failover: str | None = None
    """PRIMARY, SECONDARY or None (simple)."""
    check: str | None = None
    alias: Alias | None = None


@dataclass(frozen=True)
class Zone:
    """A public hosted zone."""

    name: dns.name.Name
    records: tuple[Record, ...]

    def at(self, name: dns.name.Name, kind: dns.rdatatype.RdataType) -> tuple[Record, ...]:
        """The record sets of that name and type; several only in a failover set."""
        return tuple(r for r in self.records if r.name == name and r.type == kind)

    def has(self, name: dns.name.Name) -> bool:
        """Whether the name exists, itself or as a step towards another name (RFC 8020)."""
        return any(r.name.is_subdomain(name) for r in self.records)


@dataclass(frozen=True)
class Book:
    """Everything that a name server answers from."""

    zones: tuple[Zone, ...] = ()
    unhealthy: frozenset[str] = frozenset()
    """Ids of health checks that are unhealthy; all others count as healthy, as Route 53 has it."""
    addresses: Mapping[dns.name.Name, tuple[str, ...]] = field(default_factory=dict)
    """Names that are the provider's own: load balancers, name servers."""
    s3_address: str = ""
    """Where `*.s3.<region>.amazonaws.com` is served."""

    def answer(self, query: dns.message.Message) -> dns.message.Message:
        """The authoritative response; REFUSED for names that are nobody's here."""
        response = dns.message.make_response(query)
        if len(query.question) != 1 or query.opcode() != 0:
            response.set_rcode(dns.rcode.NOTIMP)
            return response
        question = query.question[0]
        zone = self._zone_of(question.name)
        if zone is not None:
            response.flags |= dns.flags.AA
            self._from_zone(zone, question.name, question.rdtype, response)
        elif self._is_provider(question.name):
            response.flags |= dns.flags.AA
            self._from_provider(question.name, question.rdtype, response)
        else:
            response.set_rcode(dns.rcode.REFUSED)
        return response

    def resolve(self, name: str) -> tuple[str, ...]:
        """IPv4 addresses of a name as of this moment, CNAMEs followed; empty when there are none."""
        wanted = dns.name.from_text(name)
        for _ in range(_HOPS):
            response = self.answer(dns.message.make_query(wanted, dns.rdatatype.A))
            found = [r for rrset in response.answer if rrset.rdtype == dns.rdatatype.A for r in rrset]
            if found:
                return tuple(str(r) for r in found)
            aliases = [rrset for rrset in response.answer if rrset.rdtype == dns.rdatatype.CNAME]
            if not aliases:
                return ()
            wanted = aliases[-1][0].target
        return ()

    # --- hosted zones -----------------------------------------------------------------------------------

    def _zone_of(self, name: dns.name.Name) -> Zone | None:
        """The zone that a resolver would end up at: a sub-zone counts only if its parent delegates to it."""
        candidates = sorted((z for z in self.zones if name.is_subdomain(z.name)), key=lambda z: len(z.name))
        reached: Zone | None = None
        for zone in candidates:
            if reached is None or reached.at(zone.name, dns.rdatatype.NS):
                reached = zone
        return reached

    def _from_zone(
        self, zone: Zone, name: dns.name.Name, kind: dns.rdatatype.RdataType, response: dns.message.Message
    ) -> None:
        exists = zone.has(name)
        for _ in range(_HOPS):
            found = self._rrset(zone, name, kind)
            if found is not None:
                response.answer.append(found)
                return
            cname = self._rrset(zone, name, dns.rdatatype.CNAME)
            if cname is None:
                break
            response.answer.append(cname)
            name = cname[0].target
            # Route 53 goes on within the zone only; the rest is the resolver's work
            if self._zone_of(name) is not zone:
                return
        soa = self._rrset(zone, zone.name, dns.rdatatype.SOA)
        if soa is not None:
            response.authority.append(soa)
        if not exists:
            response.set_rcode(dns.rcode.NXDOMAIN)

    def _rrset(
        self, zone: Zone, name: dns.name.Name, kind: dns.rdatatype.RdataType
    ) -> dns.rrset.RRset | None:
        chosen = self._choose(zone.at(name, kind))
        if chosen is None:
            return None
        if chosen.alias is None:
            return _rrset(name, chosen.ttl, kind, chosen.values)
        values, ttl = self._alias(chosen.alias, kind)
        return _rrset(name, ttl, kind, values) if values else None

    def _alias(self, alias: Alias, kind: dns.rdatatype.RdataType) -> tuple[tuple[str, ...], int]:
        if alias.name in self.addresses:
            return (self.addresses[alias.name] if kind == dns.rdatatype.A else ()), ALIAS_TTL
        zone = self._zone_of(alias.name)
        target = self._rrset(zone, alias.name, kind) if zone else None
        return (tuple(str(r) for r in target), target.ttl) if target else ((), 0)

    def _choose(self, records: tuple[Record, ...]) -> Record | None:
        """The primary if healthy, else the secondary if healthy, else the primary after all."""
        if not records:
            return None
        ordered = sorted(records, key=lambda r: r.failover != "PRIMARY")
        healthy = [r for r in ordered if self._healthy(r)]
        return (healthy or ordered)[0]

    def _healthy(self, record: Record, hops: int = _HOPS) -> bool:
        if record.check in self.unhealthy:
            return False
        if record.alias is None or not record.alias.evaluate or hops == 0:
            return True
        if record.alias.name in self.addresses:
            return bool(self.addresses[record.alias.name])
        zone = self._zone_of(record.alias.name)
        targets = zone.at(record.alias.name, record.type) if zone else ()
        return any(self._healthy(t, hops - 1) for t in targets)

    # --- the provider's own names -----------------------------------------------------------------------

    def _is_provider(self, name: dns.name.Name) -> bool:
        return any(name.is_subdomain(p) for p in _PROVIDER)

    def _from_provider(
        self, name: dns.name.Name, kind: dns.rdatatype.RdataType, response: dns.message.Message
    ) -> None:
        addresses = self.addresses.get(name, ())
        labels = [label.decode().lower() for label in name.labels]
        if not addresses and self.s3_address and len(labels) >= 5 and labels[-5] == "s3":
            addresses = (self.s3_address,)
        if addresses and kind == dns.rdatatype.A:
            response.answer.append(_rrset(name, PROVIDER_TTL, kind, addresses))
            return
        response.authority.append(
            _rrset(_PROVIDER[0], PROVIDER_TTL, dns.rdatatype.SOA, ("ns. hostmaster. 1 7200 900 1209600 60",))
        )
        if not addresses:
            response.set_rcode(dns.rcode.NXDOMAIN)


@functools.lru_cache(512)
def _rrset(
    name: dns.name.Name, ttl: int, kind: dns.rdatatype.RdataType, values: tuple[str, ...]
) -> dns.rrset.RRset:
    # made once, sent often: nobody changes an answer
    # Route 53 reads a name in a value as absolute, with or without its last dot
    return dns.rrset.from_text_list(
        name, ttl, dns.rdataclass.IN, kind, list(values), origin=dns.name.root, relativize=False
    )


NAME_SERVERS = (
    "ns-2048.awsdns-64.com",
    "ns-2049.awsdns-65.net",
    "ns-2050.awsdns-66.org",
    "ns-2051.awsdns-67.co.uk",
)
"""Names of the four name servers of every hosted zone (moto's delegation set), in address order."""


def build(
    zones: Any, status: Any, balancers: Any, *, servers: tuple[str, ...] = (), s3_address: str = ""
) -> Book:
    """The book from the feed's sections, each of which may be None (nothing published yet).

    `zones`: `{"zones": [{"name", "records": [{"name", "type", "ttl", "values", "failover", "check",
    "alias": {"name", "evaluate"} | null}]}]}`; `status`: `{"checks": {id: {"healthy": bool}}}`;
    `balancers`: any JSON with objects that have `dns_name` and `address`.
    """
    addresses: dict[dns.name.Name, tuple[str, ...]]
    addresses = {dns.name.from_text(n): (a,) for n, a in zip(NAME_SERVERS, servers, strict=False)}
    addresses |= {dns.name.from_text(n): a for n, a in _balancers(balancers)}
    checks = (status or {}).get("checks", {})
    return Book(
        zones=tuple(_zone(z) for z in (zones or {}).get("zones", ())),
        unhealthy=frozenset(i for i, c in checks.items() if not c["healthy"]),
        addresses=addresses,
        s3_address=s3_address,
    )


def _balancers(section: Any) -> Iterable[tuple[str, tuple[str, ...]]]:
    if isinstance(section, dict) and "dns_name" in section:
        address = section.get("address") or ()
        yield section["dns_name"], (address,) if isinstance(address, str) else tuple(address)
    elif isinstance(section, dict | list):
        for part in section.values() if isinstance(section, dict) else section:
            yield from _balancers(part)


def _zone(data: Any) -> Zone:
    return Zone(dns.name.from_text(data["name"]), tuple(_record(r) for r in data["records"]))


def _record(data: Any) -> Record:
    alias = data.get("alias")
    return Record(
        name=dns.name.from_text(data["name"]),
        type=dns.rdatatype.from_text(data["type"]),
        ttl=int(data.get("ttl") or 0),
        values=tuple(data.get("values") or ()),
        failover=data.get("failover"),
        check=data.get("check"),
        alias=Alias(dns.name.from_text(alias["name"]), alias["evaluate"]) if alias else None,
    )
