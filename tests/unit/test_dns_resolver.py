"""The caching resolver, against name servers that really answer on loopback."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator

import dns.asyncquery
import dns.message
import dns.rcode
import dns.rdatatype

from rehearsal.dns.book import build
from rehearsal.dns.resolver import Resolver, Upstream
from rehearsal.dns.servers import listen

HERE = "127.19.53.1"  # nothing else of this machine talks from there


class Authority:
    """A name server that counts what it is asked, and can be silenced."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.silent = False
        self.address = "127.9.1.10"

    async def answer(self, query: dns.message.Message) -> dns.message.Message | None:
        self.asked.append(f"{query.question[0].name}")
        soa = ["ns. h. 1 7200 900 1209600 60"]
        many = [f'"{"x" * 200}{n}"' for n in range(10)]
        records = [
            {"name": "shop.example.", "type": "SOA", "ttl": 900, "values": soa},
            {"name": "app.shop.example.", "type": "CNAME", "ttl": 60, "values": ["prod.shop.example"]},
            {"name": "prod.shop.example.", "type": "A", "ttl": 60, "values": [self.address]},
            {"name": "big.shop.example.", "type": "TXT", "ttl": 60, "values": many},
        ]
        return None if self.silent else build(
            {"zones": [{"name": "shop.example.", "records": records}]}, None, None
        ).answer(query)  # fmt: skip


class Time:
    """A clock that moves when told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind((HERE, 0))
        return int(probe.getsockname()[1])


@contextlib.asynccontextmanager
async def serving(authority: Authority) -> AsyncIterator[Upstream]:
    port = free_port()
    task = asyncio.create_task(listen(HERE, port, authority.answer))
    await asyncio.sleep(0.05)
    try:
        yield Upstream((HERE,), port)
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def ask(resolver: Resolver, name: str, kind: str = "A") -> dns.message.Message:
    return await resolver.answer(dns.message.make_query(name, dns.rdatatype.from_text(kind)))


def addresses(response: dns.message.Message) -> list[str]:
    return [str(r) for rrset in response.answer if rrset.rdtype == dns.rdatatype.A for r in rrset]


def test_what_it_remembers_ages_scale_times_as_fast_and_then_is_asked_anew() -> None:
    async def run() -> None:
        authority, clock = Authority(), Time()
        async with serving(authority) as upstream:
            resolver = Resolver(upstream, 60, clock=clock)
            assert addresses(await ask(resolver, "app.shop.example")) == ["127.9.1.10"]
            authority.address = "127.9.2.10"
            clock.now += 0.5  # half of the TTL in the cloud
            cached = await ask(resolver, "app.shop.example")
            assert addresses(cached) == ["127.9.1.10"]
            assert [rrset.ttl for rrset in cached.answer] == [30, 30]
            clock.now += 0.51
            assert addresses(await ask(resolver, "app.shop.example")) == ["127.9.2.10"]

    asyncio.run(run())


def test_names_that_do_not_exist_are_remembered_as_long_as_the_soa_says() -> None:
    async def run() -> None:
        authority, clock = Authority(), Time()
        async with serving(authority) as upstream:
            resolver = Resolver(upstream, 60, clock=clock)
            for _ in range(2):
                assert (await ask(resolver, "nope.shop.example")).rcode() == dns.rcode.NXDOMAIN
            assert len(authority.asked) == 1
            clock.now += 1.01  # min(900, 60) s in the cloud
            await ask(resolver, "nope.shop.example")
            assert len(authority.asked) == 2

    asyncio.run(run())


def test_with_every_name_server_dead_it_says_servfail_but_still_what_it_remembers() -> None:
    async def run() -> None:
        authority, clock = Authority(), Time()
        async with serving(authority) as upstream:
            resolver = Resolver(upstream, 60, clock=clock)
            await ask(resolver, "prod.shop.example")
            authority.silent = True
            assert addresses(await ask(resolver, "prod.shop.example")) == ["127.9.1.10"]
            clock.now += 1.01
            assert (await ask(resolver, "prod.shop.example")).rcode() == dns.rcode.SERVFAIL

    asyncio.run(run())


def test_an_answer_too_big_for_udp_comes_over_tcp() -> None:
    async def run() -> None:
        authority = Authority()
        async with serving(authority) as upstream:
            query = dns.message.make_query("big.shop.example", "TXT", use_edns=False)
            reply, over_tcp = await dns.asyncquery.udp_with_fallback(query, HERE, 2, upstream.port)
            assert over_tcp
            assert len(reply.answer[0]) == 10
            assert len((await ask(Resolver(upstream, 60), "big.shop.example", "TXT")).answer[0]) == 10

    asyncio.run(run())


def test_rubbish_is_not_answered_and_does_not_stop_the_server() -> None:
    async def run() -> None:
        authority = Authority()
        async with serving(authority) as upstream:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as rubbish:
                rubbish.sendto(b"\xff" * 40, (HERE, upstream.port))
            await asyncio.sleep(0.02)
            assert addresses(await ask(Resolver(upstream, 60), "prod.shop.example")) == ["127.9.1.10"]

    asyncio.run(run())
