"""What verbs share: the project, who is asking, how output looks."""

from __future__ import annotations

import getpass
import json
import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

import typer

from recovery import continuity
from recovery.continuity import Continuity
from recovery.engine import record as records
from recovery.engine.record import Account, Answer, RunRecord
from recovery.errors import InputError, Refusal

Json = Annotated[bool, typer.Option("--json", help="Print JSON objects, one a line.")]
By = Annotated[
    str, typer.Option("--by", help="Who you are, as in continuity.yaml (default: LIFEBOAT_PERSON).")
]


def make_app() -> typer.Typer:
    """A verb's app, with errors left to `dr`."""
    return typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)


def project() -> tuple[Path, Path]:
    """The project's folder and its state folder; InputError when we are in none."""
    root = continuity.project_root()
    return root, continuity.state_folder(root)


def person(company: Continuity, by: str) -> str:
    """The id of the person who is asking; InputError when nobody is so called."""
    name = by or os.environ.get("LIFEBOAT_PERSON") or getpass.getuser()
    known = [p.id for p in company.people]
    if name in known:
        return name
    raise InputError(
        f"`{name}` is nobody in continuity.yaml", cure=f"say who you are with --by: one of {', '.join(known)}"
    )


def the_run(state: Path, name: str) -> RunRecord:
    """The run of that id; `latest` or nothing is the last one."""
    if name in ("", "latest"):
        known = records.names(state)
        if not known:
            raise InputError("there is no run yet", cure="begin one with: dr run PLAN")
        name = known[-1]
    return records.read(state, name)


def pairs(values: Iterable[str], option: str) -> dict[str, str]:
    """`NAME=VALUE` options as a dict; InputError when one is none."""
    found = {}
    for value in values:
        name, equals, what = value.partition("=")
        if not equals or not name or not what:
            raise InputError(f"{option} {value}: not of the form NAME=VALUE")
        found[name] = what
    return found


def literal(text: str) -> Any:
    """An option's value as YAML would read it: JSON where it is JSON, otherwise the text."""
    try:
        return json.loads(text)
    except ValueError:
        return text


def same_account(record: RunRecord, root: Path) -> Account | None:
    """The account we are in; Refusal when the run belongs to another, or when that cannot be told."""
    from recovery.engine import surroundings

    now = {
        account.provider: account for account in surroundings.accounts(surroundings.site(root, record.target))
    }
    why = records.same_account(record, now)
    if why:
        raise Refusal(
            why, means="steps would be found or made in the wrong place", cure="use the run's own account"
        )
    return record.accounts[0] if record.accounts else None


def refuse_finished(state: Path, record: RunRecord) -> None:
    """InputError when the run is over: nothing that is said to it can count."""
    from recovery.engine import standing

    how = standing.outcome(standing.entries(state, record.id))
    if how is not None:
        raise InputError(
            f"run {record.id} is finished: {how}",
            means="nothing that is said to it counts any more; nothing was recorded",
            cure=f"see what it did: dr report {record.id}",
        )


def refuse_stranger(record: RunRecord, step: str, who: str) -> None:
    """InputError when that person may not decide on the step; the run itself judges again."""
    from recovery.decisions import succession

    allowed = succession.may_decide(record.people(), record.bound().plan.step(step).owner)
    if who not in allowed:
        raise InputError(
            f"{who} may not decide on {step}; {', '.join(sorted(allowed))} may",
            means="nothing was recorded",
            cure="one of them says so: --by NAME",
        )


def answered(record: RunRecord, note: str, *, json: bool) -> None:
    """Say what became of an answer that another process will read."""
    if json:
        show_json({"run": record.id, "note": note})
    else:
        show(note)


def send(state: Path, record: RunRecord, answer: Answer) -> str:
    """Give an answer to a run; says who will read it."""
    from recovery.engine import database, inbox, lease

    engine = database.connect(state)
    try:
        inbox.put(engine, record.id, answer)
    finally:
        engine.dispose()
    who = lease.holder(records.runs_folder(state) / record.id)
    return f"{who} takes it from here" if who else f"nobody carries the run out now: dr resume {record.id}"


def show(text: str = "") -> None:
    """Print a line at once."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def show_json(value: Any) -> None:
    """Print an object as one line of JSON."""
    show(json.dumps(value, default=str, ensure_ascii=False))
