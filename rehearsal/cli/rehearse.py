"""`dr rehearse SCENARIO`."""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from recovery import continuity
from recovery.errors import InputError
from rehearsal import launch, results
from rehearsal.cli.interrupt import tidy
from rehearsal.cli.world import named
from rehearsal.steering import Steering
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
    continuity.project_root()  # refuses to begin outside a project
    began, out = time.monotonic(), results.folder(out)
    on = partial(_on, story=Story(as_json=as_json), scenario=scenario, out=out, began=began)
    try:
        running = _running(world)
        code = _on_running(on, running, out) if running else _on_own(on, out, scale, keep=keep)
    except InputError:
        results.give_up(out)
        raise
    raise typer.Exit(code)


def _running(world: str) -> launch.Running | None:
    running = launch.find(world or launch.DEFAULT_NAME)
    if world and running is None:
        raise InputError(f"no world {world!r} is running", cure=f"start it: ./dr world up --name {world}")
    return running


def _on_running(on: Callable[[str], int], running: launch.Running, out: Path) -> int:
    name = running.settings.name
    left = f"world {name} stays; end it: ./dr world down{named(name)}"
    with tidy(partial(launch.end_clients, name), partial(results.give_up, out), left=left):
        return on(name)


def _on_own(on: Callable[[str], int], out: Path, scale: float, *, keep: bool) -> int:
    name = launch.DEFAULT_NAME if keep else f"rehearsal-{os.getpid()}-{secrets.token_hex(2)}"
    with tidy(partial(launch.down, name), partial(results.give_up, out), left="nothing is left behind"):
        try:
            launch.up(name, scale=scale, dies_with_us=not keep)
            return on(name)
        finally:
            if not keep:
                launch.down(name)


def _on(name: str, *, story: Story, scenario: str, out: Path, began: float) -> int:
    from rehearsal.company import reach
    from rehearsal.rehearsal import rehearse as carry_out

    running = launch.find(name)
    if running is None:
        raise InputError(f"world {name!r} ended by itself", cure="run the same command again")
    settings = running.settings
    if gone := Steering(settings).lost():
        raise InputError(
            f"world {name} has already lost {', '.join(gone)}",
            means="a world is good for one rehearsal",
            cure=f"end it: ./dr world down{named(name)}; then run this again",
        )
    results.begin(out)
    story.tell("world", settings.summary(), name=name, scale=settings.scale)
    return 0 if carry_out(reach(settings), story, scenario=scenario, out=out, began=began) else 1
