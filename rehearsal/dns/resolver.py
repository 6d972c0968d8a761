"""A caching resolver, as customers' providers run them: it asks the name servers and remembers.

What it remembers ages `scale` times as fast as a clock, so that a TTL of 60 s passes in half a second at
the default scale; answers carry the TTL that is left, in the cloud's seconds. Names that do not exist are
remembered too (RFC 2308), and with every name server dead it says SERVFAIL.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass

import dns.asyncquery
import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import dns.rrset

_HOPS = 8
_UPSTREAM_SECONDS = 0.5
"""Wall time that one name server gets for its answer; local, so it is not scaled."""


@dataclass(frozen=True)
class _Entry:
    rcode: dns.rcode.Rcode
    answer: tuple[dns.rrset.RRset, ...]
    authority: tuple[dns.rrset.RRset, ...]
    expires: float


@dataclass(frozen=True)
class Upstream:
    """The authoritative servers that the resolver asks, in random order."""

    addresses: tuple[str, ...]
    port: int


class Resolver:
    """One resolver with one cache."""

    def __init__(
        self,
        upstream: Upstream,
        scale: float,
        *,
        clock: Callable[[], float] = time.monotonic,
        seed: int | None = None,
    ) -> None:
        self._upstream, self._scale, self._clock = upstream, scale, clock
        self._random = random.Random(seed)
        self._cache: dict[tuple[dns.name.Name, dns.rdatatype.RdataType], _Entry] = {}

    async def answer(self, query: dns.message.Message) -> dns.message.Message:
        """Resolve fully, CNAMEs followed."""
        response = dns.message.make_response(query, recursion_available=True)
        if len(query.question) != 1:
            response.set_rcode(dns.rcode.NOTIMP)
            return response
        name, kind = query.question[0].name, query.question[0].rdtype
        for _ in range(_HOPS):
            entry = await self._lookup(name, kind)
            if entry is None:
                response.set_rcode(dns.rcode.SERVFAIL)
                return response
            left = max(0, int((entry.expires - self._clock()) * self._scale))
            response.answer.extend(_aged(rrset, left) for rrset in entry.answer)
            last = entry.answer[-1] if entry.answer else None
            if last is None or last.rdtype != dns.rdatatype.CNAME or kind == dns.rdatatype.CNAME:
                response.set_rcode(entry.rcode)
                response.authority.extend(_aged(rrset, left) for rrset in entry.authority)
                return response
            name = last[0].target
        response.set_rcode(dns.rcode.SERVFAIL)
        return response

    async def _lookup(self, name: dns.name.Name, kind: dns.rdatatype.RdataType) -> _Entry | None:
        """One step: an answer of the kind, or one CNAME, or that there is none; None when nobody answers."""
        now = self._clock()
        for key in ((name, kind), (name, dns.rdatatype.CNAME)):
            entry = self._cache.get(key)
            if entry is not None and entry.expires > now:
                return entry
        response = await self._ask(name, kind)
        if response is None or response.rcode() not in (dns.rcode.NOERROR, dns.rcode.NXDOMAIN):
            return None
        first = next((r for r in response.answer if r.name == name), None)
        if first is None:
            ttl = min((min(r.ttl, r[0].minimum) for r in response.authority if _is_soa(r)), default=0)
            entry = _Entry(response.rcode(), (), tuple(response.authority), now + ttl / self._scale)
            self._cache[name, kind] = entry
        else:
            entry = _Entry(dns.rcode.NOERROR, (first,), (), now + first.ttl / self._scale)
            self._cache[name, first.rdtype] = entry
        return entry

    async def _ask(self, name: dns.name.Name, kind: dns.rdatatype.RdataType) -> dns.message.Message | None:
        query = dns.message.make_query(name, kind)
        query.flags &= ~dns.flags.RD
        servers = list(self._upstream.addresses)
        self._random.shuffle(servers)
        for server in servers:
            try:
                response, _ = await dns.asyncquery.udp_with_fallback(
                    query, server, timeout=_UPSTREAM_SECONDS, port=self._upstream.port
                )
            except (dns.exception.DNSException, OSError):
                continue
            return response
        return None


def _is_soa(rrset: dns.rrset.RRset) -> bool:
    return rrset.rdtype == dns.rdatatype.SOA


def _aged(rrset: dns.rrset.RRset, left: int) -> dns.rrset.RRset:
    return dns.rrset.from_rdata_list(rrset.name, min(left, rrset.ttl), list(rrset))
