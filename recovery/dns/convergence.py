"""Watch a name until every authoritative server and every watched resolver leads to the new site."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from infra.outputs import EdgeContract, SiteContract
from recovery.endpoints import Answer, Endpoints


@dataclass(frozen=True)
class Server:
    """One server that is watched."""

    label: str
    address: str
    """`host:port`."""
    authoritative: bool


def watched(endpoints: Endpoints, edge: EdgeContract) -> Sequence[Server]:
    """The origin zone's name servers, and caching resolvers that stand for the customers'.

    A name server whose own name does not resolve is left out: no customer can ask it either.
    """
    servers = []
    for name in edge.origin_zone.name_servers:
        addresses = endpoints.resolve(name.rstrip("."))
        if addresses:
            servers.append(Server(name.rstrip("."), f"{addresses[0]}:{endpoints.port(53)}", True))
    servers += [Server(resolver, resolver, False) for resolver in endpoints.watched_resolvers()]
    return servers


def leads_to(endpoints: Endpoints, server: Server, edge: EdgeContract, site: SiteContract) -> bool:
    """Whether the server's answer for the service is the site's origin."""
    name = edge.failover_name if server.authoritative else edge.service_name
    answer = endpoints.ask(server.address, name, recursive=not server.authoritative)
    return _is(answer, site)


def wrong(
    endpoints: Endpoints, servers: Sequence[Server], edge: EdgeContract, site: SiteContract
) -> list[Server]:
    """Servers that do not lead to the site (asked side by side)."""
    if not servers:
        return []
    with ThreadPoolExecutor(min(8, len(servers))) as pool:
        good = pool.map(lambda server: leads_to(endpoints, server, edge, site), servers)
        return [server for server, ok in zip(servers, good, strict=True) if not ok]


def _is(answer: Answer, site: SiteContract) -> bool:
    """The chain's last name is the site's origin (an alias shows only as addresses behind it)."""
    if answer.code != "NOERROR" or not answer.addresses:
        return False
    return bool(answer.chain) and site.web.origin_name.rstrip(".").lower() in answer.chain
