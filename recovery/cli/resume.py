"""`dr resume`: take a run up again, or decide on a failed step."""

from __future__ import annotations

import json as jsonlib
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import ValidationError

from recovery.cli import common
from recovery.cli.carrying import View, carry
from recovery.engine import lease, standing
from recovery.engine.record import Answer, RunRecord, runs_folder
from recovery.engine.surroundings import Clouds
from recovery.errors import InputError
from recovery.plans.loading import Bound

app = common.make_app()


@app.command()
def resume(  # noqa: PLR0913, PLR0917 - each is an option of the command
    run: Annotated[str, typer.Argument(help="The run (default: the latest).")] = "latest",
    retry: Annotated[
        list[str] | None, typer.Option(help="Try this failed step again (default: all of them).")
    ] = None,
    use: Annotated[
        list[str] | None,
        typer.Option(help="STEP.KEY=VALUE: change a step's `with`, do it again, then retry."),
    ] = None,
    override: Annotated[list[str] | None, typer.Option(help="This failed step was done by hand.")] = None,
    fact: Annotated[
        Path | None, typer.Option(help="With --override: file with what the step gives (JSON).")
    ] = None,
    skip: Annotated[list[str] | None, typer.Option(help="Go on without this step.")] = None,
    reason: Annotated[str, typer.Option(help="Why; goes into the journal.")] = "",
    wait: Annotated[
        bool | None, typer.Option("--wait/--no-wait", help="Stay when a person is awaited.")
    ] = None,
    by: common.By = "",
    json: common.Json = False,
) -> None:
    """Take a run up again after a crash, or after a step failed and its cause is cured."""
    root, state = common.project()
    record = common.the_run(state, run)
    if any((retry, use, override, skip)):
        common.refuse_finished(state, record)
    account = common.same_account(record, root)
    who = common.person(record.people(), by)
    open_ = standing.undecided(state, record.id)
    bound = record.bound()
    for step in (*(retry or ()), *(override or ()), *(skip or ())):
        if step not in bound.after:
            raise InputError(f"the plan has no step `{step}`", cure=f"its steps: {', '.join(bound.after)}")
    given = _fact(bound, override or [], fact)
    answers = [Answer(kind="override", step=s, by=who, fact=given, reason=reason) for s in override or ()]
    answers += [Answer(kind="skip", step=s, by=who, reason=reason) for s in skip or ()]
    decided = {answer.step for answer in answers}
    changes = _changes(record, use or [])
    for step in retry or [step for step in open_ if step not in decided]:
        answers.append(Answer(kind="retry", step=step, by=who, reason=reason, changes=changes))
    if changes and not any(answer.kind == "retry" for answer in answers):
        raise InputError("--use changes how a failed step is tried again, and no step waits for that")
    for step in (*(retry or ()), *(override or ()), *(skip or ()), *changes):
        common.refuse_stranger(record, step, who)
    for answer in answers:
        common.send(state, record, answer.model_copy(update={"account": account}))
    holder = lease.holder(runs_folder(state) / record.id)
    if holder:
        told = "was told" if answers else "needs nothing: no step waits for a decision"
        common.answered(record, f"{holder} carries the run out and {told}", json=json)
        return
    raise typer.Exit(int(carry(state, record, Clouds(root, state), resumed=True, view=View(json, wait))))


def _fact(bound: Bound, override: list[str], path: Path | None) -> Any:
    """What the overridden steps give, from the file; InputError when it is not what later steps take."""
    try:
        given = jsonlib.loads(path.read_text()) if path else None
    except (OSError, ValueError) as error:
        raise InputError(f"--fact {path}: no JSON that can be read ({error})") from error
    for step in override:
        action = bound.action(step)
        if action is None or action.gives is None:
            continue
        fields = ", ".join(action.gives.model_fields)
        cure = f"--fact FILE, a JSON object with: {fields}; or --skip {step}"
        try:
            action.gives.model_validate(given)
        except ValidationError as error:
            wrong = error.errors()[0]
            where = ".".join(map(str, wrong["loc"])) or "the whole"
            trouble = f"{where}: {wrong['msg']}" if path else "no --fact was given"
            raise InputError(
                f"--override {step}: later steps take what it gives, and {trouble}", cure=cure
            ) from error
    return given


def _changes(record: RunRecord, use: list[str]) -> dict[str, dict[str, Any]]:
    """`STEP.KEY=VALUE`; the key may be left out where the step's `with` has one field only."""
    bound = record.bound()
    found: dict[str, dict[str, Any]] = {}
    for name, value in common.pairs(use, "--use").items():
        step = max((s for s in bound.after if name == s or name.startswith(f"{s}.")), key=len, default="")
        if not step:
            raise InputError(
                f"--use {name}: the plan has no such step", cure=f"its steps: {', '.join(bound.after)}"
            )
        key = name[len(step) + 1 :]
        fields = list(type(bound.with_(step)).model_fields)
        if not key and len(fields) != 1:
            raise InputError(
                f"--use {name}: say which value of its `with`: {', '.join(f'{step}.{f}' for f in fields)}"
            )
        found.setdefault(step, {})[key or fields[0]] = common.literal(value)
    return found
