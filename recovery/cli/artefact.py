"""`dr artefact`: put a build of the application where web servers find it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from recovery import continuity
from recovery.cli import common
from recovery.clock import SystemClock

app = common.make_app()


@app.command()
def put(
    name: Annotated[str, typer.Argument(help="Name of the artefact: `web`.")],
    version: Annotated[str, typer.Argument(help="Its version: `v214`.")],
    path: Annotated[Path, typer.Argument(help="The tar.gz, or a folder with artefact.tar.gz in it.")],
    site: Annotated[
        list[str] | None, typer.Option(help="Sites (default: the primary; replication does the rest).")
    ] = None,
    json: common.Json = False,
) -> None:
    """Put an artefact and its manifest into the primary's store; replication takes it to the standby."""
    from recovery import bundle as bundles
    from recovery.sites import connect
    from recovery.state import local_sites

    root, state = common.project()
    company = continuity.load(root / continuity.FILE)
    build = bundles.load(path, name, version, SystemClock().now())
    sites = connect("lifeboat/artefact/put")
    for contract in local_sites(state, site or [company.stack("primary")]):
        for key, body in build.files.items():
            sites.of(contract).stores.write("artefacts", key, body)
        where = f"s3://{contract.store('artefacts').bucket}"
        if json:
            common.show_json({"artefact": name, "version": version, "where": where})
        else:
            common.show(f"{name} {version} {len(build.content) / 1e6:.1f} MB → {where}")


@app.command("list")
def list_(json: common.Json = False) -> None:
    """Artefacts in each site's store. Exit code 1: a site does not answer."""
    from recovery.sites import connect
    from recovery.state import local_sites, silent

    root, state = common.project()
    company = continuity.load(root / continuity.FILE)
    sites = connect("lifeboat/artefact/list")
    contracts = local_sites(state, list(company.sites))
    gone = silent(sites, contracts)
    for contract in contracts:
        if contract.stack in gone:
            _say({"site": contract.stack, "trouble": gone[contract.stack]}, json=json)
            continue
        for key in sites.of(contract).stores.keys("artefacts", ""):
            if key.endswith("/manifest.json"):
                name, version = key.split("/")[:2]
                _say({"site": contract.stack, "artefact": name, "version": version}, json=json)
    raise typer.Exit(1 if gone else 0)


def _say(row: dict[str, str], *, json: bool) -> None:
    if json:
        common.show_json(row)
    elif "trouble" in row:
        common.show(f"{row['site']:<10} unknown    {row['trouble']}")
    else:
        common.show(f"{row['site']:<10} {row['artefact']:<10} {row['version']}")
