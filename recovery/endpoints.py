"""The only module that opens DNS, HTTP and PostgreSQL connections; where they go is configuration.

LIFEBOAT_DNS: comma-separated `host:port` of resolvers to ask instead of the machine's own.
LIFEBOAT_CA: file of certificate authorities to trust besides the usual ones.
LIFEBOAT_PORT_OFFSET: added to ports below 1024 (for networks where those cannot be bound).
"""

from __future__ import annotations

import os
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from recovery.errors import ActionFailed

if TYPE_CHECKING:
    import psycopg

PUBLIC_RESOLVERS = ("1.1.1.1:53", "8.8.8.8:53", "9.9.9.9:53")
"""Caching resolvers whose answers are watched during a cutover when LIFEBOAT_DNS names none."""


@dataclass(frozen=True)
class Reply:
    """An HTTP response, read to the end."""

    status: int
    headers: Mapping[str, str]
    text: str


@dataclass(frozen=True)
class Answer:
    """What one DNS server said: the CNAME chain and the addresses at its end."""

    server: str
    code: str
    """NOERROR, NXDOMAIN, SERVFAIL, ... or TIMEOUT."""
    chain: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()


@dataclass(frozen=True)
class Endpoints:
    """How names are resolved and connections opened. Immutable; one for a process is enough."""

    resolvers: tuple[str, ...] = ()
    authority: str | None = None
    port_offset: int = 0

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] | None = None) -> Endpoints:
        """As the environment says."""
        env = os.environ if environ is None else environ
        resolvers = tuple(part.strip() for part in env.get("LIFEBOAT_DNS", "").split(",") if part.strip())
        return cls(resolvers, env.get("LIFEBOAT_CA") or None, int(env.get("LIFEBOAT_PORT_OFFSET", "0")))

    def port(self, port: int) -> int:
        """The port to connect to for a service's well-known port."""
        return port + self.port_offset if port < 1024 else port

    @cached_property
    def tls(self) -> ssl.SSLContext:
        """Certificates are always verified."""
        context = ssl.create_default_context()
        if self.authority:
            context.load_verify_locations(self.authority)
        return context

    # --- DNS -----------------------------------------------------------------------------------------------

    def watched_resolvers(self) -> tuple[str, ...]:
        """Caching resolvers that stand for the customers'."""
        return self.resolvers or PUBLIC_RESOLVERS

    def ask(self, server: str, name: str, *, recursive: bool, timeout: float = 1.0) -> Answer:
        """What the server (`host:port`) answers for the name's addresses. Never raises."""
        import dns.exception
        import dns.flags
        import dns.message
        import dns.query
        import dns.rcode
        import dns.rdatatype

        host, _, port = server.rpartition(":")
        query = dns.message.make_query(name, "A")
        if not recursive:
            query.flags &= ~dns.flags.RD
        try:
            reply, _ = dns.query.udp_with_fallback(query, host, timeout=timeout, port=int(port))
        except (OSError, dns.exception.DNSException):
            return Answer(server, "TIMEOUT")
        chain: list[str] = []
        addresses: list[str] = []
        for rrset in reply.answer:
            for record in rrset:
                text = record.to_text().rstrip(".").lower()
                (chain if rrset.rdtype == dns.rdatatype.CNAME else addresses).append(text)
        return Answer(server, dns.rcode.to_text(reply.rcode()), tuple(chain), tuple(addresses))

    def resolve(self, name: str, *, timeout: float = 2.0) -> tuple[str, ...]:
        """Addresses of the name; empty when no resolver knows any."""
        if not self.resolvers:
            import socket

            try:
                found = socket.getaddrinfo(name, None, socket.AF_INET, socket.SOCK_STREAM)
            except OSError:
                return ()
            return tuple(sorted({str(entry[4][0]) for entry in found}))
        for resolver in self.resolvers:
            answer = self.ask(resolver, name, recursive=True, timeout=timeout)
            if answer.addresses:
                return answer.addresses
        return ()

    # --- HTTP ----------------------------------------------------------------------------------------------

    def https(
        self, method: str, host: str, path: str, *, connect_to: str | None = None,
        headers: Mapping[str, str] | None = None, json: Any = None, timeout: float = 5.0,
    ) -> Reply:  # fmt: skip
        """Request `https://host/path`, connecting to the addresses of `connect_to` (default: of the host).

        The certificate must be the host's. ActionFailed when no address answers.
        """
        import httpx

        addresses = self.resolve(connect_to or host)
        if not addresses:
            raise ActionFailed(f"{connect_to or host} does not resolve")
        port = self.port(443)
        trouble = ""
        for address in addresses:
            try:
                with httpx.Client(verify=self.tls, timeout=timeout, trust_env=False) as client:
                    request = client.build_request(
                        method, f"https://{address}:{port}{path}", json=json,
                        headers={"Host": host, **(headers or {})}, extensions={"sni_hostname": host},
                    )  # fmt: skip
                    reply = client.send(request)
                    return Reply(reply.status_code, dict(reply.headers), reply.text)
            except httpx.HTTPError as error:
                trouble = f"{type(error).__name__}: {error}".rstrip(": ")
        raise ActionFailed(f"https://{host}{path} at {', '.join(addresses)}: {trouble}")

    # --- PostgreSQL (runners only: no laptop reaches a site's database) -------------------------------------

    def postgres(
        self, host: str, port: int, database: str, user: str, password: str, *, timeout: float = 5.0
    ) -> psycopg.Connection[tuple[Any, ...]]:
        """A connection over TLS, committing each statement; psycopg.OperationalError when there is none."""
        import psycopg

        return psycopg.connect(
            host=host,
            port=port,
            dbname=database,
            user=user,
            password=password,
            autocommit=True,
            connect_timeout=max(2, round(timeout)),
            application_name="lifeboat",
            sslmode="verify-ca" if self.authority else "require",
            sslrootcert=self.authority,
        )
