"""The readable report: one HTML file with nothing outside it."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

from recovery.engine.journal import Entry
from recovery.reports.building import Story
from recovery.reports.model import Report
from recovery.reports.picture import ROW, draw
from recovery.units import human


def page(report: Report, story: Story) -> str:
    """The report as HTML; every value is escaped."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=select_autoescape(default=True, default_for_string=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "human": _human,
        "count": _count,
        "moment": _moment,
        "percent": _percent,
        "remark": _remark,
    }
    return environment.get_template("report.html.j2").render(
        report=report, story=story, picture=draw(story), row=ROW, kept=report.kept()
    )


def _human(seconds: float | None) -> str:
    return "not measured" if seconds is None else human(seconds)


def _count(number: int | None) -> str:
    return "not measured" if number is None else f"{number:,}"


def _remark(entry: Entry) -> str:
    """Who said it, and what was found, failed or decided."""
    data, answer = entry.data, entry.data.get("answer") or {}
    by = answer.get("by") or data.get("by") or ""
    who = by if isinstance(by, str) else f"one of {', '.join(by)}"  # several may approve
    said = " ".join(filter(None, (who, answer.get("kind"), answer.get("reason"))))
    error = data.get("error") or {}
    found = (
        error.get("what")
        or data.get("says")
        or data.get("why")
        or data.get("outcome")
        or data.get("message")
        or ""
    )
    return f"{said}: {found}" if said and found else said or str(found)


def _percent(ratio: float | None) -> str:
    return "not measured" if ratio is None else f"{ratio - 1:.1%}"


def _moment(at: str | datetime) -> str:
    moment = datetime.fromisoformat(at) if isinstance(at, str) else at
    return f"{moment:%Y-%m-%d %H:%M:%S}.{moment.microsecond // 100_000} UTC"
