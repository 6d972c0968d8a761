"""Durations and sizes as people write them in YAML (`60m`, `1h30m`, `50GB`), and as they read them."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import BeforeValidator

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*(GB|TB)")


_LONGEST = 3650 * 86400.0


class Bare(float):
    """A number that a person wrote: as a duration or size it lacks its unit, which one of ours does not."""


def parse_duration(value: object) -> float:
    """Seconds in `45s`, `60m`, `1h30m`, `2d`; ValueError when it is none (a bare number has no unit)."""
    if isinstance(value, float) and not isinstance(value, Bare):
        return value
    text = str(value).replace(" ", "")
    parts = _DURATION.findall(text)
    if not parts or "".join(n + u for n, u in parts) != text:
        raise ValueError(f"`{value}` is not a duration; write it with its unit, as in 45s, 60m, 1h30m or 2d")
    seconds = sum(float(number) * _UNITS[unit] for number, unit in parts)
    if seconds > _LONGEST:
        raise ValueError(f"`{value}` is longer than ten years")
    return seconds


def parse_size(value: object) -> float:
    """Gigabytes in `50GB` or `1.5TB`; ValueError when it is none."""
    if isinstance(value, float) and not isinstance(value, Bare):
        return value
    match = _SIZE.fullmatch(str(value).strip())
    if not match:
        raise ValueError(f"`{value}` is not a size; write it with its unit, as in 50GB or 1.5TB")
    return float(match[1]) * (1000.0 if match[2] == "TB" else 1.0)


Duration = Annotated[float, BeforeValidator(parse_duration, json_schema_input_type=str)]
"""Seconds; written `45s`, `60m`, `1h30m`, `2d`."""
Gigabytes = Annotated[float, BeforeValidator(parse_size, json_schema_input_type=str)]
"""Gigabytes; written `50GB`, `1.5TB`."""


def human(seconds: float) -> str:
    """A duration for people: `0.9s`, `41s`, `12m`, `2h 10m`, `3d`."""
    if seconds < 0:
        return f"-{human(-seconds)}"
    if seconds < 9.95:
        return f"{seconds:.1f}s"
    if seconds < 120:
        return f"{seconds:.0f}s"
    minutes = round(seconds / 60)
    if minutes < 120:
        return f"{minutes}m"
    hours, rest = divmod(minutes, 60)
    if hours < 48:
        return f"{hours}h {rest:02d}m" if rest else f"{hours}h"
    return f"{hours / 24:.0f}d"


def clock_face(seconds: float) -> str:
    """Time that passed as a running clock shows it: `0:07.4`, `12:40.1`, `1:02:03`."""
    hours, rest = divmod(max(0.0, seconds), 3600)
    minutes, secs = divmod(rest, 60)
    return f"{hours:.0f}:{minutes:02.0f}:{secs:02.0f}" if hours else f"{int(minutes)}:{secs:04.1f}"
