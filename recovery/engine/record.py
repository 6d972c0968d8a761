"""The record of a run: what was asked, of which plan, in whose account. Frozen when the run begins."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from recovery.continuity import Continuity
from recovery.errors import InputError
from recovery.plans import loading
from recovery.plans.model import Plan


class Account(BaseModel):
    """Whose account at which endpoint; a run is never taken up, approved or undone under another one."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    provider: str
    account: str
    endpoint: str

    def __str__(self) -> str:
        return f"{self.provider} account {self.account} at {self.endpoint}"


class Answer(BaseModel):
    """What a person said: to an approval, a failed step, a manual task, or the run as a whole.

    Signatures come with a later version; until then whoever can write the engine's database can answer,
    and every answer is journaled with the name that was given.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["approve", "reject", "done", "retry", "override", "skip", "abort"]
    by: str
    step: str = ""
    reason: str = ""
    changes: dict[str, dict[str, Any]] = Field(default_factory=dict)
    """For `retry`: step -> values of its `with` to change; steps named here are done again."""
    fact: dict[str, Any] | None = None
    """For `override`: what the step would have given."""
    undo: bool = False
    """For `abort`: take back what can be taken back."""
    account: Account | None = None


class RunRecord(BaseModel):
    """Everything a run needs to be taken up by another process. Written to `run.json` in its folder."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: Literal[1] = 1
    id: str
    scenario: str
    plan: dict[str, Any]
    inputs: dict[str, Any]
    places: dict[str, str]
    digest: str
    source: str
    """Stack of the site that is lost."""
    target: str
    """Stack of the site that takes over."""
    lost: tuple[str, ...]
    """Regions that are gone."""
    accounts: tuple[Account, ...]
    continuity: dict[str, Any]
    since: datetime
    """When the outage began, as far as known; the RTO clock counts from here."""
    recorded: datetime
    by: str
    confirmed: str = ""
    engine_version: str | None = None
    """Of the database, as the target's contract had it; a later one makes this run's proof stale."""
    answers: tuple[Answer, ...] = ()
    """Approvals given with the order to run."""

    def bound(self) -> loading.Bound:
        """The plan as it was checked, bound again to the actions of this installation."""
        plan = Plan.model_validate(self.plan)
        bound = loading.bind(plan, self.inputs, self.places)
        if bound.digest != self.digest:
            raise InputError(
                f"the plan of run {self.id} is not the one that was recorded", means="its record was changed"
            )
        return bound

    def people(self) -> Continuity:
        """The company as it was when the run began."""
        return Continuity.model_validate(self.continuity)

    def save(self, folder: Path) -> None:
        """Write `run.json`, atomically."""
        temporary = folder / "run.json.new"
        temporary.write_text(self.model_dump_json(indent=1))
        temporary.replace(folder / "run.json")


def runs_folder(state: Path) -> Path:
    """Where runs keep their folders."""
    return state / "runs"


def read(state: Path, run: str) -> RunRecord:
    """The record of a run; InputError when there is none, with the runs there are."""
    path = runs_folder(state) / run / "run.json"
    try:
        return RunRecord.model_validate_json(path.read_bytes())
    except OSError as error:
        known = ", ".join(names(state)[-5:]) or "none yet"
        raise InputError(f"there is no run `{run}`", cure=f"the latest runs are: {known}") from error
    except ValidationError as error:
        raise InputError(f"{path} cannot be read: {error.errors()[0]['msg']}") from error


def names(state: Path) -> list[str]:
    """Ids of all runs, oldest first."""
    found: list[tuple[str, str]] = []
    for path in runs_folder(state).glob("*/run.json"):
        try:
            found.append((json.loads(path.read_bytes())["recorded"], path.parent.name))
        except (OSError, ValueError, KeyError):
            continue
    return [name for _, name in sorted(found)]


def same_account(record: RunRecord, now: Mapping[str, Account]) -> str | None:
    """Why the run must not be touched from here; None when every account and endpoint is the recorded one."""
    for recorded in record.accounts:
        here = now.get(recorded.provider)
        if here != recorded:
            return f"run {record.id} belongs to {recorded}, and this is {here or 'no account at all'}"
    return None
