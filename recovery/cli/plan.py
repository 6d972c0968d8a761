"""`dr plan`: a dry run. Touches nothing."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

import typer

from recovery.cli import common
from recovery.engine import beginning, dryrun
from recovery.engine.dryrun import DryRun, Line
from recovery.engine.surroundings import Clouds
from recovery.plans import loading, rendering
from recovery.units import human

app = common.make_app()


@app.command()
def plan(  # noqa: PLR0913, PLR0917 - each is an option of the command
    plan: Annotated[str, typer.Argument(help="A plan in plans/, or a file.")] = "",
    target: Annotated[str, typer.Option(help="Site that takes over: its stack or region.")] = "",
    set_: Annotated[
        list[str] | None, typer.Option("--input", help="NAME=VALUE for an input of the plan.")
    ] = None,
    lost: Annotated[list[str] | None, typer.Option(help="A further region that is gone.")] = None,
    offline: Annotated[bool, typer.Option("--offline", help="Ask no cloud; check and draw only.")] = False,
    form: Annotated[
        str, typer.Option("--as", help="table, markdown, mermaid, or by-hand (commands without Lifeboat).")
    ] = "table",
    schema: Annotated[bool, typer.Option("--schema", help="Print the JSON Schema of plans.")] = False,
    json: common.Json = False,
) -> None:
    """Show what a plan would do: order, critical path, predicted time, every change, what each step needs."""
    if schema:
        common.show_json(loading.schema())
        return
    root, state = common.project()
    inputs = {name: common.literal(value) for name, value in common.pairs(set_ or (), "--input").items()}
    order = beginning.Order(plan=plan, target=target, inputs=inputs, lost=tuple(lost or ()))
    draft = beginning.draft(root, order, accounts=() if offline or form != "table" else None)
    if form == "mermaid":
        common.show(rendering.mermaid(draft.bound))
    elif form == "markdown":
        common.show(rendering.markdown(draft.bound))
    else:
        found = dryrun.dry_run(draft, Clouds(root, state), state, ask=not offline and form == "table")
        if form == "by-hand":
            common.show(rendering.by_hand(draft.bound, {line.step.id: line.by_hand for line in found.lines}))
        elif json:
            common.show_json(as_json(found))
        else:
            show(found)
        raise typer.Exit(1 if found.refusals else 0)


def as_json(found: DryRun) -> dict[str, Any]:
    """The dry run as one object."""
    record = found.draft.record
    return {
        "version": 1,
        "scenario": record.scenario,
        "source": record.source,
        "target": record.target,
        "lost": record.lost,
        "prediction": asdict(found.prediction),
        "loss_s": found.loss_s,
        "refusals": found.refusals,
        "steps": [
            {
                "id": line.step.id,
                "uses": line.step.uses,
                "owner": line.step.owner,
                "class": line.step.class_,
                "after": found.draft.bound.after[line.step.id],
                "needs": [str(need) for need in line.needs],
                "changes": [asdict(change) for change in line.preview.changes],
                "refusals": line.preview.refusals,
                "notes": line.preview.notes,
                "estimate": asdict(line.estimate),
                "critical_path": line.critical,
            }
            for line in found.lines
        ],
    }


def show(found: DryRun) -> None:
    """The dry run as a table."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=180)
    console.print(_title(found))
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for head in (" #", "step", "needs", "changes", "by", "est", ""):
        table.add_column(head, header_style="dim", overflow="fold")
    for number, line in enumerate(found.lines, 1):
        mark = Text("◀ critical", style="bold") if line.critical else Text("")
        changes = Text("\n".join(_changes(line)))
        needs = _needs(line)
        table.add_row(
            f"{number:2}", line.step.id, needs, changes, _by(line), human(line.estimate.likely), mark
        )
    console.print(table)
    for step in found.draft.bound.plan.steps:
        if step.approval:
            console.print(f"approval: {step.id}, one of {', '.join(step.approval.any_of)}")
    for fixed in found.draft.irreversible():
        console.print(f"cannot be undone: {fixed}")
    for refusal in found.refusals:
        console.print(Text(f"✗ {refusal}", style="red"))
    if found.draft.record.lost:
        console.print(f"nothing that is critical in this plan needs {', '.join(found.draft.record.lost)}.")


def _title(found: DryRun) -> str:
    record, predicted = found.draft.record, found.prediction
    sites = found.draft.company.sites
    basis = f"from {predicted.runs} measured runs" if predicted.runs else "from the plan's own estimates"
    loss = f", loss {human(found.loss_s)}" if found.loss_s is not None else ""
    where = (
        f"{record.source} ({sites[record.source].region}) → {record.target} ({sites[record.target].region})"
    )
    time = f"{human(predicted.low)} to {human(predicted.high)}"
    return f"{record.scenario} · {where} · predicted {time}{loss}, {basis}"


def _needs(line: Line) -> str:
    if line.step.manual:
        return "a person"
    regions: dict[str, list[str]] = {}
    for need in line.needs:
        regions.setdefault(need.region, []).append(need.service)
    return (
        " ".join(f"{','.join(dict.fromkeys(names))}@{region}" for region, names in regions.items())
        or "nothing"
    )


def _changes(line: Line) -> list[str]:
    changes = [f"{change.sign} {change.what}" for change in line.preview.changes]
    notes = [f"· {note}" for note in line.preview.notes]
    if line.step.manual:
        return [str(line.step.with_.get("message", ""))]
    return [*changes, *notes] or ["nothing"]


def _by(line: Line) -> str:
    extra = [
        word for word, holds in (("approve", line.step.approval), ("later", not line.step.critical)) if holds
    ]
    return ", ".join([line.step.owner, *extra])
