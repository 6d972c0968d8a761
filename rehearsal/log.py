"""The world's log: structured lines in `world.log` of its home."""

from __future__ import annotations

import structlog

log = structlog.get_logger("rehearsal")
