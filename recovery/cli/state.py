"""`dr state`: keep what recovery works from when a region is gone, and show what is kept."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Annotated

import typer

from recovery import continuity, state
from recovery.cli import common
from recovery.clock import SystemClock, iso
from recovery.errors import LifeboatError

app = common.make_app()


@app.command()
def keep(
    stacks: Annotated[
        list[str] | None, typer.Argument(help="Stacks (default: all of continuity.yaml).")
    ] = None,
    lost: Annotated[list[str] | None, typer.Option(help="A region not to write to.")] = None,
    json: common.Json = False,
) -> None:
    """Put contract and encrypted export of each stack into both regions' stores and the state folder."""
    from recovery.sites import connect
    from recovery.stacks import Place, Stack

    root, folder = common.project()
    company = continuity.load(root / continuity.FILE)
    known = [company.edge, *company.sites]
    sites = connect("lifeboat/state/keep")
    stores = state.reachable_stores(sites, state.local_sites(folder, known), frozenset(lost or ()))

    def one(stack: str) -> list[state.Copy]:
        place = Place(root, folder, folder / "work", "state", "keep")
        files = {
            "contract.json": state.contract_bytes(folder, stack),
            "export.json": state.export_bytes(Stack(stack, place).export()),
        }
        return state.keep(stack, files, SystemClock().now(), folder, stores)

    names = stacks or known
    with ThreadPoolExecutor(len(names)) as pool:
        kept = list(pool.map(one, names))
    for stack, copies in zip(names, kept, strict=True):
        for copy in copies:
            if json:
                common.show_json({"stack": stack, "where": copy.where, "trouble": copy.trouble})
            else:
                common.show(f"{stack:<10} {'✗ ' + copy.trouble if copy.trouble else '✓'} {copy.where}")
    raise typer.Exit(1 if any(copy.trouble for copies in kept for copy in copies) else 0)


@app.command()
def show(json: common.Json = False) -> None:
    """What is kept of each stack, where, and how old it is."""
    from recovery.sites import connect

    root, folder = common.project()
    company = continuity.load(root / continuity.FILE)
    known = [company.edge, *company.sites]
    sites, contracts = connect("lifeboat/state/show"), state.local_sites(folder, known)
    gone = state.silent(sites, contracts)
    for contract in contracts:
        if contract.stack in gone:
            where = f"s3://{contract.store('state').bucket} ({contract.region})"
            _say("", where, None, gone[contract.stack], json=json)
    lost = frozenset(contract.region for contract in contracts if contract.stack in gone)
    stores = state.reachable_stores(sites, contracts, lost)
    for stack in known:
        _say(stack, str(folder), state.kept_locally(folder, stack), json=json)
        for where, store in stores.items():
            try:
                _say(stack, where, state.kept_in(store, stack), json=json)
            except LifeboatError as error:
                _say(stack, where, None, error.what, json=json)


def _say(stack: str, where: str, kept: state.Kept | None, trouble: str = "", *, json: bool) -> None:
    at = iso(kept.at) if kept else None
    if json:
        common.show_json({"stack": stack, "where": where, "at": at, "trouble": trouble})
    else:
        what = "unknown" if trouble else at or "nothing"
        common.show(f"{stack or 'all':<10} {what:<26} {where}{': ' + trouble if trouble else ''}")
