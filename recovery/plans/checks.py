"""Refuses a plan that leans on what its scenario takes away: before the day, not on it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from recovery.actions.base import Need
from recovery.errors import InputError
from recovery.plans.loading import Bound

_WHY = {
    "route53": "Route 53's control plane is in us-east-1, whatever the region",
    "iam": "IAM's control plane is in us-east-1, whatever the region",
    "cloudfront": "CloudFront's control plane is in us-east-1",
    "s3-create": "S3 CreateBucket and bucket settings need us-east-1, whatever the bucket's region",
}


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
