"""Typed configuration of a stack (`Pulumi.<stack>.yaml`, namespace `lifeboat:`). Fails closed.

A key that is missing, unknown, malformed or at odds with another is refused with its name and the cure,
before any resource is declared. What a stack is comes from `role`, never from the stack's name.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Mapping
from ipaddress import IPv4Network
from typing import Annotated, Any, Literal, Self

import pulumi
from pulumi.runtime.config import CONFIG, get_config_env
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic.alias_generators import to_camel

from infra.aws.windows import Window, WindowError

NAMESPACE = "lifeboat"
RESERVED_STORES = frozenset({"artefacts", "state", "access-logs"})
BACKUPS_FROM, BACKUPS_UNTIL = 2 * 60, 5 * 60
PRIVATE = tuple(IPv4Network(r) for r in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10"))
Name = Annotated[str, Field(pattern=r"^[a-z](-?[a-z0-9]){1,15}$", max_length=16)]
Region = Annotated[str, Field(pattern=r"^[a-z]{2}(-[a-z]+)+-\d$")]
Email = Annotated[str, Field(pattern=r"^[^@\s]+@[^@\s]+\.[^@\s]+$")]
DomainName = Annotated[str, Field(pattern=r"^([a-z0-9]([a-z0-9-]*[a-z0-9])?\.)+[a-z]{2,}$")]


class SettingsError(pulumi.RunError):
    """A stack's configuration is refused; the message names stack, key and cure."""


def _cidr(value: str) -> str:
    network = IPv4Network(value)
    if not any(map(network.subnet_of, PRIVATE)) or not 16 <= network.prefixlen <= 20:
        raise ValueError("must be a private range between /16 and /20, e.g. 10.20.0.0/16")
    return value


def _version(value: str) -> str:
    if not re.fullmatch(r"17\.\d+", value):
        raise ValueError("must be an exact version of PostgreSQL 17, e.g. 17.6")
    return value


class _Settings(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", alias_generator=to_camel, populate_by_name=True)

    stack: Name
    project: str
    region: Region
    company: Name
    owner: Annotated[str, Field(min_length=1)]


class StoreSettings(BaseModel):
    """One of the company's own object stores."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    name: Name
    criticality: Literal["critical", "non-critical"] = Field(default="critical", alias="class")


class SiteSettings(_Settings):
    """A site: one place where the service can stand."""

    role: Literal["primary", "standby"]
    edge_stack: Name
    standby_stack: Name | None = None
    zones: tuple[str, ...]
    vpc_cidr: Annotated[str, AfterValidator(_cidr)]
    nat_gateways: Literal["one", "per-zone"]
    footprint: Literal["pilot", "full"]
    database: Literal["absent", "present"]
    database_identifier: Annotated[str, Field(pattern=r"^[a-z](-?[a-z0-9])*$", max_length=57)]
    database_name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,62}$")]
    database_class: Annotated[str, Field(pattern=r"^db\.[a-z0-9-]+\.[a-z0-9]+$")]
    database_storage_gb: Annotated[int, Field(ge=20, le=65536)]
    database_version: Annotated[str, AfterValidator(_version)]
    multi_az: bool
    backup_retention_days: Annotated[int, Field(ge=14, le=35)]
    backup_window: str
    maintenance_window: str
    backup_region: Region | None = None
    """Where a standby that serves keeps copies of its backups; the primary's go to the standby."""
    instance_type: Annotated[str, Field(pattern=r"^[a-z0-9-]+\.[a-z0-9-]+$")]
    image_id: Annotated[str, Field(pattern=r"^ami-[0-9a-f]{8,17}$")]
    artefact_version: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]+$")]
    bundle_version: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]+$")]
    jobs: bool
    holding_page: bool
    capacity_min: Annotated[int, Field(ge=2)]
    capacity_full: int
    capacity_max: int
    object_stores: tuple[StoreSettings, ...] = ()
    alarm_emails: tuple[Email, ...] = ()
    break_glass: bool = False

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        for check in (
            self._check_role,
            self._check_zones,
            self._check_windows,
            self._check_web,
            self._check_stores,
        ):
            check()
        return self

    def _check_role(self) -> None:
        primary = self.role == "primary"
        _must(primary == (self.standby_stack is not None), "standbyStack", _STANDBY[primary])
        _must(
            not (primary and self.backup_region),
            "backupRegion",
            "the primary's backups go to its standby: remove it",
        )
        _must(self.backup_region != self.region, "backupRegion", "must be another region than the site's own")
        _must(not primary or self.footprint == "full", "footprint", "a primary stands in full: set `full`")

    def _check_zones(self) -> None:
        _must(len(set(self.zones)) == len(self.zones), "zones", "names a zone twice")
        _must(2 <= len(self.zones) <= 4, "zones", "needs two to four zones")
        strange = [zone for zone in self.zones if not re.fullmatch(f"{self.region}[a-z]", zone)]
        _must(not strange, "zones", f"{', '.join(strange)} is not in {self.region} (aws:region)")

    def _check_windows(self) -> None:
        backup = _window("backupWindow", self.backup_window, weekly=False)
        inside = backup.start >= BACKUPS_FROM and backup.start + backup.minutes <= BACKUPS_UNTIL
        _must(inside, "backupWindow", "must lie inside 02:00-05:00 UTC, e.g. 02:30-03:30")
        maintenance = _window("maintenanceWindow", self.maintenance_window, weekly=True)
        _must(not maintenance.overlaps(backup), "maintenanceWindow", "must not overlap backupWindow")

    def _check_web(self) -> None:
        ordered = self.capacity_min <= self.capacity_full <= self.capacity_max
        _must(ordered, "capacityFull", "must lie between capacityMin and capacityMax")
        idle = self.footprint == "pilot"
        _must(
            not idle or self.holding_page,
            "holdingPage",
            "a pilot light has no servers: set `on`, or footprint `full`",
        )
        _must(not idle or not self.jobs, "jobs", "a pilot light has no servers: set `off`")

    def _check_stores(self) -> None:
        names = [store.name for store in self.object_stores]
        _must(len(set(names)) == len(names), "objectStores", "names a store twice")
        taken = RESERVED_STORES & set(names)
        _must(not taken, "objectStores", f"{', '.join(sorted(taken))} is Lifeboat's own: choose another name")


class EdgeSettings(_Settings):
    """Names, health checks and the latch."""

    role: Literal["edge"]
    zone: DomainName
    service_name: DomainName
    origin_name: DomainName
    primary_stack: Name
    standby_stack: Name
    standby_region: Region
    ttl: Annotated[int, Field(ge=30, le=60)]

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        for key, value in (("serviceName", self.service_name), ("originName", self.origin_name)):
            _must(
                value.endswith(f".{self.zone}"),
                key,
                f"must lie below the zone {self.zone}, never be its apex",
            )
        below = self.service_name.endswith(f".{self.origin_name}")
        _must(not below, "serviceName", "must not lie in the origin sub-zone, which only Route 53 answers")
        _must(self.primary_stack != self.standby_stack, "standbyStack", "must differ from primaryStack")
        return self


_STANDBY = {
    True: "a primary names its standby's stack, e.g. dr-aws",
    False: "a standby refers to nothing in the primary or in another site: remove it",
}


class _CrossKeyError(ValueError):
    """A rule over several keys; `key` is the one to change."""

    def __init__(self, key: str, message: str) -> None:
        super().__init__(message)
        self.key = key


def _must(holds: bool, key: str, message: str) -> None:
    if not holds:
        raise _CrossKeyError(key, message)


def _window(key: str, text: str, *, weekly: bool) -> Window:
    try:
        return Window.parse(text, weekly=weekly)
    except WindowError as error:
        raise _CrossKeyError(key, str(error)) from None


_KINDS: dict[str, type[SiteSettings] | type[EdgeSettings]] = {
    "primary": SiteSettings,
    "standby": SiteSettings,
    "edge": EdgeSettings,
}


def whole_configuration() -> dict[str, str]:
    """All of the stack's configuration: unknown keys are seen only by looking at all of them.

    The official language host passes it in the environment, others set it; `pulumi.Config` reads key by key.
    """
    return {**get_config_env(), **CONFIG.get()}


def load(config: Mapping[str, str], *, stack: str, project: str) -> SiteSettings | EdgeSettings:
    """The stack's settings from its whole configuration (`namespace:key` -> text).

    Raises SettingsError: what is wrong with which key, and what to write instead.
    """
    texts = {
        key.removeprefix(f"{NAMESPACE}:"): v for key, v in config.items() if key.startswith(f"{NAMESPACE}:")
    }
    role = texts.get("role", "")
    kind = _KINDS.get(role)
    if kind is None:
        raise refused(stack, "role", f"is {role!r}: must be primary, standby or edge")
    region = config.get("aws:region", "")
    if not region:
        raise SettingsError(
            f"Pulumi.{stack}.yaml: aws:region is missing. Add e.g. `aws:region: eu-central-1`."
        )
    values: dict[str, Any] = {key: _parsed(stack, key, text) for key, text in texts.items()}
    try:
        return kind(**values, stack=stack, project=project, region=region)
    except ValidationError as error:
        raise _explain(stack, kind, error) from None


def _parsed(stack: str, key: str, text: str) -> Any:
    """Lists and maps arrive as JSON, all else as text."""
    if not text.startswith(("[", "{")):
        return text
    try:
        return json.loads(text)
    except ValueError:
        raise refused(stack, key, f"is not a list: {text}") from None


def refused(stack: str, key: str, message: str) -> SettingsError:
    """What is wrong with a key of a stack's configuration, in the words of all its mistakes."""
    return SettingsError(f"Pulumi.{stack}.yaml: {NAMESPACE}:{key} {message}.")


def _explain(stack: str, kind: type[_Settings], error: ValidationError) -> SettingsError:
    first = error.errors()[0]
    key = ".".join(str(part) for part in first["loc"])
    cause = first.get("ctx", {}).get("error")
    if isinstance(cause, _CrossKeyError):
        return refused(stack, cause.key, str(cause))
    if first["type"] == "missing":
        return refused(stack, key, "is missing: add it (docs/configuration.md says what it means)")
    if first["type"] == "extra_forbidden":
        known = [to_camel(name) for name in kind.model_fields]
        near = difflib.get_close_matches(key, known, n=1)
        return refused(
            stack, key, f"is not known; did you mean {near[0]}?" if near else "is not known: remove it"
        )
    return refused(stack, key, f"is {first['input']!r}: {first['msg'].removeprefix('Value error, ')}")
