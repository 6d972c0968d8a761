"""Reads a secret with the machine's own role. curl signs; credentials reach it on its standard input."""

from __future__ import annotations

import json
import os
import subprocess
import urllib.request
from datetime import UTC, datetime, timedelta
from typing import Any


class Unavailable(Exception):
    """The secret cannot be read at the moment."""


def read(name: str, region: str) -> dict[str, Any]:
    """The secret's current value. Raises Unavailable."""
    endpoint = (
        os.environ.get("AWS_ENDPOINT_URL_SECRETS_MANAGER")
        or os.environ.get("AWS_ENDPOINT_URL")
        or f"https://secretsmanager.{region}.amazonaws.com"
    )
    try:
        who = _credentials()
        config = [
            f'url = "{endpoint.rstrip("/")}/"',
            f'aws-sigv4 = "aws:amz:{region}:secretsmanager"',
            f'user = "{who["AccessKeyId"]}:{who["SecretAccessKey"]}"',
            f'header = "X-Amz-Security-Token: {who["Token"]}"',
            'header = "X-Amz-Target: secretsmanager.GetSecretValue"',
            'header = "Content-Type: application/x-amz-json-1.1"',
            f"data = {json.dumps(json.dumps({'SecretId': name}))}",
            "silent",
            "show-error",
            "fail",
            "max-time = 5",
        ]
        done = subprocess.run(
            ["curl", "--config", "-"],
            check=False,
            input="\n".join(config),
            capture_output=True,
            text=True,
            timeout=10,
        )
        if done.returncode:
            raise Unavailable(f"secret {name}: {done.stderr.strip()}")
        value: dict[str, Any] = json.loads(json.loads(done.stdout)["SecretString"])
    except (OSError, ValueError, KeyError, subprocess.TimeoutExpired) as error:
        raise Unavailable(f"secret {name}: {error}") from error
    return value


_known: dict[str, str] = {}


def _credentials() -> dict[str, str]:
    """The role's credentials; asked for again a quarter of an hour before they end."""
    soon = datetime.now(UTC) + timedelta(minutes=15)
    if not _known or datetime.fromisoformat(_known["Expiration"]) < soon:
        _known.update(_fresh_credentials())
    return _known


def _fresh_credentials() -> dict[str, str]:
    base = os.environ.get("AWS_EC2_METADATA_SERVICE_ENDPOINT", "http://169.254.169.254").rstrip("/")
    token = _ask("PUT", f"{base}/latest/api/token", {"X-aws-ec2-metadata-token-ttl-seconds": "300"})
    header = {"X-aws-ec2-metadata-token": token}
    roles = f"{base}/latest/meta-data/iam/security-credentials/"
    found: dict[str, str] = json.loads(_ask("GET", roles + _ask("GET", roles, header), header))
    return found


def _ask(method: str, url: str, headers: dict[str, str]) -> str:
    request = urllib.request.Request(url, method=method, headers=headers)
    # the metadata service is reached directly, whatever proxy the machine uses for the rest
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=5) as answer:
        return str(answer.read().decode())
