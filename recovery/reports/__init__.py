"""What a run was: `report.json` (schema 1), `report.html` and a few lines of text.

`build(state, run, Observations(...), Forecast(...))` gives a report and its story; `write(folder, ...)` puts
both files there.
"""

from __future__ import annotations

from pathlib import Path

from recovery.reports.building import Observations, Story, Tick, build
from recovery.reports.model import Forecast, Report
from recovery.reports.text import summary

FILES = ("report.json", "report.html")
"""What `write` leaves in a folder."""

__all__ = ["FILES", "Forecast", "Observations", "Report", "Story", "Tick", "build", "summary", "write"]


def write(folder: Path, report: Report, story: Story) -> tuple[Path, Path]:
    """Write `report.json` and `report.html`; returns their paths."""
    from recovery.reports.html import page

    folder.mkdir(parents=True, exist_ok=True)
    data, readable = (folder / name for name in FILES)
    data.write_text(report.as_json())
    readable.write_text(page(report, story))
    return data, readable
