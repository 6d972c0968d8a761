"""Customers of the company, and the only ones who measure: they know its public name, and nothing else.

Several clients resolve the name through the world's caching resolvers, write numbered rows over HTTPS
(`POST /orders`), trust the world's authority only, and remember every acknowledged row; at the end they
read back what is there (`GET /orders`). What they saw is kept as JSON lines for whoever wants to check.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import random
import ssl
import threading
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rehearsal import pki
from rehearsal.measures import Loss, Request

if TYPE_CHECKING:
    import httpx

    from rehearsal.world import WorldSettings

_CONNECT_SECONDS, _ANSWER_SECONDS = 0.75, 2.0
"""Patience of a customer, in wall time: not scaled, since shop and database run at the laptop's speed."""
_RESOLVE_SECONDS = 1.0
_STOP_SECONDS = 10.0


@dataclass(frozen=True)
class Habits:
    """How the customers behave. `every`: seconds of wall time between the writes of one client."""

    clients: int = 4
    every: float = 0.2


class NoAddress(Exception):
    """The name does not lead anywhere."""


class Customers:
    """Start them, lose a region, stop them, ask what they saw. Runs in a thread of its own."""

    def __init__(
        self, settings: WorldSettings, service: str, *, out: Path, habits: Habits | None = None
    ) -> None:
        """`service` is the public name; requests are written to `out` (JSON lines) as they end."""
        self._settings, self._service = settings, service
        self._habits = habits or Habits()
        suffix = f"{int(time.time()):x}"  # a world may have had customers before
        self._names = [f"customer-{n + 1}-{suffix}" for n in range(self._habits.clients)]
        self._tls = ssl.create_default_context(cafile=str(pki.ca_file(settings.home)))
        self._requests: list[Request] = []
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True, name="customers")
        self._file = out.open("a", buffering=1)

    def start(self) -> None:
        """Begin to write."""
        self._thread.start()

    def stop(self) -> None:
        """Let the requests under way end, and write no more."""
        self._stopping.set()
        self._thread.join(_STOP_SECONDS)

    def requests(self) -> tuple[Request, ...]:
        """Everything that ended so far."""
        return tuple(self._requests)

    def acknowledged(self) -> int:
        """Rows that the service said it has."""
        return sum(request.ok for request in self.requests())

    def wait_until_served(self, *, in_a_row: int = 5, patience: float = 60.0) -> bool:
        """Wait until each client has had so many successes in a row; False when patience ends before."""
        until = time.monotonic() + patience
        while time.monotonic() < until:
            seen = self.requests()
            if all(_streak(seen, name) >= in_a_row for name in self._names):
                return True
            time.sleep(0.05)
        return False

    def read_back(self, *, patience: float = 20.0) -> Loss:
        """Ask the service for every row again, and compare with what was acknowledged."""
        return asyncio.run(self._read_back(time.monotonic() + patience))

    # --- the clients -------------------------------------------------------------------------------------

    def _run(self) -> None:
        asyncio.run(self._crowd())

    async def _crowd(self) -> None:
        async with asyncio.TaskGroup() as group:
            for n, name in enumerate(self._names):
                group.create_task(self._client(n, name))

    async def _client(self, n: int, name: str) -> None:
        every = self._habits.every
        await asyncio.sleep(every * n / len(self._names))  # they do not all come at once
        async with self._http() as http:
            for number in itertools.count(1):
                if self._stopping.is_set():
                    return
                started = time.time()
                body = {"client": name, "n": number}
                ok, why, address = await self._ask(http, "POST", "/orders", body)
                request = Request(name, number, started, time.time(), ok, why, address)
                self._requests.append(request)
                self._file.write(json.dumps(asdict(request)) + "\n")
                await asyncio.sleep(max(0.0, every - (time.time() - started)))

    async def _ask(
        self, http: httpx.AsyncClient, method: str, path: str, body: Any = None
    ) -> tuple[bool, str, str]:
        import httpx

        address = ""
        try:
            address = await self._resolve()
            reply = await self._send(http, address, method, path, body)
        except (NoAddress, httpx.HTTPError, OSError) as error:
            return False, f"{type(error).__name__}: {error}".rstrip(": "), address
        return reply.status_code == 201, str(reply.status_code), address

    def _http(self) -> httpx.AsyncClient:
        import httpx

        timeout = httpx.Timeout(_ANSWER_SECONDS, connect=_CONNECT_SECONDS)
        return httpx.AsyncClient(verify=self._tls, timeout=timeout, trust_env=False)

    async def _send(
        self, http: httpx.AsyncClient, address: str, method: str, path: str, body: Any = None
    ) -> httpx.Response:
        url = f"https://{address}:{self._settings.port(443)}{path}"
        async with asyncio.timeout(_CONNECT_SECONDS + _ANSWER_SECONDS):
            return await http.request(
                method,
                url,
                json=body,
                headers={"Host": self._service},
                extensions={"sni_hostname": self._service},
            )

    async def _resolve(self) -> str:
        """As an operating system does: ask a resolver, and the other one when it says nothing."""
        import dns.asyncquery
        import dns.exception
        import dns.message
        import dns.rdatatype

        query = dns.message.make_query(self._service, "A")
        resolvers = random.sample(self._settings.resolver_addresses(), 2)
        trouble = "no resolver answers"
        for resolver in resolvers:
            try:
                reply = await dns.asyncquery.udp(
                    query, resolver, timeout=_RESOLVE_SECONDS, port=self._settings.port(53)
                )
            except (dns.exception.DNSException, OSError):
                continue
            found = [str(r) for rrset in reply.answer if rrset.rdtype == dns.rdatatype.A for r in rrset]
            if found:
                return random.choice(found)
            trouble = f"{self._service} has no address"
        raise NoAddress(trouble)

    # --- reading back ------------------------------------------------------------------------------------

    async def _read_back(self, until: float) -> Loss:
        lost: list[Request] = []
        unread: list[str] = []
        async with self._http() as http:
            for name in self._names:
                # before asking: what is acknowledged while the answer is on its way cannot be in it
                mine = [r for r in self.requests() if r.ok and r.client == name]
                there = await self._rows_of(http, name, until)
                if there is None:
                    unread.append(name)
                else:
                    lost += [r for r in mine if r.n not in there]
        return Loss(tuple(lost), tuple(unread))

    async def _rows_of(self, http: httpx.AsyncClient, name: str, until: float) -> frozenset[int] | None:
        import httpx

        while time.monotonic() < until:
            try:
                address = await self._resolve()
                reply = await self._send(http, address, "GET", f"/orders?client={name}")
                if reply.status_code == 200:
                    return frozenset(int(n) for n in reply.json()["n"])
            except (NoAddress, httpx.HTTPError, OSError, ValueError, KeyError):
                pass
            await asyncio.sleep(0.2)
        return None


def _streak(requests: tuple[Request, ...], client: str) -> int:
    mine = reversed([r for r in requests if r.client == client])
    return len(list(itertools.takewhile(lambda r: r.ok, mine)))
