"""The world's log: structured lines in `world.log` of its home."""

from __future__ import annotations

from pathlib import Path

import structlog

log = structlog.get_logger("rehearsal")


def write_to(file: Path) -> None:
    """Send this process's log lines (JSON) to `file`; without it they go to the terminal."""
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(default=str),
        ],
        logger_factory=structlog.WriteLoggerFactory(file.open("a", buffering=1)),
    )
