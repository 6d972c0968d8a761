"""The report in a few lines, for a terminal."""

from __future__ import annotations

from recovery.reports.building import Story
from recovery.reports.model import Report
from recovery.units import human


def summary(report: Report, story: Story) -> str:
    """What a person wants to know first."""
    measured, forecast = report.measured, report.forecast
    lines = [f"{report.outcome}  {_downtime(report)} · {_loss(report, story)}"]
    if measured.dns_switch_s is not None:
        where = story.seen.switched or "everywhere"
        lines.append(f"           name switched {where} {human(measured.dns_switch_s)} after the loss")
    if measured.critical_path_s is not None:
        over = f", orchestration {measured.overhead_ratio - 1:.0%} over it" if measured.overhead_ratio else ""
        lines.append(
            f"           critical path {' → '.join(story.path)} {human(measured.critical_path_s)}{over}"
        )
    chain = "chain verified" if report.journal.verified else "CHAIN BROKEN"
    scale = f" · cloud waits divided by {forecast.scale:g}" if forecast.scale else ""
    lines.append(f"           journal {report.journal.entries} entries, {chain}{scale}")
    lines += [f"           ✗ {problem}" for problem in story.seen.problems]
    return "\n".join(lines)


def _downtime(report: Report) -> str:
    rto, forecast = report.measured.rto_s, report.forecast
    here = f"downtime {human(rto)} here" if rto is not None else "downtime not measured"
    if forecast.rto_s is None:
        return f"{here} (promised {human(report.promised.rto_s)})"
    size = f" at {forecast.database_gb:g} GB" if forecast.database_gb else ""
    return f"{here}, {human(forecast.rto_s)} in the cloud{size} (promised {human(report.promised.rto_s)})"


def _loss(report: Report, story: Story) -> str:
    measured = report.measured
    if measured.rpo_s is None:
        return "loss not measured"
    text = f"loss {human(measured.rpo_s)}"
    if measured.lost_writes is not None and measured.acknowledged_writes is not None:
        text += f", {measured.lost_writes:,} of {measured.acknowledged_writes:,} acknowledged writes"
        if measured.lost_writes and story.seen.lost_file:
            text += f", in {story.seen.lost_file}"
    return text
