"""What points a program at a world: environment variables for pulumi, boto3, aws, psql, dig and `dr`."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Mapping
from pathlib import Path

from rehearsal.pki import ca_file
from rehearsal.world import WorldSettings

ACCOUNT = "123456789012"
CHILD = "LIFEBOAT_WORLD"
"""In the environment of what a rehearsal itself starts (never in a person's shell): the world's home."""
_OTHERS_OWN = (
    "AWS_PROFILE",
    "AWS_DEFAULT_PROFILE",
    "AWS_SESSION_TOKEN",
    "AWS_SECURITY_TOKEN",
    "AWS_ROLE_ARN",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_CA_BUNDLE",
    "AWS_USE_FIPS_ENDPOINT",
    "AWS_USE_DUALSTACK_ENDPOINT",
    "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS",
    "PULUMI_ACCESS_TOKEN",
    "PULUMI_OPTION_CWD",
    "PULUMI_STACK",
    "PULUMI_CONFIG_PASSPHRASE_FILE",
    "PULUMI_DEBUG_PROVIDERS",
    "PULUMI_IGNORE_AMBIENT_PLUGINS",
    "PYTHONDONTWRITEBYTECODE",
    "http_proxy",
    "https_proxy",
    "all_proxy",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "ALL_PROXY",
)


def variables(settings: WorldSettings, *, pulumi: Path | None = None) -> dict[str, str]:
    """What to set. `pulumi` is the folder of the Pulumi CLI, put first on PATH."""
    home = settings.home
    resolvers = ",".join(f"{address}:{settings.port(53)}" for address in settings.resolver_addresses())
    found = {
        "AWS_ENDPOINT_URL": settings.api_url,
        "AWS_ACCESS_KEY_ID": "rehearsal",
        "AWS_SECRET_ACCESS_KEY": "rehearsal",
        "AWS_REGION": settings.standby,
        "AWS_DEFAULT_REGION": settings.standby,
        "AWS_CONFIG_FILE": str(home / "aws-config"),
        "AWS_SHARED_CREDENTIALS_FILE": str(home / "aws-credentials"),
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_PAGER": "",
        "NO_PROXY": "*",
        "no_proxy": "*",
        "PULUMI_HOME": str(home / "pulumi"),
        "PULUMI_BACKEND_URL": f"file://{home / 'state'}",
        "PULUMI_CONFIG_PASSPHRASE": "rehearsal",
        "PULUMI_SKIP_UPDATE_CHECK": "1",
        "PULUMI_PARALLEL": "32",  # most of an `up` is waiting; the default is four per core
        "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "1",
        "PULUMI_CREDENTIAL_STORE": "plaintext",
        "LIFEBOAT_STATE": str(home / "lifeboat"),
        "LIFEBOAT_DNS": resolvers,
        "LIFEBOAT_CA": str(ca_file(home)),
        "LIFEBOAT_PORT_OFFSET": str(settings.port_offset),
    }
    if pulumi is not None:
        path = os.environ.get("PATH", os.defpath).split(os.pathsep)
        found["PATH"] = os.pathsep.join([str(pulumi), *(part for part in path if part != str(pulumi))])
    return found


def environment(
    settings: WorldSettings, *, pulumi: Path | None = None, base: Mapping[str, str] | None = None
) -> dict[str, str]:
    """For a child process: `base` (ours) without the user's own clouds, plus `variables`."""
    kept = dict(os.environ if base is None else base)
    for name in _OTHERS_OWN:
        kept.pop(name, None)
    return kept | variables(settings, pulumi=pulumi) | {CHILD: str(settings.home)}


def in_a_shell(settings: WorldSettings, *, pulumi: Path | None = None) -> dict[str, str]:
    """`variables`, and what a person's shell needs besides."""
    return variables(settings, pulumi=pulumi) | {
        # `pulumi` by hand works on the world's copy of the stacks: tracked files get no salt
        "PULUMI_OPTION_CWD": str(settings.home / "project"),
        "LIFEBOAT_PYTHON": sys.executable,
    }


def shell(settings: WorldSettings, *, pulumi: Path | None = None) -> str:
    """The same as lines for `eval` in a POSIX shell, which first forget the user's own clouds."""
    lines = [f"unset {' '.join(_OTHERS_OWN)}"]
    found = in_a_shell(settings, pulumi=pulumi)
    lines += [f"export {name}={shlex.quote(value)}" for name, value in found.items()]
    return "\n".join(lines)
