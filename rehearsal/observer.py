"""Watches a name on every name server and resolver of the world, and notes when each one changed its mind."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rehearsal.world import WorldSettings

_EVERY_SECONDS = 0.2
_PATIENCE_SECONDS = 0.5
NO_ADDRESS = "-"


@dataclass(frozen=True)
class Turn:
    """From `at` (epoch seconds) on, `server` answered with `region`."""

    server: str
    at: float
    region: str
    """The world's region whose address was given; `-` when there was none."""


class Observer:
    """Asks all six servers five times a second, from a thread of its own.

    Name servers are asked for the failover name (they follow a CNAME only within its zone), resolvers for
    the service name, as customers do.
    """

    def __init__(self, settings: WorldSettings, *, service: str, failover_name: str, out: Path) -> None:
        self._settings = settings
        self._asks = dict.fromkeys(settings.name_server_addresses(), failover_name)
        self._asks |= dict.fromkeys(settings.resolver_addresses(), service)
        self._turns: list[Turn] = []
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), daemon=True, name="observer")
        self._file = out.open("a", buffering=1)

    def start(self) -> None:
        """Begin to watch."""
        self._thread.start()

    def stop(self) -> None:
        """Watch no more."""
        self._stopping.set()
        self._thread.join(5)

    def turns(self) -> tuple[Turn, ...]:
        """Every change seen so far, the first answer of each server included."""
        return tuple(self._turns)

    def switched(self, region: str, *, since: float) -> dict[str, float | None]:
        """For each server, seconds from `since` until it answered with `region` for good; None: it does not.

        0 when it did so already before.
        """
        found: dict[str, float | None] = {}
        for server in self._asks:
            last = [turn for turn in self.turns() if turn.server == server][-1:]
            right = last and last[0].region == region
            found[server] = max(0.0, last[0].at - since) if right else None
        return found

    async def _run(self) -> None:
        async with asyncio.TaskGroup() as group:
            for server, name in self._asks.items():
                group.create_task(self._watch(server, name))

    async def _watch(self, server: str, name: str) -> None:
        known = ""
        while not self._stopping.is_set():
            started = time.time()
            region = await self._ask(server, name)
            if region and region != known:
                known = region
                turn = Turn(server, time.time(), region)
                self._turns.append(turn)
                self._file.write(json.dumps(asdict(turn)) + "\n")
            await asyncio.sleep(max(0.01, _EVERY_SECONDS - (time.time() - started)))

    async def _ask(self, server: str, name: str) -> str:
        """The region that the server sends customers to; empty when it says nothing."""
        import dns.asyncquery
        import dns.exception
        import dns.message
        import dns.rdatatype

        try:
            reply = await dns.asyncquery.udp(
                dns.message.make_query(name, "A"),
                server,
                timeout=_PATIENCE_SECONDS,
                port=self._settings.port(53),
            )
        except (dns.exception.DNSException, OSError):
            return ""
        found = [str(r) for rrset in reply.answer if rrset.rdtype == dns.rdatatype.A for r in rrset]
        return self._settings.region_of(found[0]) if found else NO_ADDRESS
