"""`dr`: finds the verb's module and runs it. Only that module is imported: every command starts at once.

What follows is the end of `dr --help`:

  world        keep a rehearsal world running (up, down, status, env)
  rehearse     lose a region on this machine, and measure the way back
  bench        the figures of rehearsals
  test         the test suite
"""

from __future__ import annotations

import importlib
import os
import sys

VERBS: dict[str, tuple[str, str]] = {
    "status": ("status", "sites, backups, what would be lost now, last verified"),
    "plan": ("plan", "a dry run: order, critical path, predicted time, every change"),
    "run": ("run", "carry out a plan"),
    "resume": ("resume", "take a run up again, or decide on a failed step"),
    "approve": ("approve", "say yes to a step that asks, or that a manual step is done"),
    "abort": ("abort", "end a run; with --undo, take back what it did"),
    "report": ("report", "what a run did, as JSON, HTML and text"),
    "bundle": ("bundle", "build what runners boot from, and put it into each site"),
    "artefact": ("artefact", "put a build of the application into the artefact store"),
    "database": ("database", "make the application's role in a new database"),
    "state": ("state", "keep contracts and stack exports where recovery finds them"),
    "permissions": ("permissions", "the IAM permissions that recovery needs"),
}
"""Verb -> module in recovery/cli with a Typer `app`, and what it does."""


def main(argv: list[str] | None = None) -> int:
    """Run `dr` with these arguments; returns the exit code."""
    args = sys.argv[1:] if argv is None else argv
    if not args or args[0] in ("-h", "--help", "help"):
        print(usage())
        return 0
    if args[0] == "--version":
        import tomllib
        from pathlib import Path

        project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
        print(f"lifeboat {project['version']}")
        return 0
    if args[0] not in VERBS:
        print(f"dr: there is no command `{args[0]}`\n\n{usage()}", file=sys.stderr)
        return 2
    return _call(args[0], args[1:])


def usage() -> str:
    """The overview that `dr --help` prints."""
    width = max(map(len, VERBS))
    lines = [f"  {verb:<{width}}  {what}" for verb, (_, what) in VERBS.items()]
    return "\n".join(
        [
            "dr: brings the service back when a region, or all of a cloud, is gone",
            "",
            "usage: dr COMMAND [OPTIONS]       dr COMMAND --help says more",
            "",
            *lines,
            (__doc__ or "").rpartition("\n\n")[2].rstrip(),
            "",
            "exit codes: 0 done, 1 failed, 2 refused what was given, 3 waits for a person",
        ]
    )


def _call(verb: str, args: list[str]) -> int:
    from recovery.cli.ending import INTERRUPTED, tell, unforeseen
    from recovery.errors import LifeboatError, of_the_disk

    try:
        module = importlib.import_module(f"recovery.cli.{VERBS[verb][0]}")
        module.app(args=args, prog_name=f"dr {verb}")
    except LifeboatError as error:
        return tell(error, as_json="--json" in args)
    except SystemExit as leaving:
        return leaving.code if isinstance(leaving.code, int) else 1
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except Exception as error:
        return tell(of_the_disk(error) or unforeseen(verb, error), as_json="--json" in args)
    return 0


if __name__ == "__main__":
    sys.exit(main())
