"""AWS clients for the rehearsal's cloud: one per service and region, never for the real AWS."""

from __future__ import annotations

import ipaddress
import os
import threading
from typing import Any
from urllib.parse import urlsplit

import botocore.config
import botocore.session

GLOBAL_REGION = "us-east-1"
GLOBAL_SERVICES = frozenset({"iam", "route53", "cloudfront"})


class Clients:
    """Makes clients on demand. Raises RuntimeError unless AWS_ENDPOINT_URL is an address of this machine."""

    def __init__(self) -> None:
        self.endpoint = os.environ.get("AWS_ENDPOINT_URL", "")
        host = urlsplit(self.endpoint).hostname or ""
        if host != "localhost" and not _is_loopback(host):
            raise RuntimeError(
                "the rehearsal's AWS provider talks to a rehearsal world only, and AWS_ENDPOINT_URL is "
                f'{self.endpoint or "not set"}; start one with `./dr world up` and eval "$(./dr world env)"'
            )
        self._session = botocore.session.get_session()
        self._lock = threading.Lock()
        self._clients: dict[tuple[str, str], Any] = {}

    def get(self, service: str, region: str) -> Any:
        """The client of a service in a region; global services always answer for us-east-1."""
        region = GLOBAL_REGION if service in GLOBAL_SERVICES else region
        with self._lock:
            if (service, region) not in self._clients:
                config = botocore.config.Config(
                    retries={"total_max_attempts": 4, "mode": "standard"},
                    connect_timeout=5,
                    read_timeout=60,
                    max_pool_connections=32,
                    user_agent_extra=os.environ.get("TF_APPEND_USER_AGENT", ""),
                    s3={"addressing_style": "path"},
                )
                self._clients[service, region] = self._session.create_client(
                    service,
                    region_name=region,
                    endpoint_url=self.endpoint,
                    aws_access_key_id=os.environ.get("AWS_ACCESS_KEY_ID", "rehearsal"),
                    aws_secret_access_key=os.environ.get("AWS_SECRET_ACCESS_KEY", "rehearsal"),
                    aws_session_token=os.environ.get("AWS_SESSION_TOKEN"),
                    config=config,
                )
            return self._clients[service, region]

    def operation(self, service: str, operation: str) -> Any:
        """botocore's model of an operation, e.g. `("ec2", "CreateVpc")`."""
        return self.get(service, GLOBAL_REGION).meta.service_model.operation_model(operation)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
