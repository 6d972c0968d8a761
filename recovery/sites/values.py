"""The values that ports speak in: what was found, frozen, in nobody's vendor words beyond ids."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum


class Health(StrEnum):
    """What a probe found. Unknown is never healthy."""

    HEALTHY = "healthy"
    UNHEALTHY = "unhealthy"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Finding:
    """What one probe saw: `path` names how it looked (independent paths have different names)."""

    path: str
    health: Health
    detail: str


@dataclass(frozen=True)
class Identity:
    """Who we are at a provider, and where it answers: a run is never resumed under another one."""

    provider: str
    account: str
    endpoint: str


@dataclass(frozen=True)
class Backups:
    """Automated backups of a database that this site's region can restore from."""

    id: str
    """ARN of replicated backups."""
    database: str
    """Identifier of the database they are of."""
    source_region: str
    earliest: datetime
    latest: datetime
    status: str
    storage_gb: int
    engine_version: str


@dataclass(frozen=True)
class Instance:
    """A database instance as its provider describes it now."""

    identifier: str
    resource_id: str
    arn: str
    status: str
    host: str | None
    port: int
    engine_version: str
    multi_az: bool
    backup_retention_days: int
    latest_restorable: datetime | None
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Group:
    """The web tier's group of servers."""

    minimum: int
    desired: int
    maximum: int
    in_service: int
    refreshing: bool
    """Whether servers are being replaced one after the other."""


@dataclass(frozen=True)
class Targets:
    """What the load balancer says of its servers."""

    healthy: int
    total: int
    reasons: tuple[str, ...] = ()
