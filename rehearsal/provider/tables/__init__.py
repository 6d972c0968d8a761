"""The resource types that the rehearsal's AWS knows, one table per family."""

from __future__ import annotations

from rehearsal.provider.kinds import Kind
from rehearsal.provider.tables import (
    alarms,
    balancers,
    certificates,
    database,
    identity,
    instances,
    keys,
    listeners,
    names,
    network,
    records,
    scaling,
    security,
    stores,
    templates,
)

TABLES = (
    *(network, security, templates, scaling, database, instances, balancers, listeners),
    *(stores, keys, identity, names, records, certificates, alarms),
)
KINDS: dict[str, Kind] = {kind.token: kind for table in TABLES for kind in table.KINDS}
