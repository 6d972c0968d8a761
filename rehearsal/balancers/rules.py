"""Which action a listener takes for a request. Pure.

Source: ELB User Guide, "Condition types for listener rules".
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import parse_qsl

from rehearsal.balancers.model import Action, Condition, Listener, Redirect


@dataclass(frozen=True)
class Request:
    """What rules look at."""

    method: str
    scheme: str
    host: str
    """Without port."""
    port: int
    path: str
    query: str
    headers: Mapping[str, str]
    """Names in lower case."""


def choose(listener: Listener, request: Request) -> Action:
    """The action of the first rule whose conditions all hold, else the default action."""
    for rule in listener.rules:
        if all(_holds(condition, request) for condition in rule.conditions):
            return rule.action
    return listener.default


def location(redirect: Redirect, request: Request) -> str:
    """Where a redirect leads."""
    parts = {
        "#{protocol}": request.scheme,
        "#{host}": request.host,
        "#{port}": str(request.port),
        "#{path}": request.path.lstrip("/"),
        "#{query}": request.query,
    }

    def fill(text: str) -> str:
        for name, value in parts.items():
            text = text.replace(name, value)
        return text

    query = fill(redirect.query)
    target = f"{fill(redirect.protocol).lower()}://{fill(redirect.host)}:{fill(redirect.port)}"
    return target + fill(redirect.path) + (f"?{query}" if query else "")


def _holds(condition: Condition, request: Request) -> bool:
    match condition.field:
        case "path-pattern":
            return any(_like(value, request.path) for value in condition.values)
        case "host-header":
            return any(_like(value.lower(), request.host.lower()) for value in condition.values)
        case "http-header":
            given = request.headers.get(condition.header.lower())
            return given is not None and any(
                _like(value.lower(), given.lower()) for value in condition.values
            )
        case "http-request-method":
            return request.method in condition.values
        case "query-string":
            return any(_in_query(value, request.query) for value in condition.values)


def _in_query(wanted: str, query: str) -> bool:
    key, equals, value = wanted.rpartition("=")
    pairs = parse_qsl(query, keep_blank_values=True)
    return any(
        _like(value.lower(), have.lower()) and (not equals or _like(key.lower(), name.lower()))
        for name, have in pairs
    )


def _like(pattern: str, text: str) -> bool:
    return _compiled(pattern).fullmatch(text) is not None


@lru_cache(maxsize=1024)
def _compiled(pattern: str) -> re.Pattern[str]:
    # fnmatch knows brackets, which load balancers do not
    return re.compile(
        "".join({"*": ".*", "?": "."}.get(each, re.escape(each)) for each in pattern), re.DOTALL
    )
