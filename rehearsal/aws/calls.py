"""Which AWS call is being answered: service, operation, region and who sent it, read from the request.

The region comes from the SigV4 scope, as with the real endpoints. IAM, Route 53, CloudFront and the global
STS endpoint are one control plane in us-east-1, whatever a client signs with.
"""

from __future__ import annotations

import contextvars
import io
import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

GLOBAL_SERVICES = frozenset({"iam", "route53", "cloudfront", "organizations", "globalaccelerator", "shield"})
GLOBAL_REGION = "us-east-1"
IAM_PREFIX = {"monitoring": "cloudwatch", "email": "ses"}
"""Signing name -> the prefix that permissions use, where they differ."""
_CREDENTIAL = re.compile(
    r"Credential=(?P<key>[^/,\s]+)/\d{8}/(?P<region>[^/,\s]+)/(?P<service>[^/,\s]+)/aws4_request"
)
_VIRTUAL_HOST = re.compile(r"^(?P<bucket>.+)\.s3[.-](?P<region>[a-z]{2}-[a-z]+-\d)\.amazonaws\.com$")
_RUN = re.compile(r"lifeboat/([^/\s]+)/([^/\s]+)")


@dataclass(frozen=True)
class Call:
    """One call of an AWS API."""

    service: str
    """As permissions name it: `rds`, `elasticloadbalancing`, `cloudwatch`."""
    operation: str
    """As AWS names it; empty when no operation of the service fits the request."""
    region: str
    user_agent: str
    params: Mapping[str, Any] = field(default_factory=dict)
    """Form fields, JSON members, or path and query parameters; never an S3 body."""
    bucket: str = ""
    """The bucket that an S3 call is about."""
    access_key: str = ""
    """Whose signature it carries; empty when it has none."""

    @property
    def cause(self) -> str:
        """`run/step` of the recovery that sent it; empty when nobody's run did."""
        found = _RUN.search(self.user_agent)
        return f"{found[1]}/{found[2]}" if found else ""

    def strings(self) -> Iterator[str]:
        """Every text among the parameters, however deep."""
        yield from _strings(self.params)


_NOBODY = Call(service="", operation="", region="", user_agent="")
_current: contextvars.ContextVar[Call] = contextvars.ContextVar("call", default=_NOBODY)


def current() -> Call:
    """The call that this thread is answering; an empty one outside of any.

    Threads started by a handler do not inherit it: take `cause()` before starting them.
    """
    return _current.get()


def cause() -> str:
    """User agent of the call being answered, for `World.wait(..., cause=)`; empty outside of any."""
    return _current.get().user_agent


@contextmanager
def answering(call: Call) -> Iterator[None]:
    """Make `call` the current one."""
    token = _current.set(call)
    try:
        yield
    finally:
        _current.reset(token)


def read(environ: dict[str, Any]) -> Call:
    """The call in a WSGI request. Its body stays readable for whoever answers it."""
    key, service, region = _scope(environ)
    if not service:
        service, region = "s3", _host_region(environ)
    iam_service = IAM_PREFIX.get(service, service)
    if iam_service in GLOBAL_SERVICES:
        region = GLOBAL_REGION
    params = dict(parse_qsl(environ.get("QUERY_STRING", ""), keep_blank_values=True))
    agent = environ.get("HTTP_USER_AGENT", "")
    target, content = environ.get("HTTP_X_AMZ_TARGET", ""), environ.get("CONTENT_TYPE", "")
    if service == "s3":
        operation, bucket = _rest(environ, service, params), _bucket(environ)
        if source := environ.get("HTTP_X_AMZ_COPY_SOURCE"):
            params["CopySource"] = source
        return Call(iam_service, operation, region, agent, params, bucket, access_key=key)
    body = _body(environ)
    if target:
        operation = target.rsplit(".", 1)[-1]
        params |= _json(body)
    elif content.startswith("application/x-www-form-urlencoded") or "Action" in params:
        params |= dict(parse_qsl(body.decode(errors="replace"), keep_blank_values=True))
        operation = str(params.get("Action", ""))
    else:
        operation = _rest(environ, service, params)
    return Call(iam_service, operation, region, agent, params, access_key=key)


def boto_name(service: str) -> str:
    """botocore's name of a service that permissions call `service`."""
    return {"elasticloadbalancing": "elbv2"}.get(service, service)


def _scope(environ: dict[str, Any]) -> tuple[str, str, str]:
    """Access key, service and region that the request is signed with; empty when it is not signed."""
    found = _CREDENTIAL.search(environ.get("HTTP_AUTHORIZATION", ""))
    if not found and "X-Amz-Credential" in environ.get("QUERY_STRING", ""):
        query = dict(parse_qsl(environ["QUERY_STRING"]))
        found = _CREDENTIAL.search(f"Credential={query.get('X-Amz-Credential', '')}")
    return (found["key"], found["service"].lower(), found["region"]) if found else ("", "", "")


def _host(environ: dict[str, Any]) -> str:
    return str(environ.get("HTTP_HOST", "")).rsplit(":", 1)[0]


def _host_region(environ: dict[str, Any]) -> str:
    found = _VIRTUAL_HOST.match(_host(environ))
    return found["region"] if found else ""


def _bucket(environ: dict[str, Any]) -> str:
    found = _VIRTUAL_HOST.match(_host(environ))
    if found:
        return found["bucket"]
    return str(environ.get("PATH_INFO", "")).lstrip("/").split("/", 1)[0]


def _body(environ: dict[str, Any]) -> bytes:
    length = int(environ.get("CONTENT_LENGTH") or 0)
    body: bytes = environ["wsgi.input"].read(length) if length else b""
    environ["wsgi.input"] = io.BytesIO(body)
    return body


def _json(body: bytes) -> dict[str, Any]:
    try:
        value = json.loads(body or b"{}")
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def _rest(environ: dict[str, Any], service: str, params: dict[str, Any]) -> str:
    """Operation of a REST call, found as moto finds it: by botocore's own model."""
    from moto.core.request import Request
    from moto.core.routing import get_service_router
    from werkzeug.exceptions import NotFound

    # the router looks at method, path, query and headers; a body, if any, must not be consumed by it
    seen = {**environ, "wsgi.input": io.BytesIO(), "CONTENT_LENGTH": "0"}
    try:
        operation, found = get_service_router(boto_name(service)).match(Request(seen))
    except (NotFound, NotImplementedError, LookupError):
        return ""
    params |= found
    return str(operation.name)


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _strings(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _strings(item)
