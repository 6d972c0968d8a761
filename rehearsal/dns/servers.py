"""Answering DNS on UDP and TCP: sockets and wire format; what is answered is the caller's function."""

from __future__ import annotations

import asyncio
import contextlib
import struct
from collections.abc import Awaitable, Callable

import dns.exception
import dns.flags
import dns.message
import dns.rcode

from rehearsal.log import log

Handler = Callable[[dns.message.Message], Awaitable[dns.message.Message | None]]
"""Gives the response, or None for no answer at all (a dead server)."""


async def listen(address: str, port: int, handle: Handler) -> None:
    """Serve on both transports until cancelled. OSError when the address is taken."""
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(lambda: _Udp(handle), local_addr=(address, port))
    try:
        server = await asyncio.start_server(lambda r, w: _tcp(r, w, handle), address, port)
        async with server:
            await server.serve_forever()
    finally:
        transport.close()


async def _respond(wire: bytes, handle: Handler) -> tuple[dns.message.Message, dns.message.Message] | None:
    try:
        query = dns.message.from_wire(wire)
    except dns.exception.DNSException:
        return None  # not DNS: a name server says nothing
    if query.flags & dns.flags.QR:
        return None
    try:
        response = await handle(query)
    except Exception:
        log.exception("no answer", question=str(query.question))
        response = dns.message.make_response(query)
        response.set_rcode(dns.rcode.SERVFAIL)
    return (query, response) if response is not None else None


class _Udp(asyncio.DatagramProtocol):
    def __init__(self, handle: Handler) -> None:
        self._handle = handle
        self._tasks: set[asyncio.Task[None]] = set()
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.DatagramTransport)
        self._transport = transport

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        task = asyncio.get_running_loop().create_task(self._reply(data, addr))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _reply(self, data: bytes, addr: tuple[str, int]) -> None:
        pair = await _respond(data, self._handle)
        if pair is None or self._transport is None:
            return
        query, response = pair
        try:
            wire = response.to_wire(max_size=max(512, query.payload))
        except dns.exception.TooBig:
            short = dns.message.make_response(query)
            short.flags |= dns.flags.TC | (response.flags & dns.flags.AA)
            wire = short.to_wire()
        self._transport.sendto(wire, addr)


async def _tcp(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, handle: Handler) -> None:
    with contextlib.suppress(OSError, asyncio.IncompleteReadError, TimeoutError):
        while True:
            async with asyncio.timeout(10):
                size = struct.unpack("!H", await reader.readexactly(2))[0]
                pair = await _respond(await reader.readexactly(size), handle)
            if pair is None:
                break
            wire = pair[1].to_wire()
            writer.write(struct.pack("!H", len(wire)) + wire)
            await writer.drain()
    writer.close()
