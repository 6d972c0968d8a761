"""What stands in front of moto: names each call, logs it, and shapes errors as its service would.

A call meets, in this order, lost regions, faults, what the world models, and what its caller may do.
A call that is to time out is held until its client hangs up, and is never answered.
"""

from __future__ import annotations

import json
import random
import select
import socket
import threading
import time
import uuid
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from rehearsal.aws import authority, calls, modelled
from rehearsal.aws.calls import Call
from rehearsal.aws.faults import Faults, Rule, lost
from rehearsal.log import log
from rehearsal.world import World

WSGI = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]
Answer = tuple[str, list[tuple[str, str]], bytes]
"""Status line, headers and body."""
_HELD_AT_MOST_S = 900.0
_LOOK_EVERY_S = 0.2
_KEPT_BYTES = 2**20
"""Answers below this are remembered for stale reads; bundles and artefacts would fill the memory."""
_CODES = {
    "throttle": ("Throttling", 400, "Rate exceeded"),
    "deny": ("AccessDenied", 403, "User is not authorized to perform this operation"),
}
_NO_CAPACITY = {
    "rds": "InsufficientDBInstanceCapacity",
    "autoscaling": "ScalingActivityInProgress",
    "ec2": "InsufficientInstanceCapacity",
}


class HungUp(ConnectionError):
    """The connection ends without an answer."""


class CallLog:
    """`calls.jsonl` of a world: one line for each call that was received."""

    def __init__(self, home: Path) -> None:
        self._file = (home / "calls.jsonl").open("a", buffering=1)
        self._lock = threading.Lock()

    def add(self, call: Call, started: float, status: int | str) -> None:
        """Note a call and its HTTP status (or `lost`, `timeout`, `reset`)."""
        row = {
            "time": started,
            "seconds": round(time.time() - started, 4),
            "service": call.service,
            "operation": call.operation,
            "region": call.region,
            "status": status,
            "user_agent": call.user_agent,
            "cause": call.cause,
        } | ({"bucket": call.bucket} if call.bucket else {})
        with self._lock:
            self._file.write(json.dumps(row) + "\n")


class Plane:
    """WSGI middleware around moto."""

    def __init__(self, world: World, app: WSGI, faults: Faults, *, own_api: WSGI) -> None:
        self._world = world
        self._app = app
        self._own_api = own_api
        self._log = CallLog(world.settings.home)
        self.faults = faults
        self._stale: dict[str, Answer] = {}

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Answer one request, or end its connection without an answer."""
        if environ.get("PATH_INFO", "").startswith("/_rehearsal/"):
            return self._own_api(environ, start_response)
        started = time.time()
        call = calls.read(environ)
        status: int | str = "reset"
        try:
            line, headers, body = self._answer(call, environ)
            status = int(line.split()[0])
        except HungUp as why:
            status = str(why)
            raise
        finally:
            self._log.add(call, started, status)
        start_response(line, headers)
        return [body]

    def _answer(self, call: Call, environ: dict[str, Any]) -> Answer:
        if lost(self._world, call):
            self._hold(environ, "lost", while_=lambda: bool(lost(self._world, call)))
        rule = self.faults.meets(call)
        if rule is not None and (shaped := self._apply(rule, call, environ)) is not None:
            return shaped
        if why := modelled.refusal(self._world, call):
            return _not_modelled(call, environ, why)
        answer = self._ask(call, environ)
        if lost(self._world, call):  # the region went away while it was answering
            self._hold(environ, "lost", while_=lambda: True)
        if call.operation.startswith(("Describe", "Get", "List", "Head")) and len(answer[2]) < _KEPT_BYTES:
            self._stale[_question(call)] = answer
        return answer

    def _apply(self, rule: Rule, call: Call, environ: dict[str, Any]) -> Answer | None:
        """Apply a fault; None when the call goes on to be answered."""
        if rule.effect == "slow":
            time.sleep(rule.seconds)
        elif rule.effect == "timeout":
            until = time.monotonic() + (rule.seconds or _HELD_AT_MOST_S)
            self._hold(environ, "timeout", while_=lambda: time.monotonic() < until)
        elif rule.effect == "reset":
            _end(environ)
            raise HungUp("reset")
        elif rule.effect == "stale-read":
            return self._stale.get(_question(call))
        elif rule.effect == "no-capacity":
            code = rule.code or _NO_CAPACITY.get(call.service, "InsufficientCapacity")
            return error(call, code, rule.message, 400 if call.service == "rds" else 500)
        elif rule.effect == "error":
            return error(call, rule.code or "ServiceUnavailable", rule.message, rule.status)
        else:
            code, status, message = _CODES[rule.effect]
            return error(call, rule.code or code, message, status)
        return None

    def _ask(self, call: Call, environ: dict[str, Any]) -> Answer:
        seen: list[Any] = []

        def start(line: str, headers: list[tuple[str, str]], exc_info: Any = None) -> None:
            if exc_info is not None:
                raise exc_info[1]
            seen[:] = [line, headers]

        try:
            if denied := authority.refusal(call):
                return error(call, denied.code, denied.message, denied.status)
            with calls.answering(call):
                body = b"".join(self._app(environ, start))
        except HungUp:
            raise
        except NotImplementedError as missing:
            return _not_modelled(call, environ, str(missing))
        except Exception as broken:
            log.exception("call failed", service=call.service, operation=call.operation, region=call.region)
            return error(call, "InternalFailure", f"the rehearsal's {call.operation} broke: {broken!r}", 500)
        if seen[0].startswith("404") and b"<!doctype html>" in body[:64]:
            return _not_modelled(call, environ, "moto has no address for it")
        return seen[0], seen[1], body

    def _hold(self, environ: dict[str, Any], why: str, *, while_: Callable[[], bool]) -> None:
        """Keep the client waiting while the condition holds; HungUp once it has gone away."""
        until = time.monotonic() + _HELD_AT_MOST_S
        connection: socket.socket | None = environ.get("werkzeug.socket")
        while while_() and time.monotonic() < until:
            if connection is None:
                time.sleep(_LOOK_EVERY_S)
                continue
            readable, _, _ = select.select([connection], [], [], _LOOK_EVERY_S)
            if readable and not connection.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT):
                break
            if readable:  # the client sent more; nobody reads it
                time.sleep(_LOOK_EVERY_S)
        _end(environ)
        raise HungUp(why)


def _end(environ: dict[str, Any]) -> None:
    """Reset the connection, so that its client sees no answer at all."""
    connection: socket.socket | None = environ.get("werkzeug.socket")
    if connection is not None:
        try:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            connection.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass


def _question(call: Call) -> str:
    return json.dumps(
        [call.service, call.operation, call.region, call.bucket, dict(call.params)], default=str
    )


def _not_modelled(call: Call, environ: dict[str, Any], why: str) -> Answer:
    what = call.operation or f"{environ.get('REQUEST_METHOD')} {environ.get('PATH_INFO')}"
    log.error("call not modelled", service=call.service, operation=what, region=call.region, why=why)
    message = f"{call.service}:{what} is not modelled by the rehearsal: {why}"
    return error(call, "NotImplemented", message, 501)


class _Error(Exception):
    """What moto's serializers take for an error that no service's model declares."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


def error(call: Call, code: str, message: str, status: int) -> Answer:
    """An error as the service's own protocol shapes it."""
    from botocore.exceptions import UnknownServiceError
    from moto.core.model import OperationModel
    from moto.core.serialize import SERIALIZERS, SerializationContext, get_serializer_class
    from moto.core.utils import get_service_model

    request_id = str(uuid.UUID(int=random.getrandbits(128), version=4))
    try:
        service = get_service_model(calls.boto_name(call.service))
        offered = [service.metadata["protocol"], *service.metadata.get("protocols", ())]
        protocol = next(str(name) for name in offered if name in SERIALIZERS)
        serializer = get_serializer_class(service.service_name, protocol)
        shaped = serializer(OperationModel({}, service), SerializationContext(request_id)).serialize(
            _Error(code, message)
        )
        body, headers = shaped["body"], dict(shaped["headers"])
    except (LookupError, StopIteration, UnknownServiceError):
        body, headers = json.dumps({"__type": code, "message": message}), {}
    raw = body.encode() if isinstance(body, str) else bytes(body)
    headers["Content-Length"] = str(len(raw))
    headers["x-amzn-RequestId"] = request_id
    return f"{status} {code}", [(str(k), str(v)) for k, v in headers.items()], raw
