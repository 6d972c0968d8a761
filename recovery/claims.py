"""One recovery to a site at a time, whoever began it and wherever: an object in the site's `state` store.

A run takes the claim when it has assessed the site, and leaves it at its end. The lease (`engine/lease.py`)
keeps processes of one machine apart; this keeps operators apart who have nothing in common but the cloud.
"""

from __future__ import annotations

import platform
from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from recovery.sites.ports import Stores


class Claim(BaseModel):
    """Which run recovers to the site, and from which machine."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: Literal[1] = 1
    run: str
    at: datetime
    host: str = Field(default_factory=platform.node)

    def __str__(self) -> str:
        return f"run {self.run} (begun on {self.host}, {self.at:%Y-%m-%d %H:%M} UTC)"


def held(stores: Stores, site: str) -> Claim | None:
    """Who recovers to the site now; None when nobody does."""
    body = stores.read("state", _key(site))
    try:
        return Claim.model_validate_json(body) if body else None
    except ValidationError:
        return None


def take(stores: Stores, site: str, claim: Claim, *, over_another: bool = False) -> Claim | None:
    """Take the claim; returns another run's, which stays unless a person decided to go on `over_another`."""
    body = claim.model_dump_json().encode()
    if stores.put_new("state", _key(site), body):
        return None
    other = held(stores, site)
    if other is not None and other.run != claim.run and not over_another:
        return other
    stores.write("state", _key(site), body)
    return None


def leave(stores: Stores, site: str, run: str) -> None:
    """Give the claim up, if it is this run's."""
    now = held(stores, site)
    if now is not None and now.run == run:
        stores.delete("state", _key(site))


def _key(site: str) -> str:
    return f"runs/{site}.json"
