"""What may be done with a terminal."""

from __future__ import annotations

import os
from typing import TextIO


def redraws(stream: TextIO) -> bool:
    """Whether it is a terminal whose lines can be written over; a dumb one's cannot."""
    return stream.isatty() and os.environ.get("TERM", "") not in ("", "dumb", "unknown")
