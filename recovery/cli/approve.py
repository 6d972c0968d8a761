"""`dr approve`: say yes to a step that asks, or that a manual step is done. May be given before its turn."""

from __future__ import annotations

from typing import Annotated

import typer

from recovery.cli import common
from recovery.decisions import succession
from recovery.engine.record import Answer
from recovery.errors import InputError

app = common.make_app()


@app.command()
def approve(
    run: Annotated[str, typer.Argument(help="The run, or `latest`.")],
    step: Annotated[str, typer.Argument(help="The step.")],
    reject: Annotated[bool, typer.Option("--reject", help="Say no.")] = False,
    reason: Annotated[str, typer.Option(help="Why; goes into the journal.")] = "",
    by: common.By = "",
    json: common.Json = False,
) -> None:
    """Approve a step, or say that a manual one is done. Recorded with your name."""
    root, state = common.project()
    record = common.the_run(state, run)
    common.refuse_finished(state, record)
    company = record.people()
    who = common.person(company, by)
    try:
        the_step = record.bound().plan.step(step)
    except KeyError as error:
        names = ", ".join(s.id for s in record.bound().plan.steps if s.approval or s.manual)
        raise InputError(
            f"the plan has no step `{step}`", cure=f"these wait for people: {names or 'none'}"
        ) from error
    if the_step.manual:
        kind, allowed = "done", succession.may_decide(company, the_step.owner)
    elif the_step.approval is None:
        raise InputError(f"step `{step}` needs no approval")
    else:
        # Whether authority has passed on is the run's to say; here only those are refused who never may.
        kind, allowed = "approve", succession.may_approve(company, the_step.approval, passed_on=True)
    if who not in allowed:
        raise InputError(f"{who} may not; {', '.join(sorted(allowed))} may", means="nothing was recorded")
    account = common.same_account(record, root)
    answer = Answer.model_validate(
        {"kind": "reject" if reject else kind, "step": step, "by": who, "reason": reason, "account": account}
    )
    note = common.send(state, record, answer)
    if json:
        common.show_json({"run": record.id, "answer": answer.model_dump(mode="json"), "note": note})
    else:
        common.show(f"{answer.kind} {step} by {who}: {note}")
