"""The resource types that the rehearsal's AWS knows, one table per family."""

from __future__ import annotations

from rehearsal.provider.kinds import Kind
from rehearsal.provider.tables import (
    alarms,
    balancing,
    compute,
    database,
    identity,
    keys,
    names,
    network,
    stores,
)

KINDS: dict[str, Kind] = {
    kind.token: kind
    for table in (network, compute, database, balancing, stores, keys, identity, names, alarms)
    for kind in table.KINDS
}
