"""`dr world`, `dr rehearse` and `dr bench`: the verbs of `dr` that are about the rehearsal."""

from __future__ import annotations

import json
import sys
from functools import cache

import typer

from recovery.cli.ending import INTERRUPTED, unforeseen
from recovery.errors import LifeboatError


@cache
def application() -> typer.Typer:
    """Its verbs, each a command."""
    from rehearsal.cli import bench, faults, rehearse, world

    app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
    for verb in (faults.fault, faults.faults):
        world.app.command()(verb)
    app.add_typer(world.app, name="world")
    app.command("rehearse")(rehearse.rehearse)
    app.command("bench")(bench.bench)
    return app


def main() -> None:
    """Run the command line; errors are sentences on stderr, exit codes those of `recovery.errors`.

    Where events are told as JSON, an error is one too.
    """
    try:
        application()(prog_name="dr")
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    except LifeboatError as error:
        _end(error)
    except Exception as error:
        _end(unforeseen(next(iter(sys.argv[1:]), ""), error))


def _end(error: LifeboatError) -> None:
    if "--json" in sys.argv:
        problem = {"what": error.what, "means": error.means, "cure": error.cure}
        print(json.dumps({"event": "error", "error": problem}, ensure_ascii=False), flush=True)
    print(f"error: {error}", file=sys.stderr)
    sys.exit(error.exit_code)
