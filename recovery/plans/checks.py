"""Refuses a plan that leans on what its scenario takes away: before the day, not on it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from recovery.actions.base import Need
from recovery.continuity import Continuity
from recovery.decisions import succession
from recovery.errors import InputError
from recovery.plans.loading import Bound

if TYPE_CHECKING:
    from recovery.engine.record import Answer

_WHY = {
    "route53": "Route 53's control plane is in us-east-1, whatever the region",
    "iam": "IAM's control plane is in us-east-1, whatever the region",
    "cloudfront": "CloudFront's control plane is in us-east-1",
    "s3-create": "S3 CreateBucket and bucket settings need us-east-1, whatever the bucket's region",
}


def refuse_strangers(bound: Bound, company: Continuity) -> None:
    """InputError with the line of every step whose owner or approvers nobody in continuity.yaml is."""
    found = []
    for step in bound.plan.steps:
        place = f"{bound.places[step.id]}: step `{step.id}`"
        if step.owner not in company.teams and not company.holders(step.owner):
            found.append(f"{place}: owner `{step.owner}` is no team, role or person in continuity.yaml")
        for role in step.approval.any_of if step.approval else ():
            if not company.holders(role):
                found.append(f"{place}: nobody in continuity.yaml is `{role}`, who is to approve it")
    if found:
        roles = sorted({role for person in company.people for role in (person.id, *person.roles)})
        raise InputError(
            "\n".join(found),
            means="nobody could decide on the day; nothing was touched",
            cure=f"teams: {', '.join(company.teams)}; roles and people: {', '.join(roles)}",
        )


def refuse_answers(bound: Bound, company: Continuity, answers: Iterable[Answer]) -> None:
    """InputError when an approval given beforehand is for no step that asks, or by someone who may not."""
    for answer in answers:
        option = "--done" if answer.kind == "done" else "--approve"
        asking = {s.id: s for s in bound.plan.steps if (s.manual if answer.kind == "done" else s.approval)}
        step = asking.get(answer.step)
        if step is None:
            raise InputError(
                f"{option} {answer.step}: no such step of this plan asks for it",
                means="nothing was touched",
                cure=f"these do: {', '.join(asking) or 'none'}",
            )
        if step.approval and answer.kind != "done":
            allowed = succession.may_approve(company, step.approval, passed_on=True)
        else:
            allowed = succession.may_decide(company, step.owner)
        if answer.by not in allowed:
            raise InputError(
                f"{option} {answer.step}: {answer.by} may not; {', '.join(sorted(allowed))} may",
                means="nothing was touched",
            )


def refuse_lost(bound: Bound, needs: Mapping[str, Iterable[Need]], lost: frozenset[str]) -> None:
    """InputError with the line of every critical step that needs a region of `lost`, and the cure."""
    found = []
    for step in bound.plan.steps:
        if not step.critical or not step.when:
            continue
        for need in needs.get(step.id, ()):
            if need.region in lost:
                why = f" ({_WHY[need.service]})" if need.service in _WHY else ""
                plane = "control plane" if need.plane == "control" else "data plane"
                found.append(
                    f"{bound.places[step.id]}: step `{step.id}` needs {need.service}'s {plane} "
                    f"in {need.region}{why}, and this plan is for losing {need.region}."
                )
    if found:
        raise InputError(
            "\n".join(found),
            means="the plan would stop there on the day; nothing was touched",
            cure="declare in infra/ what the step makes, so that it exists beforehand, or mark the step "
            "`class: non-critical`, so that it runs after recovery",
        )
