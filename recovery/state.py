"""What must survive the loss of a region: each stack's contract and an encrypted export of its state.

Kept after each successful `up`: in the `state` store of every site, and on this machine. During an incident
nothing reads the lost region. Objects: `stacks/<stack>/{contract,export}.json`, then `kept.json`, which is
written last and names their SHA-256.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from infra import outputs
from infra.outputs import SiteContract
from recovery.errors import InputError, LifeboatError, Refusal
from recovery.sites.ports import Health, Sites, Stores

PREFIX = "stacks"


class Kept(BaseModel):
    """`kept.json`: the commit mark of what was kept of a stack."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: Literal[1] = 1
    stack: str
    at: datetime
    sha256: dict[str, str]
    """File -> hash of its bytes."""


@dataclass(frozen=True)
class Copy:
    """Where a stack's state was put, or why not."""

    where: str
    trouble: str = ""


def local_folder(state: Path, stack: str) -> Path:
    """This machine's copy."""
    return state / PREFIX / stack


def keep(
    stack: str, files: Mapping[str, bytes], at: datetime, state: Path, stores: Mapping[str, Stores]
) -> list[Copy]:
    """Put the files everywhere; a store that cannot be reached is reported, and does not stop the others."""
    mark = Kept(stack=stack, at=at, sha256={name: _hash(body) for name, body in files.items()})
    everything = {**files, "kept.json": mark.model_dump_json(indent=1).encode()}
    folder = local_folder(state, stack)
    folder.mkdir(parents=True, exist_ok=True)
    for name, body in everything.items():
        partial = folder / f".{name}"
        partial.write_bytes(body)
        partial.replace(folder / name)
    copies = [Copy(str(folder))]
    for where, store in stores.items():
        try:
            for name, body in everything.items():
                store.write("state", f"{PREFIX}/{stack}/{name}", body)
        except LifeboatError as error:
            copies.append(Copy(where, error.what))
        else:
            copies.append(Copy(where))
    return copies


def kept_locally(state: Path, stack: str) -> Kept | None:
    """What this machine has of the stack."""
    return _mark(_read(local_folder(state, stack) / "kept.json"))


def kept_in(store: Stores, stack: str) -> Kept | None:
    """What the store has of the stack."""
    return _mark(store.read("state", f"{PREFIX}/{stack}/kept.json"))


def last_file(state: Path, stores: Iterable[Stores], stack: str, name: str) -> bytes:
    """The newest whole copy of a kept file, from this machine or a store; Refusal when there is none.

    A copy whose hash is not what its mark says is never used.
    """
    found: list[tuple[datetime, bytes]] = []
    folder = local_folder(state, stack)
    found += _whole(kept_locally(state, stack), name, _read(folder / name))
    for store in stores:
        try:
            mark = kept_in(store, stack)
            found += _whole(mark, name, store.read("state", f"{PREFIX}/{stack}/{name}") if mark else None)
        except LifeboatError:
            continue
    if not found:
        raise Refusal(
            f"no whole copy of {stack}'s {name} is within reach",
            means="the stack cannot be worked on without its state",
            cure="find one in the other region's `state` store, or with a colleague (.lifeboat/stacks)",
        )
    return max(found, key=lambda one: one[0])[1]


def reachable_stores(
    sites: Sites, contracts: Iterable[SiteContract], lost: frozenset[str]
) -> dict[str, Stores]:
    """`state` stores of every site whose region is not lost, by what to call them."""
    return {
        f"s3://{c.store('state').bucket} ({c.region})": sites.of(c).stores
        for c in contracts
        if c.region not in lost
    }


def silent(sites: Sites, contracts: Sequence[SiteContract]) -> dict[str, str]:
    """Sites that do not answer now (stack -> why), asked side by side; takes about two seconds at most."""

    def ask(contract: SiteContract) -> str:
        bad = [f for f in sites.of(contract).probe() if f.health is Health.UNHEALTHY]
        return "; ".join(f"{f.path}: {f.detail}" for f in bad)

    with ThreadPoolExecutor(4) as pool:
        said = dict(zip((c.stack for c in contracts), pool.map(ask, contracts), strict=True))
    return {stack: why for stack, why in said.items() if why}


def local_sites(state: Path, stacks: Sequence[str]) -> list[SiteContract]:
    """Contracts of sites that this machine knows."""
    found = []
    for stack in stacks:
        try:
            contract = outputs.read(state / "contracts" / f"{stack}.json")
        except (OSError, ValidationError):
            continue
        if isinstance(contract, SiteContract):
            found.append(contract)
    return found


def contract_bytes(state: Path, stack: str) -> bytes:
    """The last contract of a stack on this machine; InputError when there is none or it is broken."""
    path = state / "contracts" / f"{stack}.json"
    try:
        body = path.read_bytes()
        outputs.parse(body)
    except (OSError, ValidationError) as error:
        raise InputError(
            f"there is no good contract of stack {stack} at {path}",
            means="there is nothing to keep",
            cure=f"bring the stack up first: pulumi up --stack {stack}",
        ) from error
    return body


def export_bytes(export: Mapping[str, Any]) -> bytes:
    """A stack's export as kept. Refusal when it holds a secret in plain text."""
    deployment = export.get("deployment") or {}
    if deployment.get("resources") and not (deployment.get("secrets_providers") or {}).get("type"):
        raise Refusal(
            "the stack's state names no secrets provider",
            means="its secrets would be kept in plain text",
            cure="set one: pulumi stack change-secrets-provider passphrase",
        )
    return json.dumps(export, sort_keys=True).encode()


def _hash(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()


def _read(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except OSError:
        return None


def _mark(body: bytes | None) -> Kept | None:
    try:
        return Kept.model_validate_json(body) if body else None
    except ValidationError:
        return None


def _whole(mark: Kept | None, name: str, body: bytes | None) -> list[tuple[datetime, bytes]]:
    if mark is None or body is None or mark.sha256.get(name) != _hash(body):
        return []
    return [(mark.at, body)]
