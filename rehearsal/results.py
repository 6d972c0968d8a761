"""The folder of a rehearsal's results: the report, and what it was made from."""

from __future__ import annotations

import contextlib
import tempfile
from pathlib import Path

from recovery import reports
from recovery.errors import InputError

REQUESTS = "requests.jsonl"
"""Every write of every customer, as it ended."""
NAMES = "names.jsonl"
"""When which name server changed its answer."""
LOST = "lost.csv"
"""Every acknowledged write that is missing."""
_MEASURED = (REQUESTS, NAMES, LOST)


def folder(out: Path) -> Path:
    """The folder, there and writable; InputError when it cannot be."""
    out = out.resolve()
    try:
        out.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=out):
            pass
    except OSError as error:
        raise InputError(
            f"no report can be written to {out} ({error.strerror or error})",
            means="nothing was begun",
            cure="name a folder that you may write: --out DIR",
        ) from error
    return out


def begin(out: Path) -> None:
    """Remove what an earlier rehearsal left there: it must not be taken for this one's."""
    for name in (*reports.FILES, *_MEASURED):
        (out / name).unlink(missing_ok=True)


def give_up(out: Path) -> None:
    """Remove what was measured without coming to a report, and the folder if that was all."""
    if not any((out / name).exists() for name in reports.FILES):
        begin(out)
    with contextlib.suppress(OSError):
        out.rmdir()
