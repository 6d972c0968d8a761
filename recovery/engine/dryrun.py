"""What a plan would do, asked of every action without touching anything."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from recovery.actions.base import Action, Context, Need, Preview
from recovery.decisions import prediction
from recovery.decisions.prediction import Estimate, Prediction
from recovery.engine import beginning, history
from recovery.engine.attempts import Surroundings
from recovery.engine.beginning import Draft
from recovery.errors import LifeboatError
from recovery.plans.model import Step


@dataclass(frozen=True)
class Line:
    """One step of a dry run."""

    step: Step
    needs: tuple[Need, ...]
    preview: Preview
    estimate: Estimate
    critical: bool
    """On the predicted critical path."""
    by_hand: str


@dataclass(frozen=True)
class DryRun:
    """A whole plan, as it would run."""

    draft: Draft
    lines: tuple[Line, ...]
    prediction: Prediction
    loss_s: float | None
    """Seconds of writes that would be lost now; None when no step can tell."""

    @property
    def refusals(self) -> list[str]:
        """Reasons why it cannot succeed as things stand, with their step."""
        return [f"{line.step.id}: {why}" for line in self.lines for why in line.preview.refusals]


def dry_run(draft: Draft, around: Surroundings, state: Path, *, ask: bool = True) -> DryRun:
    """Ask every action; InputError when a critical one needs what is lost. Without `ask`, no cloud is."""
    needs = beginning.refuse_lost(draft, around)
    asked = beginning.asked(draft, around)
    with ThreadPoolExecutor(8) as pool:
        previews = dict(
            zip(asked, pool.map(lambda pair: _preview(*pair, ask=ask), asked.values()), strict=True)
        )
    runs = history.past_runs(state, draft.record.scenario, draft.record.accounts or None)
    estimates = {step.id: _estimate(runs, step, previews.get(step.id)) for step in draft.bound.plan.steps}
    predicted = prediction.predict(draft.bound, estimates)
    lines = tuple(
        Line(
            step=step,
            needs=needs.get(step.id, ()),
            preview=previews.get(step.id, Preview()),
            estimate=estimates[step.id],
            critical=step.id in predicted.path,
            by_hand=_by_hand(asked, step.id),
        )
        for step in draft.bound.plan.steps
    )
    return DryRun(
        draft, lines, predicted, next((p.loss_s for p in previews.values() if p.loss_s is not None), None)
    )


def _preview(action: Action, context: Context, *, ask: bool) -> Preview:
    """What the action says; what it cannot say becomes a note, since a dry run never fails for one step."""
    if not ask:
        return Preview()
    try:
        return action.preview(context)
    except KeyError as error:
        return Preview(notes=(f"known on the day ({error})",))
    except LifeboatError as error:
        return Preview(notes=(f"cannot be told now: {error.what}",))
    except Exception as error:
        return Preview(notes=(f"cannot be told now: {type(error).__name__}: {error}",))


def _estimate(runs: list[history.PastRun], step: Step, preview: Preview | None) -> Estimate:
    measured = history.measured(runs, step.id, step.uses)
    return prediction.estimate(measured, step.estimate, preview.expected_seconds if preview else None)


def _by_hand(asked: Mapping[str, tuple[Action, Context]], step: str) -> str:
    if step not in asked:
        return ""
    action, context = asked[step]
    try:
        return action.by_hand(context)
    except KeyError as error:
        return f"# needs {error}, which an earlier step finds"
