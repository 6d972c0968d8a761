"""Where Pulumi keeps its state; when that place is lost: the last kept export, in a file backend."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

from recovery.errors import Unavailable

if TYPE_CHECKING:
    from recovery.actions.base import Context

_LOOKS, _PAUSE = 3, 2.0


def reachable_backend(ctx: Context, state: Path) -> str | None:
    """None when the configured backend can be reached; otherwise the URL of the fallback in the state folder.

    Once a fallback was used it stays in use: the lost backend's state is older from then on.
    """
    fallback = state / "pulumi-backend"
    marker = fallback / "why.json"
    if marker.is_file():
        return fallback.as_uri()
    trouble = _trouble(configured(ctx.project), ctx.lost, f"lifeboat/{ctx.run}/{ctx.step}")
    if trouble is None:
        return None
    fallback.mkdir(parents=True, exist_ok=True)
    note = {"version": 1, "run": ctx.run, "at": ctx.clock.now().isoformat(), "why": trouble}
    marker.write_text(json.dumps(note, indent=1))
    ctx.progress(f"{trouble}; going on from the last kept export in {fallback}", None)
    return fallback.as_uri()


def configured(project: Path) -> str:
    """The backend's URL: environment, project file, or what `pulumi login` left; empty when none is named."""
    named = os.environ.get("PULUMI_BACKEND_URL")
    if named:
        return named
    from ruamel.yaml import YAML

    try:
        backend = YAML(typ="safe").load((project / "Pulumi.yaml").read_text()).get("backend") or {}
    except OSError:
        backend = {}
    if backend.get("url"):
        return str(backend["url"])
    home = Path(os.environ.get("PULUMI_HOME", Path.home() / ".pulumi"))
    try:
        return str(json.loads((home / "credentials.json").read_text()).get("current", ""))
    except (OSError, ValueError):
        return ""


def _trouble(url: str, lost: frozenset[str], cause: str) -> str | None:
    """Why the backend cannot be used, or None. Only S3 can be in a region that is lost.

    Only silence counts, and only when it lasts: leaving a backend that stands would fork the stacks' state.
    One that refuses us raises LifeboatError.
    """
    parts = urlsplit(url)
    if parts.scheme != "s3":
        return None
    region = parse_qs(parts.query).get("region", [os.environ.get("AWS_REGION", "")])[0]
    if region in lost:
        return f"state backend s3://{parts.netloc} is in {region}, which is lost"
    from botocore.exceptions import BotoCoreError, ClientError

    from recovery.sites.aws.clients import PROBE, Clients
    from recovery.sites.aws.errors import explain

    clients = Clients(region or "us-east-1", cause, PROBE)
    for left in reversed(range(_LOOKS)):
        try:
            clients.s3.head_bucket(Bucket=parts.netloc)
        except (BotoCoreError, ClientError) as error:
            trouble = explain(error, clients.region)
            if not isinstance(trouble, Unavailable):
                raise trouble from error
            if not left:
                return f"state backend s3://{parts.netloc} does not answer ({type(error).__name__})"
            time.sleep(_PAUSE)
        else:
            return None
    return None
