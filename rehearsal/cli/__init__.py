"""`dr world`, `dr rehearse` and `dr bench`: the verbs of `dr` that are about the rehearsal."""

from __future__ import annotations

import sys
from functools import cache

import typer

from recovery.cli.ending import INTERRUPTED, tell, unforeseen
from recovery.errors import LifeboatError


@cache
def application() -> typer.Typer:
    """Its verbs, each a command."""
    from rehearsal.cli import bench, faults, rehearse, world  # noqa: F401 - faults adds to `world`

    app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
    app.add_typer(world.app, name="world")
    app.command("rehearse")(rehearse.rehearse)
    app.command("bench")(bench.bench)
    return app


def main() -> None:
    """Run the command line; errors are sentences on stderr, exit codes those of `recovery.errors`.

    Where events are told as JSON, an error is one too.
    """
    as_json = "--json" in sys.argv
    try:
        application()(prog_name="dr")
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    except LifeboatError as error:
        sys.exit(tell(error, as_json=as_json))
    except Exception as error:
        verb = next(iter(sys.argv[1:]), "")
        sys.exit(tell(unforeseen(verb, error), as_json=as_json))
