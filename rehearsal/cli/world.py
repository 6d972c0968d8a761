"""`dr world up|down|status|env|lose|return` (faults have a file of their own)."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Annotated

import typer

from recovery import continuity
from recovery.errors import InputError
from rehearsal import launch
from rehearsal.cli.interrupt import tidy
from rehearsal.environment import in_a_shell, shell
from rehearsal.steering import Steering
from rehearsal.story import Story
from rehearsal.world import WorldSettings

app = typer.Typer(help="A rehearsal world: regions that can be lost, on this machine.", no_args_is_help=True)
Name = Annotated[str, typer.Option("--name", help="Which world; several can run side by side.")]
Json = Annotated[bool, typer.Option("--json", help="Machine-readable output.")]


@app.command()
def up(
    name: Name = launch.DEFAULT_NAME,
    scale: Annotated[
        float, typer.Option(help="Divide the clouds' waits by this.", min=1)
    ] = launch.DEFAULT_SCALE,
    empty: Annotated[bool, typer.Option("--empty", help="Without the project's stacks.")] = False,
    as_json: Json = False,
) -> None:
    """Start a world and keep it running, with the project's stacks up."""
    if not empty:
        continuity.project_root()  # refuses to begin outside a project
    there = launch.find(name) is not None
    story = Story(as_json=as_json)
    clean = launch.end_clients if there else launch.down
    with tidy(lambda: clean(name), left="the world stays" if there else "nothing is left behind"):
        settings = launch.up(name, scale=scale)
        story.tell("world", settings.summary(), name=name, home=str(settings.home), endpoint=settings.api_url)
        if not empty:
            _bring_up(settings, story)
    story.line("")
    story.line(f'point this shell at it:  eval "$(./dr world env{named(name)})"')
    story.line(f"end it:                  ./dr world down{named(name)}")


def _bring_up(settings: WorldSettings, story: Story) -> None:
    from rehearsal import company

    platform = company.reach(settings)
    if company.is_up(platform):
        story.tell("stacks", "are up")
    else:
        company.bring_up(platform, story)
    story.tell("service", f"https://{platform.edge().service_name} answers")


def named(name: str) -> str:
    """What a command needs to mean that world."""
    return "" if name == launch.DEFAULT_NAME else f" --name {name}"


@app.command()
def down(name: Name = launch.DEFAULT_NAME, as_json: Json = False) -> None:
    """End a world; nothing of it is left."""
    there = launch.down(name)
    _say(as_json, f"world {name}: {'gone' if there else 'there was none'}", name=name, ended=there)


@app.command()
def status(name: Name = launch.DEFAULT_NAME, as_json: Json = False) -> None:
    """What runs, and which regions are lost. Exit code 1 when the world is not up."""
    running = launch.find(name)
    if running is None:
        print(json.dumps({"name": name, "running": False}) if as_json else f"world {name}: not running")
        raise typer.Exit(1)
    settings, lost = running.settings, Steering(running.settings).lost()
    if as_json:
        print(
            json.dumps(
                {
                    "name": name,
                    "running": True,
                    "pid": running.pid,
                    "home": str(settings.home),
                    "endpoint": settings.api_url,
                    "scale": settings.scale,
                    "regions": list(settings.regions),
                    "lost": lost,
                }
            )
        )
        return
    print(f"world {name}: {settings.api_url} · pid {running.pid} · home {settings.home}")
    for region in settings.regions:
        print(f"  {region:14} {'LOST' if region in lost else 'up'}")


@app.command()
def env(name: Name = launch.DEFAULT_NAME, as_json: Json = False) -> None:
    """Lines for `eval`: endpoint, credentials, regions, PULUMI_ variables."""
    settings = running_world(name).settings
    if as_json:
        print(json.dumps(in_a_shell(settings, pulumi=_pulumi())))
    else:
        print(shell(settings, pulumi=_pulumi()))


@app.command()
def lose(region: str, name: Name = launch.DEFAULT_NAME, as_json: Json = False) -> None:
    """Take a region away: servers, databases, APIs."""
    steering = _steering(name, region)
    steering.lose(region)
    _say(as_json, f"{region} is gone", name=name, lost=steering.lost())


@app.command("return")
def give_back(region: str, name: Name = launch.DEFAULT_NAME, as_json: Json = False) -> None:
    """Bring a lost region back, with what it had on its disks."""
    steering = _steering(name, region)
    steering.give_back(region)
    _say(as_json, f"{region} is back", name=name, lost=steering.lost())


def _say(as_json: bool, text: str, **data: object) -> None:
    print(json.dumps(data) if as_json else text)


def _steering(name: str, region: str) -> Steering:
    settings = running_world(name).settings
    if region not in settings.regions:
        raise InputError(
            f"world {name} has no region {region!r}", cure=f"name one of {', '.join(settings.regions)}"
        )
    return Steering(settings)


def running_world(name: str) -> launch.Running:
    """The world of that name; InputError when it does not run."""
    running = launch.find(name)
    if running is None:
        raise InputError(f"no world {name!r} is running", cure=f"start it: ./dr world up{named(name)}")
    return running


def _pulumi() -> Path | None:
    """Folder of the Pulumi CLI: what the bootstrap found, or PATH's."""
    if given := os.environ.get("LIFEBOAT_PULUMI"):
        return Path(given)
    found = shutil.which("pulumi")
    return Path(found).parent if found else None
