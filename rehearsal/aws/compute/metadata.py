"""The instance metadata service, version 2: what a machine may know of itself.

One server for the world; each machine is told a base URL that ends in its own instance id. Only what is
listed here exists; the rest is 404, as on EC2. Source: EC2 User Guide, "Use the Instance Metadata Service".
"""

from __future__ import annotations

import json
import secrets
import threading
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from socketserver import ThreadingMixIn
from typing import Any

from moto.ec2.models.instances import Instance
from moto.sts.models import sts_backends

from rehearsal.aws.compute.instances import Fleet, profile_role

_TOKEN_TTL = "X-aws-ec2-metadata-token-ttl-seconds"
_TOKEN = "X-aws-ec2-metadata-token"
_CREDENTIALS_LAST_S = 6 * 3600


def serve(fleet: Fleet) -> None:
    """Answer at the fleet's metadata address for as long as this process lives. OSError when it is taken."""
    from werkzeug.serving import BaseWSGIServer, WSGIRequestHandler

    class Handler(WSGIRequestHandler):
        def log(self, type: str, message: str, *args: Any) -> None:
            """Machines' look-ups are nobody's business."""

    class Server(ThreadingMixIn, BaseWSGIServer):
        multithread = True
        daemon_threads = True

    server = Server(fleet.metadata_address, fleet.metadata_port, Metadata(fleet), handler=Handler)
    threading.Thread(target=server.serve_forever, daemon=True, name="metadata").start()


class Metadata:
    """The service as a WSGI application."""

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet
        self._tokens: dict[str, str] = {}
        self._credentials: dict[str, dict[str, str]] = {}

    def __call__(self, environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        """Answer one request."""
        from werkzeug.wrappers import Request, Response

        request = Request(environ)
        status, text = self._answer(request)
        response: Callable[..., Iterable[bytes]] = Response(text, status, content_type="text/plain")
        return response(environ, start)

    def _answer(self, request: Any) -> tuple[int, str | bytes]:
        instance_id, _, path = request.path.lstrip("/").partition("/")
        instance = self._fleet.find(instance_id)
        if instance is None or instance.state != "running" or not path.startswith("latest/"):
            return 404, ""
        path = path.removeprefix("latest/")
        if path == "api/token":
            return self._token(request, instance_id)
        if request.method != "GET":
            return 405, ""
        token = request.headers.get(_TOKEN)
        if token is None and instance.metadata_options.http_tokens == "required":
            return 401, ""
        if token is not None and self._tokens.get(token) != instance_id:
            return 401, ""
        found = self._look_up(instance, path.rstrip("/"))
        return (404, "") if found is None else (200, found)

    def _token(self, request: Any, instance_id: str) -> tuple[int, str]:
        if request.method != "PUT":
            return 405, ""
        if _TOKEN_TTL not in request.headers:
            return 400, ""
        token = secrets.token_urlsafe(32)
        self._tokens[token] = instance_id
        return 200, token

    def _look_up(self, instance: Instance, path: str) -> str | bytes | None:
        if path == "user-data":
            return instance.user_data.decode() if instance.user_data else None
        if path == "dynamic/instance-identity/document":
            return json.dumps(_identity(instance), indent=2)
        if not path.startswith("meta-data/"):
            return None
        path = path.removeprefix("meta-data/")
        if path.startswith("tags/instance"):
            return _tag(instance, path.removeprefix("tags/instance").lstrip("/"))
        if path.startswith("iam/security-credentials"):
            return self._role(instance, path.removeprefix("iam/security-credentials").lstrip("/"))
        return _plain(instance).get(path)

    def _role(self, instance: Instance, name: str) -> str | None:
        role = profile_role(instance)
        if role is None or name not in ("", role.name):
            return None
        if not name:
            return str(role.name)
        known = self._credentials.get(instance.id)
        if known is None:
            known = self._credentials[instance.id] = _assume(instance, role.arn)
        return json.dumps(known, indent=2)


def _plain(instance: Instance) -> dict[str, str]:
    return {
        "instance-id": instance.id,
        "instance-type": instance.instance_type,
        "ami-id": instance.image_id,
        "local-ipv4": str(instance.private_ip),
        "local-hostname": instance.private_dns_name,
        "placement/region": instance.region_name,
        "placement/availability-zone": str(instance.placement.zone),
    }


def _identity(instance: Instance) -> dict[str, str]:
    return {
        "accountId": instance.owner_id,
        "availabilityZone": str(instance.placement.zone),
        "imageId": instance.image_id,
        "instanceId": instance.id,
        "instanceType": instance.instance_type,
        "privateIp": str(instance.private_ip),
        "region": instance.region_name,
        "version": "2017-09-30",
    }


def _tag(instance: Instance, key: str) -> str | None:
    if instance.metadata_options.instance_metadata_tags != "enabled":
        return None
    tags = {tag["key"]: tag["value"] for tag in instance.get_tags()}
    visible = {name: value for name, value in tags.items() if not name.startswith("aws:")}
    return visible.get(key) if key else "\n".join(sorted(visible))


def _assume(instance: Instance, role_arn: str) -> dict[str, str]:
    """Credentials of the role, as the service hands them out; AWS's APIs know whose they are."""
    role = sts_backends[instance.owner_id]["aws"].assume_role(
        region_name=instance.region_name,
        role_session_name=instance.id,
        role_arn=role_arn,
        policy="",
        duration=_CREDENTIALS_LAST_S,
        external_id="",
    )
    now = datetime.now(UTC)
    return {
        "Code": "Success",
        "LastUpdated": f"{now:%Y-%m-%dT%H:%M:%SZ}",
        "Type": "AWS-HMAC",
        "AccessKeyId": role.access_key_id,
        "SecretAccessKey": role.secret_access_key,
        "Token": role.session_token,
        "Expiration": f"{now + timedelta(seconds=_CREDENTIALS_LAST_S):%Y-%m-%dT%H:%M:%SZ}",
    }
