"""`dr status`: sites, backups, what would be lost now, when it was last seen to work."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from recovery import continuity, sites
from recovery.cli import common
from recovery.clock import SystemClock
from recovery.engine import surroundings
from recovery.readiness import metrics, overview
from recovery.readiness.overview import Overview, Scenario
from recovery.units import human

app = common.make_app()


@app.command()
def status(
    json: common.Json = False,
    publish: Annotated[
        bool, typer.Option("--publish", help="Tell the sites' alarms how old backups are (for a schedule).")
    ] = False,
) -> None:
    """Show every site, its backups, what would be lost now, and when recovery was last seen to work."""
    root, state = common.project()
    if publish:
        _publish(root)
    found = overview.look(root, state, SystemClock())
    if json:
        common.show_json(as_json(found))
    else:
        show(found)


def _publish(root: Path) -> None:
    company = continuity.load(root / continuity.FILE)
    connected = sites.connect("lifeboat/status")
    contracts = [surroundings.site(root, stack) for stack in company.sites]
    metrics.publish([connected.of(contract) for contract in contracts], SystemClock().now())


def as_json(found: Overview) -> dict[str, object]:
    """The overview as one object."""
    return {
        "version": 1,
        "company": found.company.company,
        "owner": found.company.owner,
        "reviewed": found.company.reviewed,
        "next_review": found.company.next_review,
        "sites": [asdict(site) for site in found.sites],
        "scenarios": [asdict(scenario) for scenario in found.scenarios],
        "unfinished_runs": found.runs,
    }


def show(found: Overview) -> None:
    """The overview for a terminal."""
    from rich.console import Console
    from rich.table import Table

    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=180)
    company = found.company
    console.print(
        f"{company.company} · owner {company.owner} · "
        f"plan reviewed {company.reviewed}, next by {company.next_review}"
    )
    table = Table(box=None, pad_edge=False, padding=(0, 3, 0, 0))
    for head in ("site", "role", "state", "database", "web", "artefact", "serves"):
        table.add_column(head, header_style="dim", no_wrap=True)
    for site in found.sites:
        table.add_row(site.stack, site.role, site.state, site.database, site.web, site.artefact, site.serves)
    console.print(table)
    for site in found.sites:
        for problem in site.problems:
            console.print(f"  {site.stack}: {problem}", style="yellow")
    if found.scenarios:
        console.print("if it happened now: " + " · ".join(_now(scenario) for scenario in found.scenarios))
        console.print("verified: " + " · ".join(f"{s.name} {s.verified}" for s in found.scenarios))
    for run in found.runs:
        console.print(f"unfinished: {run}", style="yellow")


def _now(scenario: Scenario) -> str:
    if scenario.trouble:
        return f"{scenario.name}: {scenario.trouble}"
    time = f"~{human(scenario.rto_s)}" if scenario.rto_s is not None else "unknown time"
    loss = f"loses ~{human(scenario.loss_s)}" if scenario.loss_s is not None else "loss unknown"
    return f"{scenario.name.replace('-', ' ')} {time}, {loss}"
