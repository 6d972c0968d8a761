"""`dr rehearse SCENARIO`."""

from __future__ import annotations

import os
import secrets
import time
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from recovery.errors import InputError
from rehearsal import launch, results
from rehearsal.cli.interrupt import tidy
from rehearsal.story import Story

SCENARIOS = ("region-loss",)


def rehearse(
    scenario: Annotated[str, typer.Argument(help="What is lost: region-loss.")],
    out: Annotated[
        Path, typer.Option(help="Folder for report.json, report.html and what was measured.")
    ] = Path("out"),
    scale: Annotated[
        float, typer.Option(help="Divide the clouds' waits by this.", min=1)
    ] = launch.DEFAULT_SCALE,
    world: Annotated[
        str,
        typer.Option(
            help="Rehearse on this running world (default: `world` if it runs, else one of its own)."
        ),
    ] = "",
    keep: Annotated[bool, typer.Option("--keep", help="Leave the world running, to look around.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
) -> None:
    """Lose a region on this machine, bring the service back, measure it. Exit code 0: every promise held."""
    if scenario not in SCENARIOS:
        raise InputError(
            f"there is no rehearsal of {scenario!r}", cure=f"choose one of: {', '.join(SCENARIOS)}"
        )
    began, story = time.monotonic(), Story(as_json=as_json)
    out = results.folder(out)
    running = launch.find(world or launch.DEFAULT_NAME)
    if world and running is None:
        raise InputError(f"no world {world!r} is running", cure=f"start it: ./dr world up --name {world}")
    if running is not None:
        name = running.settings.name
        ending = "./dr world down" + ("" if name == launch.DEFAULT_NAME else f" --name {name}")
        left = f"world {name} stays; end it: {ending}"
        with tidy(partial(launch.end_clients, name), partial(results.give_up, out), left=left):
            raise typer.Exit(_on(name, story, scenario, out, began))
    name = launch.DEFAULT_NAME if keep else f"rehearsal-{os.getpid()}-{secrets.token_hex(2)}"
    with tidy(partial(launch.down, name), partial(results.give_up, out), left="nothing is left behind"):
        try:
            launch.up(name, scale=scale, dies_with_us=not keep)
            code = _on(name, story, scenario, out, began)
        finally:
            if not keep:
                launch.down(name)
    raise typer.Exit(code)


def _on(name: str, story: Story, scenario: str, out: Path, began: float) -> int:
    from rehearsal.company import reach
    from rehearsal.rehearsal import rehearse as carry_out

    running = launch.find(name)
    if running is None:
        raise InputError(f"world {name!r} ended by itself", cure="run the same command again")
    settings = running.settings
    story.tell("world", settings.summary(), name=name, scale=settings.scale)
    return 0 if carry_out(reach(settings), story, scenario=scenario, out=out, began=began) else 1
