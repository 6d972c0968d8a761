"""User data of machines: `boot.sh` with the variables that a launch template gives it."""

from __future__ import annotations

import base64
import shlex
from collections.abc import Mapping
from pathlib import Path

import pulumi

SCRIPT = Path(__file__).parent / "boot.sh"
LIMIT = 16_384
"""EC2's limit on user data, before base64."""


def render(script: str, variables: Mapping[str, str]) -> str:
    """The script with `export NAME=value` lines after its first line; ValueError beyond EC2's limit."""
    first, _, rest = script.partition("\n")
    exports = "".join(f"export {key}={shlex.quote(value)}\n" for key, value in variables.items())
    text = f"{first}\n{exports}{rest}"
    if len(text.encode()) > LIMIT:
        raise ValueError(f"boot.sh with its variables has {len(text.encode())} bytes; EC2 takes {LIMIT}")
    return text


def user_data(variables: Mapping[str, pulumi.Input[str]]) -> pulumi.Output[str]:
    """Base64 of the rendered script, as launch templates want it."""
    script = SCRIPT.read_text()

    def encode(values: Mapping[str, str]) -> str:
        return base64.b64encode(render(script, values).encode()).decode()

    return pulumi.Output.all(**variables).apply(encode)
