"""`dr database`: what a new database needs before the application can use it."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

import typer

from recovery import continuity
from recovery.cli import common
from recovery.clock import SystemClock, run_id
from recovery.errors import ActionFailed

app = common.make_app()


@app.callback()
def main() -> None:
    """The site's database, by a runner in the site."""


@app.command()
def prepare(
    site: Annotated[str, typer.Option(help="Stack of the site (default: the primary).")] = "",
    seconds: Annotated[float, typer.Option(help="How long to wait for the runner.")] = 900,
    json: common.Json = False,
) -> None:
    """Make the application's role, with the password that its secret says; once for a new database."""
    from recovery.actions._common import tags_of
    from recovery.engine import surroundings
    from recovery.runner.jobs import GrantAccess, Target
    from recovery.sites import connect

    root, _ = common.project()
    company = continuity.load(root / continuity.FILE)
    contract = surroundings.site(root, site or company.stack("primary"))
    clock = SystemClock()
    run = run_id("prepare", clock)
    here = connect(f"lifeboat/{run}/prepare").of(contract)
    where = here.secrets.read(contract.secrets.database_master)
    target = Target(
        host=str(where["host"]),
        port=int(where["port"]),
        database=contract.database.settings.name,
        master_secret=contract.secrets.database_master,
        app_secret=contract.secrets.database_app,
    )
    key = f"{run}/prepare/grant-access"
    here.runner.start(key, GrantAccess(target=target, seconds=seconds), tags_of(run, "prepare"))
    until = clock.now() + timedelta(seconds=seconds)
    while (result := here.runner.result(key)) is None:
        if clock.now() > until:
            raise ActionFailed(f"the runner for {key} has not answered in {seconds:.0f}s")
        clock.sleep(0.2)
    if not result.ok:
        raise ActionFailed(f"the runner could not prepare the database: {result.what}")
    if json:
        common.show_json({"site": contract.stack, "role": result.values.get("app_role")})
    else:
        common.show(f"{contract.stack}: role {result.values.get('app_role')} can use {target.database}")
