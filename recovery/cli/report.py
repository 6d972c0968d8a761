"""`dr report`: what a run did."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from recovery import reports
from recovery.cli import common
from recovery.engine import runner
from recovery.engine.record import runs_folder

app = common.make_app()


@app.command()
def report(
    run: Annotated[str, typer.Argument(help="The run (default: the latest).")] = "latest",
    out: Annotated[Path | None, typer.Option(help="Folder for report.json and report.html.")] = None,
    json: common.Json = False,
) -> None:
    """Write a run's report and print it in short. Its journal is exported and checked."""
    _, state = common.project()
    record = common.the_run(state, run)
    runner.export_journal(state, record.id)
    found, story = reports.build(state, record.id)
    folder = out or runs_folder(state) / record.id
    _, page = reports.write(folder, found, story)
    if json:
        common.show(found.as_json().strip())
    else:
        common.show(reports.summary(found, story))
        common.show(f"           report: {page}")
    raise typer.Exit(0 if found.outcome == "recovered" and found.journal.verified else 1)
