"""How a command ends that was interrupted, or that met an error."""

from __future__ import annotations

import json
import sys

from recovery.errors import LifeboatError

INTERRUPTED = 130
"""Exit code after Ctrl-C, as shells have it."""


def tell(error: LifeboatError, *, as_json: bool) -> int:
    """Say the error on stderr, and as an event on stdout where those are asked for; returns the exit code."""
    if as_json:
        print(json.dumps({"event": "error", "error": error.parts()}, ensure_ascii=False), flush=True)
    print(f"error: {error}", file=sys.stderr)
    return int(error.exit_code)


def unforeseen(verb: str, error: BaseException) -> LifeboatError:
    """An error of ours, told as any other; its traceback is in a file, or shown where none can be written."""
    import tempfile
    import traceback

    text = "".join(traceback.format_exception(error))
    try:
        with tempfile.NamedTemporaryFile(
            "w", prefix=f"dr-{verb}-", suffix=".traceback.txt", delete=False
        ) as file:
            file.write(text)
            where = f"read {file.name}"
    except OSError:
        print(text, file=sys.stderr)
        where = "read what is above"
    return LifeboatError(
        f"dr {verb} met something that it does not know: {type(error).__name__}: {error}",
        means="it ended there; a run that was under way is kept as far as it was",
        cure=f"{where}; a run goes on with: dr resume",
    )
