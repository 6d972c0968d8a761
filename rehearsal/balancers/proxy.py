"""One listener at work: asks the rules, then answers, redirects or forwards. An ASGI application."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from typing import Any

import httpx

from rehearsal.balancers.access_log import Visit
from rehearsal.balancers.model import Action, Fixed, Forward, Listener, Redirect, Target
from rehearsal.balancers.rules import Request, choose, location

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]
Headers = list[tuple[bytes, bytes]]

_HOP_BY_HOP = frozenset(
    b"connection keep-alive proxy-authenticate proxy-authorization te trailer transfer-encoding"
    b" upgrade".split()
)
_LARGEST_BODY = 16 * 1024 * 1024


class _NotWholeError(Exception):
    """There is no whole body to forward; half of one must never reach a server."""

    def __init__(self, status: int, why: str) -> None:
        super().__init__(why)
        self.status = status


class Front:
    """A listener's application. Its `listener` is replaced when the control plane changes it."""

    def __init__(
        self,
        listener: Listener,
        *,
        region_lost: Callable[[], bool],
        pick: Callable[[str], Target | None],
        client: httpx.AsyncClient,
        real_port: Callable[[int], int],
        log: Callable[[Visit, Action, int, int], None],
    ) -> None:
        self.listener = listener
        self._region_lost = region_lost
        self._pick = pick
        self._client = client
        self._real_port = real_port
        self._log = log

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request; never, while the region is lost."""
        await self._hang_while_lost()
        visit = _visit(scope)
        action = choose(self.listener, visit.request)
        match action:
            case Fixed():
                answer = action.status, _content_type(action.content_type), action.body.encode()
            case Redirect():
                answer = self._redirect(action, visit.request)
            case Forward():
                answer = await self._forward(action, scope, visit, receive)
        await self._hang_while_lost()
        await _reply(send, *answer)
        self._log(visit, action, answer[0], len(answer[2]))

    async def _hang_while_lost(self) -> None:
        while self._region_lost():
            await asyncio.sleep(3600)

    def _redirect(self, action: Redirect, request: Request) -> tuple[int, Headers, bytes]:
        if action.port.isdigit():
            action = action.model_copy(update={"port": str(self._real_port(int(action.port)))})
        return action.status, [(b"location", location(action, request).encode())], b""

    async def _forward(
        self, action: Forward, scope: Scope, visit: Visit, receive: Receive
    ) -> tuple[int, Headers, bytes]:
        request = visit.request
        visit.group = _weighted(action)
        visit.target = target = self._pick(visit.group)
        if target is None:
            return 503, _content_type("text/plain"), b"503 Service Temporarily Unavailable"
        try:
            content = await _body(receive)
        except _NotWholeError as cut:
            return cut.status, _content_type("text/plain"), str(cut).encode()
        visit.received, visit.asked = len(content), time.time()
        try:
            answer = await self._client.request(
                request.method,
                f"http://{target.address}:{target.port}{_raw_path(scope)}",
                headers=_forwarded(scope, request),
                content=content,
            )
        except httpx.TimeoutException:
            return 504, _content_type("text/plain"), b"504 Gateway Time-out"
        except httpx.HTTPError:
            return 502, _content_type("text/plain"), b"502 Bad Gateway"
        visit.answered, visit.target_status = time.time(), str(answer.status_code)
        headers = [
            (name.lower(), value)
            for name, value in answer.headers.raw
            if name.lower() not in _HOP_BY_HOP | {b"content-length", b"content-encoding"}
        ]
        return answer.status_code, headers, answer.content


def _visit(scope: Scope) -> Visit:
    request = _request(scope)
    host, port = scope.get("client") or ("-", 0)
    return Visit(request, f"{host}:{port}", request.headers.get("user-agent", ""), time.time())


def _request(scope: Scope) -> Request:
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
    host, _, port = headers.get("host", "").partition(":")
    secure = scope["scheme"] == "https"
    return Request(
        method=scope["method"],
        scheme=scope["scheme"],
        host=host,
        port=int(port) if port.isdigit() else 443 if secure else 80,
        path=scope["path"],
        query=scope["query_string"].decode("latin-1"),
        headers=headers,
    )


def _raw_path(scope: Scope) -> str:
    query = scope["query_string"].decode("latin-1")
    path: str = scope["raw_path"].decode("latin-1")
    return f"{path}?{query}" if query else path


def _forwarded(scope: Scope, request: Request) -> Headers:
    headers: Headers = [
        (name, value)
        for name, value in scope["headers"]
        if name not in _HOP_BY_HOP | {b"content-length", b"accept-encoding"}
    ]
    client = (scope.get("client") or ("",))[0]
    known = request.headers.get("x-forwarded-for")
    headers = [row for row in headers if not row[0].startswith(b"x-forwarded-")]
    return [
        *headers,
        (b"x-forwarded-for", f"{known}, {client}".encode() if known else client.encode()),
        (b"x-forwarded-proto", request.scheme.encode()),
        (b"x-forwarded-port", str(request.port).encode()),
    ]


async def _body(receive: Receive) -> bytes:
    body = b""
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise _NotWholeError(460, "the client hung up")
        part: bytes = message.get("body", b"")
        body += part
        if len(body) > _LARGEST_BODY:
            raise _NotWholeError(
                413, f"more than {_LARGEST_BODY} bytes, which the rehearsal does not forward"
            )
        if not message.get("more_body"):
            return body


def _weighted(action: Forward) -> str:
    weights = [weight for _, weight in action.groups]
    return random.choices(action.groups, weights if any(weights) else None)[0][0]


def _content_type(name: str) -> Headers:
    return [(b"content-type", name.encode())]


async def _reply(send: Send, status: int, headers: Headers, body: bytes) -> None:
    length = (b"content-length", str(len(body)).encode())
    await send({"type": "http.response.start", "status": status, "headers": [*headers, length]})
    await send({"type": "http.response.body", "body": body})
