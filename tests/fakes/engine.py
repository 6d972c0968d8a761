"""Actions that touch nothing but a folder of effects, and surroundings without any cloud."""

from __future__ import annotations

import os
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar

from recovery.actions import registry
from recovery.actions.base import Action, Context, Fact, Need, Preview, With
from recovery.clock import SystemClock
from recovery.continuity import Continuity
from recovery.engine.attempts import Moment
from recovery.engine.record import Account, RunRecord
from recovery.errors import ActionFailed
from recovery.plans import loading

COMPANY: dict[str, Any] = {
    "version": 1,
    "company": "test",
    "owner": "cto",
    "reviewed": "2026-10-31",
    "people": [
        {"id": "ada", "name": "Ada", "roles": ["cto"]},
        {"id": "ben", "name": "Ben", "roles": ["ceo"]},
        {"id": "cem", "name": "Cem", "roles": ["ops-lead"]},
    ],
    "succession": ["cto", "ceo"],
    "teams": {"ops": {"leader": "ops-lead", "members": ["cem"]}},
    "promises": {"test": {"rto": "60m", "rpo": "30m"}},
    "sites": {
        "prod": {"region": "eu-central-1", "role": "primary"},
        "dr": {"region": "eu-west-1", "role": "standby"},
    },
    "database-size": "50GB",
}


class NoteWith(With):
    """`fail`: how many attempts fail. `seconds`: how long it takes."""

    fail: int = 0
    seconds: float = 0.0
    needs: str = ""


class Noted(Fact):
    """The effect's file."""

    what: str

    def says(self) -> str:
        return self.what


class Note(Action):
    """Makes one file per key: its effect. A file that is there already is found, not made."""

    name = "note"
    summary = "make a file"
    With = NoteWith

    def needs(self, ctx: Context) -> tuple[Need, ...]:
        region = getattr(ctx.with_, "needs", "")
        return (Need("thing", region),) if region else ()

    def preview(self, ctx: Context) -> Preview:
        return Preview(expected_seconds=1.0)

    def perform(self, ctx: Context) -> Fact | None:
        assert isinstance(ctx.with_, NoteWith)
        _crash_here(ctx, "before")
        until = time.monotonic() + ctx.with_.seconds
        while time.monotonic() < until and not ctx.cancelled():
            time.sleep(0.005)
        if ctx.attempt <= ctx.with_.fail:
            raise ActionFailed(f"attempt {ctx.attempt} was to fail", means="a test", cure="none")
        effect = ctx.folder / f"effect-{ctx.step}"
        if not effect.exists():
            with (ctx.folder / "made").open("a") as made:
                made.write(ctx.key + "\n")
            effect.write_text(ctx.key)
        _crash_here(ctx, "after")
        return Noted(what=f"noted {ctx.step}") if self.gives else None

    def verify(self, ctx: Context, fact: Fact | None) -> None:
        if not (ctx.folder / f"effect-{ctx.step}").exists():
            raise ActionFailed("no effect")
        _crash_here(ctx, "verified")

    def undo(self, ctx: Context, fact: Fact | None) -> None:
        assert not ctx.cancelled(), "the abort stops what runs, not what takes it back"
        (ctx.folder / f"effect-{ctx.step}").unlink(missing_ok=True)

    def by_hand(self, ctx: Context) -> str:
        return f"touch effect-{ctx.step}"


class Find(Note):
    """As Note, and gives a fact."""

    name = "find"
    gives: ClassVar[type[Fact] | None] = Noted


class Use(Note):
    """As Note, and takes a fact."""

    name = "use"
    takes = (Noted,)

    def perform(self, ctx: Context) -> Fact | None:
        assert ctx.fact(Noted).what
        return super().perform(ctx)


class Fixed(Note):
    """As Note, and cannot be undone."""

    name = "fixed"
    irreversible = "it is written in stone"
    undo = Action.undo


class Half(Note):
    """Makes its effect, and fails."""

    name = "half"

    def verify(self, ctx: Context, fact: Fact | None) -> None:
        raise ActionFailed("it did not hold")


for action in (Note, Find, Use, Fixed, Half):
    registry.add(action)


def _crash_here(ctx: Context, where: str) -> None:
    """Die as kill -9 would, once, where CRASH says `<step>:<where>`."""
    if os.environ.get("CRASH") == f"{ctx.step}:{where}" and not (ctx.folder / "crashed").exists():
        (ctx.folder / "crashed").touch()
        os.kill(os.getpid(), 9)


class Nowhere:
    """Surroundings without a cloud."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.alerts: list[str] = []

    def over(self, record: RunRecord) -> None:
        self.alerts.append("over")

    def alert(self, record: RunRecord, step: str, title: str, body: str) -> str:
        self.alerts.append(f"{title}\n{body}")
        return "told by nobody but this list"

    def context(self, record: RunRecord, moment: Moment) -> Context:
        nothing: Any = None
        return Context(
            run=moment.run,
            step=moment.step,
            attempt=moment.attempt,
            with_=moment.with_,
            lost=frozenset(record.lost),
            target=nothing,
            source=nothing,
            edge=nothing,
            continuity=record.people(),
            sites=nothing,
            clock=SystemClock(),
            folder=self._folder,
            project=self._folder,
            deadline=moment.deadline,
            cancelled=moment.cancelled,
            progress=moment.progress,
            facts=moment.facts,
        )


def plan_text(steps: str) -> str:
    """A plan with those steps."""
    return f"scenario: test\npromise: {{rto: 60m, rpo: 30m, at: 50GB}}\nsteps:\n{steps}"


def record(folder: Path, steps: str, run: str = "test-1", **changes: Any) -> RunRecord:
    """A record of a run of those steps."""
    path = folder / "plan.yaml"
    path.write_text(plan_text(steps))
    bound = loading.load(path)
    now = datetime.now(UTC)
    values: dict[str, Any] = {
        "id": run,
        "scenario": "test",
        "plan": bound.plan.frozen(),
        "inputs": dict(bound.inputs),
        "places": dict(bound.places),
        "digest": bound.digest,
        "source": "prod",
        "target": "dr",
        "lost": ("eu-central-1",),
        "accounts": (Account(provider="aws", account="123456789012", endpoint="test"),),
        "continuity": Continuity.model_validate(COMPANY).model_dump(mode="json", by_alias=True),
        "since": now,
        "recorded": now,
        "by": "ada",
    }
    return RunRecord.model_validate(values | changes)
