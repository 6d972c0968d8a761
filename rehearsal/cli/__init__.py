"""`dr world`, `dr rehearse` and `dr bench`: the verbs of `dr` that are about the rehearsal."""

from __future__ import annotations

import sys

import typer

from recovery.errors import LifeboatError

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)


def main() -> None:
    """Run the command line; errors are sentences on stderr, exit codes those of `recovery.errors`."""
    from rehearsal.cli import bench, rehearse, world

    app.add_typer(world.app, name="world")
    app.command("rehearse")(rehearse.rehearse)
    app.command("bench")(bench.bench)
    try:
        app(prog_name="dr")
    except LifeboatError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
