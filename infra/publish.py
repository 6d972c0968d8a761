"""Contracts out and in: exported as the stack's one output, and kept as files that later stacks read.

Files, not StackReferences: a standby's contract must be readable when its state, or the other region, is not.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pulumi
from pydantic import ValidationError

from infra.outputs import EdgeContract, SiteContract, read
from infra.settings import SettingsError

PROJECT = Path(__file__).resolve().parents[1]


def contract_file(stack: str) -> Path:
    """Where a stack's last contract lies: `$LIFEBOAT_STATE/contracts`, by default in `.lifeboat`."""
    state = os.environ.get("LIFEBOAT_STATE")
    return (Path(state) if state else PROJECT / ".lifeboat") / "contracts" / f"{stack}.json"


def last_contract[C: (SiteContract, EdgeContract)](stack: str, kind: type[C]) -> C:
    """The last contract of another stack; SettingsError when there is none, or it is of another kind."""
    path = contract_file(stack)
    try:
        contract = read(path)
    except FileNotFoundError:
        raise SettingsError(
            f"No contract of stack {stack} at {path}. Stacks come up in the order edge, standby, primary: "
            f"run `pulumi up --stack {stack}` first, or fetch the kept one with `dr state show {stack}`."
        ) from None
    except ValidationError as error:
        raise SettingsError(
            f"{path} is not a contract of this version ({error.error_count()} errors): "
            f"run `pulumi up --stack {stack}` with this version of the program."
        ) from None
    if not isinstance(contract, kind):
        raise SettingsError(
            f"{path}: stack {stack} is of kind `{contract.kind}`, which is not what is needed here."
        )
    return contract


def publish(kind: type[SiteContract] | type[EdgeContract], stack: str, fields: Mapping[str, Any]) -> None:
    """Export `fields` (outputs among them) as the contract, and keep it as a file once it is real."""

    def made(values: Mapping[str, Any]) -> dict[str, Any]:
        contract = kind.model_validate(values)
        if not pulumi.runtime.is_dry_run():
            _write(contract_file(stack), contract.model_dump_json(indent=1))
        return contract.model_dump(mode="json")

    pulumi.export("contract", pulumi.Output.from_input(dict(fields)).apply(made))


def _write(path: Path, text: str) -> None:
    """Whole or not at all: a reader never meets half a contract."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    partial.write_text(text + "\n")
    partial.replace(path)
