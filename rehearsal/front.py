"""HTTPS in front of the clouds' APIs, for names that anybody may open, such as an object's public URL.

The API endpoint speaks plain HTTP; real object URLs are HTTPS on 443. This unwraps TLS and passes bytes on.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from typing import TYPE_CHECKING

from rehearsal import pki
from rehearsal.dns import front_address

if TYPE_CHECKING:
    from rehearsal.world import WorldSettings


async def serve(settings: WorldSettings) -> None:
    """Run for ever. OSError when the address is taken."""
    names = [f"{each}.{region}.amazonaws.com" for region in settings.regions for each in ("s3", "*.s3")]
    issued = pki.issue(settings.home, names)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(issued.cert, issued.key)

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            inner_reader, inner_writer = await asyncio.open_connection(
                settings.api_address, settings.api_port
            )
            await asyncio.gather(_copy(reader, inner_writer), _copy(inner_reader, writer))

    server = await asyncio.start_server(connected, front_address(settings), settings.port(443), ssl=context)
    async with server:
        await server.serve_forever()


async def _copy(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError, ssl.SSLError):
        while data := await source.read(65536):
            sink.write(data)
            await sink.drain()
    with contextlib.suppress(OSError, RuntimeError):
        sink.close()
