"""`dr world fault` and `dr world faults`: what else goes wrong, beside a lost region."""

from __future__ import annotations

import json
from typing import Annotated, get_args

import typer

from recovery.errors import InputError
from rehearsal.cli.world import Json, Name, app, named, running_world
from rehearsal.launch import DEFAULT_NAME
from rehearsal.steering import Steering

_KEYS = (
    "region, service, operation, parameters, sender (regular expressions), times, after, probability, "
    "for_seconds, seconds, code, status, message"
)


@app.command()
def fault(
    effect: Annotated[
        str, typer.Argument(help="timeout, reset, throttle, error, no-capacity, slow, stale-read, deny.")
    ],
    where: Annotated[list[str] | None, typer.Argument(metavar="[KEY=VALUE]...", help=f"{_KEYS}.")] = None,
    name: Name = DEFAULT_NAME,
    as_json: Json = False,
) -> None:
    """Let calls of the clouds' APIs go wrong: which ones, how, how often, for how long.

    ./dr world fault throttle service=rds operation=RestoreDBInstanceToPointInTime times=3
    """
    from pydantic import ValidationError

    from rehearsal.aws.faults import Effect, Rule

    if effect not in get_args(Effect):
        raise InputError(f"there is no fault {effect!r}", cure=f"choose one of {', '.join(get_args(Effect))}")
    given = dict(_pair(text) for text in where or ())
    try:
        rule = Rule.model_validate({"effect": effect, **given})
    except ValidationError as wrong:
        first = wrong.errors()[0]
        key = ".".join(str(part) for part in first["loc"]) or effect
        raise InputError(f"{key}: {first['msg']}", cure=f"keys are {_KEYS}") from wrong
    try:
        id_ = Steering(running_world(name).settings).add_fault(rule)
    except ValueError as never:
        raise InputError(f"this fault could never happen: {never}", cure=f"keys are {_KEYS}") from never
    print(
        json.dumps({"id": id_})
        if as_json
        else f"{id_} is in force; take it away: ./dr world faults --clear {id_}{named(name)}"
    )


@app.command()
def faults(
    clear: Annotated[str, typer.Option(metavar="ID", help="Take one away; `all`: every one.")] = "",
    name: Name = DEFAULT_NAME,
    as_json: Json = False,
) -> None:
    """The faults in force, and how often each was met."""
    steering = Steering(running_world(name).settings)
    if clear:
        steering.clear_faults("" if clear == "all" else clear)
    rules, fired = steering.faults(), steering.fired()
    for rule in rules:
        row = {"id": rule.id, "met": fired.get(rule.id, 0), **rule.model_dump(exclude_defaults=True)}
        if as_json:
            print(json.dumps(row))
        else:
            words = [f"{key}={value}" for key, value in row.items() if key not in ("id", "met", "effect")]
            print(f"{rule.id:12} met {row['met']:3}  {rule.effect}  {' '.join(words)}")
    if not rules and not as_json:
        print("no fault is in force")


def _pair(text: str) -> tuple[str, str]:
    key, sign, value = text.partition("=")
    if not sign:
        raise InputError(f"{text!r} is not KEY=VALUE", cure=f"keys are {_KEYS}")
    return key, value
