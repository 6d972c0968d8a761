"""Route 53's health checkers: two places of the world that really open connections to endpoints.

Each place asks each endpoint every `interval` (divided by the scale) and counts successes and failures in
a row; an endpoint is healthy while more than 18 % of the places say so (Route 53 Developer Guide, "How
Route 53 determines whether a health check is healthy"). Certificates are not validated, as with AWS.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict

from rehearsal.feed import Section
from rehearsal.log import log
from rehearsal.world import publish

if TYPE_CHECKING:
    from rehearsal.dns import BookKeeper
    from rehearsal.world import WorldSettings

PLACES = ("us-west-1", "ap-southeast-1")
"""Two of the eight regions that Route 53 checks from: each more costs the laptop ten handshakes a second."""
QUORUM = 0.18
CONNECT_SECONDS, ANSWER_SECONDS = 4.0, 2.0
"""What a cloud's checker gives an endpoint; a lost region's silence costs this, divided by the scale."""
LOCAL_SECONDS = 2.0
"""Wall time that a living endpoint gets: it and its checker share a laptop, so this is not scaled."""
_TICK_S = 0.1
_SEARCHED_BYTES = 5120


class Check(BaseModel):
    """A health check, as rehearsal.aws.names_checks publishes it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
    type: str
    fqdn: str | None
    ip: str | None
    port: int
    path: str
    search: str | None
    interval: int
    threshold: int
    inverted: bool
    disabled: bool
    sni: bool
    children: tuple[str, ...]
    healthy_children: int


@dataclass
class Place:
    """What one checker knows of one endpoint; healthy until there is enough data, as AWS has it."""

    region: str
    healthy: bool = True
    in_a_row: int = 0
    last_ok: bool = True
    status: str = ""
    ip: str = ""
    at: float = 0.0

    def note(self, ok: bool, status: str, ip: str, threshold: int) -> None:
        """Count an answer; the place changes its mind after `threshold` equal ones in a row."""
        self.in_a_row = self.in_a_row + 1 if ok == self.last_ok else 1
        self.last_ok, self.status, self.ip, self.at = ok, status, ip, time.time()
        if self.in_a_row >= threshold:
            self.healthy = ok


@dataclass
class Watch:
    """One endpoint check, its places and the tasks that ask for them."""

    check: Check
    places: tuple[Place, ...] = field(default_factory=lambda: tuple(Place(region) for region in PLACES))
    tasks: list[asyncio.Task[None]] = field(default_factory=list)


def healthy(check: Check, watches: Mapping[str, Watch], checks: Mapping[str, Check], depth: int = 8) -> bool:
    """Whether Route 53 counts the check as healthy.

    Disabled means healthy (unhealthy when inverted); an endpoint without enough data is healthy, and
    unhealthy when inverted (API Reference, HealthCheckConfig).
    """
    if check.disabled:
        raw = True
    elif check.type == "CALCULATED":
        known = [checks[child] for child in check.children if child in checks]
        good = sum(healthy(child, watches, checks, depth - 1) for child in known) if depth else 0
        raw = good >= check.healthy_children
    else:
        watch = watches.get(check.id)
        said = [place.healthy for place in watch.places] if watch else [True]
        raw = sum(said) / len(said) > QUORUM
    return raw is not check.inverted


async def serve(settings: WorldSettings) -> None:
    """Run the checkers for ever; their verdicts go to the feed's section `check-status`."""
    from rehearsal.dns import BookKeeper

    prober = Prober(settings, BookKeeper(settings))
    section = Section(settings.home / "feed", "health-checks")
    watches: dict[str, Watch] = {}
    checks: dict[str, Check] = {}
    published, at = "", 0.0
    while True:
        if section.changed():
            declared = (section.value or {}).get("checks", ())
            checks = {c["id"]: Check.model_validate(c) for c in declared}
            _reconcile(watches, checks, prober)
        status = {identifier: _report(check, watches, checks) for identifier, check in checks.items()}
        verdict = repr(
            [(i, s["healthy"], [o["status"] for o in s["observations"]]) for i, s in status.items()]
        )
        # times alone change with every probe: once a second is enough for them
        if verdict != published or time.monotonic() - at > 1:
            publish(settings.home / "feed", "check-status", {"checks": status})
            published, at = verdict, time.monotonic()
        await asyncio.sleep(_TICK_S)


def _report(check: Check, watches: Mapping[str, Watch], checks: Mapping[str, Check]) -> dict[str, Any]:
    verdict = healthy(check, watches, checks)
    watch = watches.get(check.id)
    if watch is None:  # a calculated check has no endpoint: AWS reports its verdict as an observation
        good = sum(healthy(checks[c], watches, checks) for c in check.children if c in checks)
        word = "Success" if verdict else "Failure"
        text = f"{word}: {good} of {len(check.children)} child health checks healthy"
        seen = [{"region": PLACES[0], "ip": "", "status": text, "at": time.time()}]
    else:
        seen = [
            {"region": p.region, "ip": p.ip, "status": p.status, "at": p.at} for p in watch.places if p.status
        ]
    return {"healthy": verdict, "observations": seen}


def _reconcile(watches: dict[str, Watch], checks: Mapping[str, Check], prober: Prober) -> None:
    """Start, restart and stop asking so that exactly the declared endpoints are asked, as declared."""
    for identifier in list(watches):
        if checks.get(identifier) != watches[identifier].check:
            old = watches.pop(identifier)
            for task in old.tasks:
                task.cancel()
            new = checks.get(identifier)
            if new is not None and new.type != "CALCULATED":  # a changed check keeps what is known of it
                watches[identifier] = Watch(new, old.places)
    for identifier, check in checks.items():
        if check.type != "CALCULATED" and identifier not in watches:
            watches[identifier] = Watch(check)
    for watch in watches.values():
        if not watch.tasks and not watch.check.disabled:
            watch.tasks = [
                asyncio.create_task(prober.run(watch.check, place, n / len(PLACES)))
                for n, place in enumerate(watch.places)
            ]


class Prober:
    """Opens the connections."""

    def __init__(self, settings: WorldSettings, keeper: BookKeeper) -> None:
        self._settings, self._keeper = settings, keeper
        self._regions = Section(settings.home / "feed", "regions")
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self._context.check_hostname = False
        self._context.verify_mode = ssl.CERT_NONE

    async def run(self, check: Check, place: Place, phase: float) -> None:
        """Ask for one place until cancelled, at its own phase of the interval."""
        interval = check.interval / self._settings.scale
        await asyncio.sleep(interval * phase)
        while True:
            started = time.monotonic()
            if place.region not in self._lost():  # a checker in a lost region says nothing more
                try:
                    place.note(*await self.ask(check), check.threshold)
                except Exception:
                    log.exception("health checker failed", check=check.id)
            await asyncio.sleep(max(0.01, interval - (time.monotonic() - started)))

    async def ask(self, check: Check) -> tuple[bool, str, str]:
        """Ask once: whether the endpoint is well, AWS's sentence for it, and the address asked."""
        ip = check.ip or next(iter(self._keeper.book().resolve(check.fqdn or "")), "")
        if not ip:
            return False, f"Failure: DNS resolution failed: no address for {check.fqdn}", ""
        if self._settings.region_of(ip) in self._lost():
            await asyncio.sleep(CONNECT_SECONDS / self._settings.scale)
            return (
                False,
                "Failure: Connection timed out. The endpoint or the internet connection is down.",
                ip,
            )
        try:
            async with asyncio.timeout(LOCAL_SECONDS):
                ok, status = await self._speak(check, ip)
        except TimeoutError:
            return False, "Failure: The health checker did not get a response in time.", ip
        except (OSError, asyncio.IncompleteReadError, ValueError) as error:
            return False, f"Failure: The health checker could not connect: {error}", ip
        return ok, status, ip

    async def _speak(self, check: Check, ip: str) -> tuple[bool, str]:
        secure = check.type.startswith("HTTPS")
        name = check.fqdn if check.sni and check.fqdn else None
        reader, writer = await asyncio.open_connection(
            ip,
            self._settings.port(check.port),
            ssl=self._context if secure else None,
            server_hostname=(name or ip) if secure else None,
        )
        try:
            if check.type == "TCP":
                return True, "Success: TCP connection established."
            host = check.fqdn or ip
            request = f"GET {check.path} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: {_AGENT}\r\n"
            writer.write(f"{request}Accept: */*\r\nConnection: close\r\n\r\n".encode())
            line = (await reader.readline()).decode("latin-1").split(" ", 2)
            code = int(line[1]) if len(line) > 1 else 0
            body = await reader.read(_SEARCHED_BYTES) if check.search else b""
        finally:
            writer.close()
            with contextlib.suppress(OSError, ssl.SSLError):
                writer.transport.abort()
        if check.search and check.search.encode() not in body:
            return False, f"Failure: HTTP Status Code {code}, the search string was not found."
        ok = 200 <= code < 400
        return ok, f"{'Success' if ok else 'Failure'}: HTTP Status Code {code}{', OK' if code == 200 else ''}"

    def _lost(self) -> frozenset[str]:
        self._regions.changed()
        return frozenset((self._regions.value or {}).get("lost", ()))


_AGENT = "Amazon-Route53-Health-Check-Service (rehearsal)"
