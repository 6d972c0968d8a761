"""`dr bundle`: build what runners boot from, and put it into each site."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from recovery import continuity
from recovery.cli import common
from recovery.clock import SystemClock

app = common.make_app()


@app.command()
def bundle(
    put: Annotated[bool, typer.Option(help="Put it into the sites' artefact stores.")] = True,
    out: Annotated[Path | None, typer.Option(help="Write it below this folder.")] = None,
    site: Annotated[list[str] | None, typer.Option(help="Only these sites (default: all).")] = None,
    version: Annotated[str, typer.Option(help="Default: what the site's runner template names.")] = "",
    python: Annotated[str, typer.Option(help="Python of the machines, when not this one's.")] = "",
    platform: Annotated[str, typer.Option(help="Their platform, as pip names it.")] = "",
    json: common.Json = False,
) -> None:
    """Build Lifeboat's own bundle (libraries, this program) and store it where runners look for it."""
    from recovery import bundle as bundles
    from recovery.sites import connect
    from recovery.state import local_sites

    root, state = common.project()
    company = continuity.load(root / continuity.FILE)
    contracts = local_sites(state, site or list(company.sites))
    wanted = version or (contracts[0].runner.bundle_version if contracts else "v1")
    built = bundles.build(wanted, SystemClock().now(), python=python, platform=platform)
    size = len(built.content) / 1e6
    if out:
        for key, body in built.files.items():
            (out / key).parent.mkdir(parents=True, exist_ok=True)
            (out / key).write_bytes(body)
    sites = connect("lifeboat/bundle/put")
    where = [str(out)] if out else []
    for contract in contracts if put else ():
        for key, body in built.files.items():
            sites.of(contract).stores.write("artefacts", key, body)
        where.append(f"s3://{contract.store('artefacts').bucket}")
    if json:
        common.show_json({"bundle": wanted, "mb": round(size, 1), "where": where})
    else:
        common.show(f"bundle {wanted} {size:.1f} MB → {', '.join(where) or 'nowhere (--out)'}")
