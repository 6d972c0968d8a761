"""`dr bench`."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from recovery.errors import InputError
from rehearsal import bench as benches
from rehearsal import launch, results
from rehearsal.cli.interrupt import tidy


def bench(
    quick: Annotated[bool, typer.Option("--quick", help="Without the rehearsal.")] = False,
    out: Annotated[Path | None, typer.Option(help="Write the figures there as JSON.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Measure what Lifeboat itself costs. Exit code 1: a figure is over its limit."""
    if out:
        if out.is_dir():
            raise InputError(f"--out {out} is a folder", cure="name a file for the figures")
        results.folder(out.parent)
    with tidy(partial(launch.down, benches.world_name()), left="nothing is left behind"):
        figures = benches.quick()
        if not quick:
            figures += benches.of_rehearsal(benches.rehearsed())
    found = {
        "version": 1,
        "machine": benches.load(),
        "figures": [f.__dict__ | {"kept": f.kept} for f in figures],
    }
    if out:
        try:
            out.write_text(json.dumps(found, indent=1) + "\n")
        except OSError as error:
            raise InputError(
                f"--out {out}: {error.strerror}", cure="name a file that you may write"
            ) from error
    if as_json:
        print(json.dumps(found))
    else:
        print(f"on {benches.load()}")
        for figure in figures:
            mark = "✓" if figure.kept else "✗"
            bounds = f"at most {figure.limit:g}, goal {figure.goal:g}"
            print(f"  {mark} {figure.name:<32} {figure.value:8.2f} {figure.unit:<3} {bounds}")
    raise typer.Exit(0 if all(figure.kept for figure in figures) else 1)
