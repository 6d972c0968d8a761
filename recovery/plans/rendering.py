"""A plan for people: Markdown, Mermaid, and the runbook to follow by hand."""

from __future__ import annotations

from collections.abc import Mapping

from recovery.plans import graph
from recovery.plans.loading import Bound
from recovery.plans.model import Step
from recovery.units import human


def mermaid(bound: Bound) -> str:
    """The graph as a Mermaid flow chart; critical steps are thick."""
    names = {step.id: f"s{number}" for number, step in enumerate(bound.plan.steps)}
    lines = ["flowchart LR"]
    for step in bound.plan.steps:
        text = f"{step.id}<br/><small>{step.owner}</small>"
        lines.append(f'  {names[step.id]}["{text}"]' + (":::critical" if step.critical else ""))
    for name, earlier in graph.reduced(bound.after).items():
        lines += [f"  {names[before]} --> {names[name]}" for before in earlier]
    return "\n".join([*lines, "  classDef critical stroke-width:3px"]) + "\n"


def markdown(bound: Bound) -> str:
    """The plan as a page: what is promised, who does what after what, and the graph."""
    plan = bound.plan
    lines = [
        f"# {plan.scenario}",
        "",
        *([plan.summary, ""] if plan.summary else []),
        f"Promised: back within {human(plan.promise.rto)}, at most {human(plan.promise.rpo)} of writes lost, "
        f"with a database of {plan.promise.at:g} GB.",
        "",
        "| # | step | does | after | owner | class | approval |",
        "|---|---|---|---|---|---|---|",
    ]
    after = graph.reduced(bound.after)
    for number, step in enumerate(plan.steps, 1):
        approval = f"one of {', '.join(step.approval.any_of)}" if step.approval else ""
        cells = (
            number,
            step.id,
            _does(bound, step),
            ", ".join(after[step.id]),
            step.owner,
            step.class_,
            approval,
        )
        lines.append("| " + " | ".join(str(cell).replace("|", "\\|") for cell in cells) + " |")
    return "\n".join([*lines, "", "```mermaid", mermaid(bound).rstrip(), "```", ""])


def by_hand(bound: Bound, commands: Mapping[str, str]) -> str:
    """The runbook for someone with a shell and no Lifeboat; `commands` are the actions' own."""
    lines = [f"# {bound.plan.scenario}, by hand", ""]
    after = graph.reduced(bound.after)
    for number, step in enumerate(bound.plan.steps, 1):
        wait = f" after {', '.join(after[step.id])};" if after[step.id] else ""
        lines += [f"## {number}. {step.id}", "", f"Owner: {step.owner};{wait} {_does(bound, step)}", ""]
        if step.approval:
            lines += [f"First, one of {', '.join(step.approval.any_of)} says yes.", ""]
        if step.manual:
            lines += [f"Done when {step.with_.get('done-when', 'it is done')}.", ""]
        elif commands.get(step.id):
            lines += ["```sh", commands[step.id].strip(), "```", ""]
    return "\n".join(lines)


def _does(bound: Bound, step: Step) -> str:
    action = bound.action(step.id)
    return action.summary if action else str(step.with_.get("message", "by hand"))
