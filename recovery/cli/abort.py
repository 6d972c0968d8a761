"""`dr abort`: end a run; with --undo, take back what it did."""

from __future__ import annotations

from typing import Annotated

import typer

from recovery.cli import common
from recovery.cli.carrying import View, carry
from recovery.decisions import succession
from recovery.engine import lease
from recovery.engine.record import Answer, runs_folder
from recovery.engine.surroundings import Clouds
from recovery.errors import InputError

app = common.make_app()


@app.command()
def abort(
    run: Annotated[str, typer.Argument(help="The run, or `latest`.")],
    undo: Annotated[
        bool, typer.Option("--undo", help="Take back what can be taken back, last step first.")
    ] = False,
    reason: Annotated[str, typer.Option(help="Why; goes into the journal.")] = "",
    by: common.By = "",
    json: common.Json = False,
) -> None:
    """End a run. Steps that are under way stop where they can be taken up; what cannot be undone stays."""
    root, state = common.project()
    record = common.the_run(state, run)
    common.refuse_finished(state, record)
    company = record.people()
    who = common.person(company, by)
    allowed = succession.may_decide(company, company.owner)
    if who not in allowed:
        raise InputError(
            f"{who} may not abort; {', '.join(sorted(allowed))} may", means="nothing was recorded"
        )
    account = common.same_account(record, root)
    common.send(state, record, Answer(kind="abort", by=who, reason=reason, undo=undo, account=account))
    holder = lease.holder(runs_folder(state) / record.id)
    if holder:
        common.answered(record, f"{holder} carries the run out and was told to end it", json=json)
        return
    carry(state, record, Clouds(root, state), resumed=True, view=View(json, wait=False))
