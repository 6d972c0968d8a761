"""What a load balancer forwards is whole."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest

from rehearsal.balancers.model import Forward, Listener, Target
from rehearsal.balancers.proxy import Front

MIB = b"x" * 2**20


@pytest.mark.parametrize(
    ("parts", "status", "forwarded"),
    [
        ([{"type": "http.request", "body": b"all", "more_body": False}], 200, [b"all"]),
        ([{"type": "http.request", "body": b"ha", "more_body": True}, {"type": "http.disconnect"}], 460, []),
        ([{"type": "http.request", "body": MIB, "more_body": True}] * 17, 413, []),
    ],
)
def test_half_a_body_reaches_no_server(
    parts: list[dict[str, Any]], status: int, forwarded: list[bytes]
) -> None:
    seen: list[bytes] = []
    sent: list[dict[str, Any]] = []

    def serve(request: httpx.Request) -> httpx.Response:
        seen.append(request.content)
        return httpx.Response(200)

    waiting = iter(parts)

    async def receive() -> dict[str, Any]:
        return next(waiting)

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    front = Front(
        Listener(port=80, protocol="HTTP", default=Forward(groups=(("g", 1),))),
        region_lost=lambda: False,
        pick=lambda _: Target(id="i-1", address="127.0.0.1", port=8080),
        client=httpx.AsyncClient(transport=httpx.MockTransport(serve)),
        real_port=lambda port: port,
        log=lambda *_: None,
    )
    scope = {
        "method": "POST", "scheme": "http", "path": "/orders", "raw_path": b"/orders", "query_string": b"",
        "headers": [(b"host", b"shop")], "client": ("127.0.0.1", 1),
    }  # fmt: skip
    asyncio.run(front(scope, receive, send))
    assert sent[0]["status"] == status
    assert seen == forwarded
