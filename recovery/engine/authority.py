"""Who may say what to a run, and when. Gates return a reason, or nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from recovery.decisions import succession
from recovery.engine.record import Answer

if TYPE_CHECKING:
    from recovery.engine.machine import Machine


def refusal(run: Machine, answer: Answer) -> str:  # noqa: PLR0911 - one return a reason
    """Why an answer does not count; empty when it does."""
    if answer.account and run.accounts.get(answer.account.provider, answer.account) != answer.account:
        return f"it was given under {answer.account}, not under {run.accounts[answer.account.provider]}"
    if answer.kind == "abort":
        return _must_be(answer, succession.may_decide(run.company, run.company.owner))
    if answer.step not in run.steps:
        return f"the plan has no step `{answer.step}`"
    step, state = run.bound.plan.step(answer.step), run.steps[answer.step]
    if answer.kind in ("approve", "reject"):
        if step.approval is None:
            return f"step `{answer.step}` needs no approval"
        if answer.kind == "reject" and state.status != "awaiting-approval":
            return f"step `{answer.step}` does not wait for an approval"
        if early(run, answer):
            return f"{answer.by} may once authority has passed on to the next in line; it counts then"
        return _must_be(answer, succession.may_approve(run.company, step.approval, state.passed_on))
    if answer.kind == "done" and not step.manual:
        return f"step `{answer.step}` is not done by hand; `override` says that someone did it all the same"
    decided = answer.kind == "done" or state.status == "awaiting-decision"
    if not decided and not (answer.kind == "skip" and state.status.startswith("awaiting-")):
        return f"step `{answer.step}` does not wait for a decision (it is {state.status})"
    return _unfit(run, answer) or _must_be(answer, succession.may_decide(run.company, step.owner))


def early(run: Machine, answer: Answer) -> bool:
    """Whether it is an approval by someone who may give it only once nobody answered in time."""
    step = run.bound.plan.step(answer.step) if answer.step in run.steps else None
    if answer.kind != "approve" or step is None or step.approval is None or run.steps[answer.step].passed_on:
        return False
    now, later = (succession.may_approve(run.company, step.approval, on) for on in (False, True))
    return answer.by in later and answer.by not in now


def _unfit(run: Machine, answer: Answer) -> str:
    action = run.bound.action(answer.step)
    try:
        if answer.kind == "override" and action and action.gives:
            action.gives.model_validate(answer.fact)
        for name, values in answer.changes.items():
            if name not in run.steps:
                return f"the plan has no step `{name}`"
            if name != answer.step and run.steps[name].status != "ok":
                return f"step `{name}` is {run.steps[name].status}, so it cannot be done again"
            run.bound.with_(name, values)
    except ValueError as error:
        return f"what was given does not fit: {error}"
    return ""


def _must_be(answer: Answer, allowed: Mapping[str, str]) -> str:
    return (
        "" if answer.by in allowed else f"{answer.by} may not; {', '.join(sorted(allowed)) or 'nobody'} may"
    )
