"""What a plan is: a scenario's steps with their order, owners, approvals and limits. Frozen; a value to show,
check, time, diff and print before anything is touched."""

from __future__ import annotations

import re
from typing import Any, Literal

from pydantic import Field, JsonValue, field_validator, model_validator

from recovery.documents import Document
from recovery.units import Duration, Gigabytes

MANUAL = "manual"
_ID = re.compile(r"[a-z][a-z0-9]*([.-][a-z0-9]+)*")


def _speakable(value: str, what: str) -> str:
    """It becomes part of folders, tags and names in clouds."""
    if not _ID.fullmatch(value) or len(value) > 40:
        raise ValueError(f"`{value}` is no {what}: lower-case letters, digits and dashes, at most 40")
    return value


class PlanPromise(Document):
    """What the plan promises: seconds until service is back, seconds of writes lost, at that size."""

    rto: Duration
    rpo: Duration
    at: Gigabytes = Field(gt=0)


class Input(Document):
    """A value that `dr run --input name=…` may change: a site (by its stack) or anything plain."""

    site: str | None = None
    default: JsonValue = None
    help: str = ""

    @model_validator(mode="after")
    def _one_kind(self) -> Input:
        if self.site is not None and self.default is not None:
            raise ValueError("an input is either a `site` or has a `default`, not both")
        return self

    @property
    def value(self) -> JsonValue:
        """What it is when nobody changes it."""
        return self.site if self.site is not None else self.default


class Retry(Document):
    """How often a step is tried before a person is asked. Waits grow by `backoff`, up to a minute."""

    times: int = Field(default=3, ge=1, le=20)
    wait: Duration = 2.0
    backoff: float = Field(default=2.0, ge=1.0, le=10.0)

    def delay(self, attempt: int) -> float:
        """Seconds to wait before that attempt (the first is 1)."""
        return 0.0 if attempt <= 1 else min(60.0, self.wait * self.backoff ** (attempt - 2))


class Approval(Document):
    """Who has to say yes before the step; after `within`, authority passes on in the line of succession."""

    any_of: tuple[str, ...] = Field(min_length=1)
    within: Duration = 900.0
    else_: Literal["next-in-line"] = "next-in-line"


class Step(Document):
    """One step: an action, a manual task, or another plan (`uses: plan/<name>`)."""

    id: str
    uses: str
    with_: dict[str, JsonValue] = Field(default_factory=dict)
    after: tuple[str, ...] = ()
    owner: str = "ops"
    class_: Literal["critical", "non-critical"] = "critical"
    estimate: Duration | None = None
    timeout: Duration = Field(default=1800.0, gt=0)
    retry: Retry = Retry()
    approval: Approval | None = None
    when: bool | str = True
    """False, or `${inputs.x}` that is false: the step is left out."""

    @field_validator("id")
    @classmethod
    def _is_speakable(cls, value: str) -> str:
        return _speakable(value, "step id")

    @property
    def manual(self) -> bool:
        """Whether a person does it."""
        return self.uses == MANUAL

    @property
    def critical(self) -> bool:
        """Whether service waits for it."""
        return self.class_ == "critical"


class Plan(Document):
    """A whole plan. `loses` names what the scenario takes away: site inputs (their regions) or regions."""

    version: Literal[1] = 1
    scenario: str
    summary: str = ""
    promise: PlanPromise
    loses: tuple[str, ...] = ()
    inputs: dict[str, Input] = Field(default_factory=dict)
    steps: tuple[Step, ...] = Field(min_length=1)

    @field_validator("scenario")
    @classmethod
    def _is_speakable(cls, value: str) -> str:
        return _speakable(value, "name of a scenario")

    def step(self, step_id: str) -> Step:
        """The step of that id; KeyError when there is none."""
        for step in self.steps:
            if step.id == step_id:
                return step
        raise KeyError(step_id)

    def index(self, step_id: str) -> int:
        """Its place in the file, from 0; KeyError when there is none."""
        for number, step in enumerate(self.steps):
            if step.id == step_id:
                return number
        raise KeyError(step_id)

    def frozen(self) -> dict[str, Any]:
        """The plan as JSON, for a run's record."""
        return self.model_dump(mode="json", by_alias=True)
