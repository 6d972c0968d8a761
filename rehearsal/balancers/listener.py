"""A port that is really listened on, with TLS where it is HTTPS; a black hole while its region is lost.

uvicorn's HTTP protocol does the HTTP; the socket is ours, because a lost region's port must stay bound and
silent: clients then meet a time-out, as they would, and not a refusal.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
from functools import partial
from typing import Any

from uvicorn import Config
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

from rehearsal.balancers.model import Certificate, Listener
from rehearsal.balancers.proxy import Front

_IDLE_S = 60  # an ALB's idle time-out


class Port:
    """A bound address and port. `open` and `silence` may be called in any order, as often as wanted."""

    def __init__(self, address: str, port: int, front: Front) -> None:
        self.front = front
        self._socket = socket.create_server((address, port), backlog=128)
        self._socket.setblocking(False)
        self._server: asyncio.Server | None = None
        self._served: Listener | None = None
        self._state = ServerState()
        # a load balancer's clients are not this process's log
        logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)
        self._config = Config(
            front, log_config=None, access_log=False, lifespan="off", timeout_keep_alive=_IDLE_S,
            server_header=False, date_header=True, proxy_headers=False,
        )  # fmt: skip
        self._config.load()

    async def open(self) -> None:
        """Accept connections as the front's listener says."""
        listener = self.front.listener
        if self._server is not None and self._served is not None and _same_tls(self._served, listener):
            self._served = listener
            return
        self._stop_accepting()
        protocol = partial(H11Protocol, config=self._config, server_state=self._state, app_state={})
        self._server = await asyncio.get_running_loop().create_server(
            protocol, sock=self._socket.dup(), ssl=_tls(listener)
        )
        self._served = listener

    def silence(self) -> None:
        """Accept nothing and answer nothing, but stay bound."""
        self._stop_accepting()

    def close(self) -> None:
        """Let go of the port and of its connections."""
        self._stop_accepting()
        self._socket.close()
        for connection in list(self._state.connections):
            transport: Any = connection.transport
            transport.abort()

    def _stop_accepting(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None


def _same_tls(one: Listener, other: Listener) -> bool:
    return (one.protocol, one.certificates) == (other.protocol, other.certificates)


def _tls(listener: Listener) -> ssl.SSLContext | None:
    if listener.protocol == "HTTP":
        return None
    contexts = [_context(certificate) for certificate in listener.certificates]
    default = contexts[0]
    by_name = {
        name: context
        for certificate, context in zip(listener.certificates, contexts, strict=True)
        for name in _names(certificate)
    }

    def choose(connection: ssl.SSLObject, name: str | None, _: ssl.SSLContext) -> None:
        wildcard = f"*.{name.partition('.')[2]}" if name else ""
        connection.context = by_name.get(name or "") or by_name.get(wildcard) or default

    if len(contexts) > 1:
        default.sni_callback = choose
    return default


def _context(certificate: Certificate) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate.cert, certificate.key)
    return context


def _names(certificate: Certificate) -> list[str]:
    from pathlib import Path

    from cryptography import x509

    loaded = x509.load_pem_x509_certificate(Path(certificate.cert).read_bytes())
    names = loaded.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return names.get_values_for_type(x509.DNSName)
