"""`dr run`: carry out a plan."""

from __future__ import annotations

import sys
from datetime import datetime
from typing import Annotated

import typer

from recovery import continuity
from recovery.cli import common
from recovery.cli.carrying import View, carry
from recovery.engine import beginning
from recovery.engine.record import Answer
from recovery.engine.surroundings import Clouds
from recovery.errors import InputError

app = common.make_app()


@app.command()
def run(  # noqa: PLR0913, PLR0917 - each is an option of the command
    plan: Annotated[str, typer.Argument(help="A plan in plans/, or a file.")],
    target: Annotated[str, typer.Option(help="Site that takes over: its stack or region.")] = "",
    set_: Annotated[
        list[str] | None, typer.Option("--input", help="NAME=VALUE for an input of the plan.")
    ] = None,
    lost: Annotated[list[str] | None, typer.Option(help="A further region that is gone.")] = None,
    since: Annotated[
        str, typer.Option(help="When the outage began (ISO 8601); the RTO clock counts from it.")
    ] = "",
    confirm: Annotated[
        str, typer.Option(help="The scenario's name: yes, what cannot be undone may be done.")
    ] = "",
    approve: Annotated[
        list[str] | None, typer.Option(help="STEP=PERSON: an approval given beforehand.")
    ] = None,
    done: Annotated[list[str] | None, typer.Option(help="STEP=PERSON: a manual step that is done.")] = None,
    wait: Annotated[
        bool | None,
        typer.Option("--wait/--no-wait", help="Stay when a person is awaited (default: in a terminal)."),
    ] = None,
    closing: Annotated[bool, typer.Option("--closing/--no-closing", hidden=True)] = True,
    by: common.By = "",
    json: common.Json = False,
) -> None:
    """Carry out a plan. Exit code 0 recovered, 1 failed or aborted, 2 refused, 3 waits for a person."""
    root, state = common.project()
    company = continuity.load(root / continuity.FILE)
    answers = [
        Answer(kind="approve", step=s, by=who) for s, who in common.pairs(approve or (), "--approve").items()
    ]
    answers += [Answer(kind="done", step=s, by=who) for s, who in common.pairs(done or (), "--done").items()]
    order = beginning.Order(
        plan=plan,
        by=common.person(company, by),
        target=target,
        inputs={name: common.literal(value) for name, value in common.pairs(set_ or (), "--input").items()},
        lost=tuple(lost or ()),
        since=_moment(since),
        confirmed=confirm,
        answers=tuple(answers),
    )
    draft = beginning.draft(root, order)
    around = Clouds(root, state)
    beginning.refuse_lost(draft, around)
    beginning.refuse_second(draft, state)
    _confirm(draft, confirm)
    raise typer.Exit(int(carry(state, draft.record, around, resumed=False, view=View(json, wait, closing))))


def _moment(text: str) -> datetime | None:
    if not text:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise InputError(
            f"--since {text}: no moment in ISO 8601", cure="write it as 2026-11-21T14:02:00Z"
        ) from error
    if moment.tzinfo is None:
        raise InputError(
            f"--since {text}: without a time zone", cure=f"write it as {text}Z, or with your offset"
        )
    return moment


def _confirm(draft: beginning.Draft, confirmed: str) -> None:
    """What cannot be undone needs the scenario's name, typed by a person or given with --confirm."""
    fixed = draft.irreversible()
    scenario = draft.record.scenario
    if not fixed or confirmed == scenario:
        return
    if not confirmed and sys.stdin.isatty():
        common.show("cannot be undone:\n  " + "\n  ".join(fixed))
        confirmed = input(f"type {scenario} to go on: ").strip()
    if confirmed != scenario:
        raise InputError(
            f"not confirmed, and these cannot be undone: {', '.join(f.split(':')[0] for f in fixed)}",
            means="nothing was touched",
            cure=f"add --confirm {scenario}",
        )
