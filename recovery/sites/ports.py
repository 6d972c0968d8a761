"""What recovery asks of a site, whatever the cloud: one Protocol per part (values: `values`).

An adapter lives in `recovery/sites/<provider>/`; tests have in-memory fakes. Nothing here knows a vendor's
words beyond ids. Calls block; an adapter's calls have time-outs of their own, and raise `LifeboatError`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, Protocol

from recovery.sites.values import Backups, Finding, Group, Health, Identity, Instance, Targets

if TYPE_CHECKING:
    from infra.outputs import DatabaseSettings, EdgeContract, SiteContract
    from recovery.endpoints import Endpoints
    from recovery.runner.jobs import Job, Result

__all__ = [
    "Backups", "Database", "Fence", "Finding", "Group", "Health", "Identity", "Instance", "Latch", "Runner",
    "Secrets", "Site", "Sites", "Stores", "Targets", "WebTier",
]  # fmt: skip


class Database(Protocol):
    """The site's managed PostgreSQL."""

    def backups(self) -> Sequence[Backups]:
        """Backups that can be restored from in this region."""
        ...

    def find(self, identifier: str) -> Instance | None:
        """The instance of that name, or None."""
        ...

    def restore(
        self, backups: Backups, to: datetime | None, identifier: str, settings: DatabaseSettings,
        tags: Mapping[str, str],
    ) -> Instance:  # fmt: skip
        """Begin a restore to that moment (None: the latest), every setting passed; found if it exists."""
        ...

    def set_master_password(self, identifier: str, password: str) -> bool:
        """Set it at once; False when the instance's state does not allow it yet."""
        ...

    def change(
        self, identifier: str, *, multi_az: bool | None = None, backup_retention_days: int | None = None
    ) -> bool:
        """Change at once what is given; False when the instance's state does not allow it yet."""
        ...

    def delete(self, identifier: str) -> None:
        """Delete an instance that a recovery made (never one without its tags); gone already is fine."""
        ...

    def key_trouble(self, settings: DatabaseSettings) -> str | None:
        """Why the database's key cannot be used now, and the cure; None when it can."""
        ...


class WebTier(Protocol):
    """Servers, load balancer, holding page."""

    def group(self) -> Group:
        """The group of servers."""
        ...

    def targets(self) -> Targets:
        """Health of the servers as the load balancer sees it."""
        ...

    def scale(self, servers: int) -> None:
        """At least that many servers: raises desired and minimum, never lowers them."""
        ...

    def stop(self) -> None:
        """No servers at all: minimum, desired and maximum zero, so that none can start."""
        ...

    def rest(self) -> None:
        """No servers now: minimum and desired zero; as many as the stack says can start again."""
        ...

    def failures(self, since: datetime) -> Sequence[str]:
        """Why servers could not be launched lately (no capacity, no key, ...), newest first."""
        ...

    def holding_page(self) -> bool:
        """Whether visitors get the holding page."""
        ...

    def serve(self) -> str:
        """Take the holding page away at once; returns what was there, for `hold`. Idempotent."""
        ...

    def hold(self, actions: str) -> None:
        """Put the holding page (as `serve` returned it; a plain one when empty) back."""
        ...


class Stores(Protocol):
    """The site's buckets, by the company's names for them."""

    def read(self, store: str, key: str) -> bytes | None:
        """The object's bytes; None when there is none."""
        ...

    def write(self, store: str, key: str, body: bytes) -> None:
        """Put an object."""
        ...

    def put_new(self, store: str, key: str, body: bytes) -> bool:
        """Put an object where there is none, in one step; False when there is one."""
        ...

    def delete(self, store: str, key: str) -> None:
        """Take an object away; gone already is fine."""
        ...

    def keys(self, store: str, prefix: str) -> Sequence[str]:
        """Keys that begin with the prefix."""
        ...


class Secrets(Protocol):
    """The site's secrets: JSON documents, by name. Values never enter facts, journal or logs."""

    def read(self, name: str) -> Mapping[str, Any]:
        """The current value."""
        ...

    def update(self, name: str, **values: str | int) -> bool:
        """Set these members; False when the secret had them already."""
        ...


class Runner(Protocol):
    """One-shot machines inside the site (docs/architecture.md, Runners)."""

    def prepare(self, key: str, tags: Mapping[str, str]) -> None:
        """Start a machine ahead of its job, once per key: it boots and waits until `start` gives it one."""
        ...

    def start(self, key: str, job: Job, tags: Mapping[str, str]) -> str:
        """Put the job and start its machine, once per key; returns the machine's id."""
        ...

    def progress(self, key: str) -> str | None:
        """The machine's last words on how far it is."""
        ...

    def result(self, key: str) -> Result | None:
        """What came of it; None while it is running. ActionFailed when the machine ended without a result."""
        ...

    def retry(self, key: str) -> None:
        """Forget a job that failed, so that `start` with the key starts it anew."""
        ...


class Fence(Protocol):
    """What keeps a site that returns from serving and writing."""

    def quarantine(self) -> Sequence[str]:
        """Stop servers, put the holding page up, close the database to web servers; says what it did."""
        ...

    def release(self) -> None:
        """Open the database's door again; the stack brings the rest back."""
        ...

    def is_quarantined(self) -> bool:
        """Whether nothing there serves or can write."""
        ...


class Site(Protocol):
    """One place where the service can stand."""

    @property
    def contract(self) -> SiteContract:
        """What it was built from."""
        ...

    @property
    def database(self) -> Database: ...  # noqa: D102

    @property
    def web(self) -> WebTier: ...  # noqa: D102

    @property
    def stores(self) -> Stores: ...  # noqa: D102

    @property
    def secrets(self) -> Secrets: ...  # noqa: D102

    @property
    def runner(self) -> Runner: ...  # noqa: D102

    @property
    def fence(self) -> Fence: ...  # noqa: D102

    def announce(self, title: str, body: str) -> None:
        """Publish to the site's alarm topic."""
        ...

    def measure(self, metric: str, database: str, seconds: float) -> None:
        """Put a figure about a database where the site's alarms look (infra.outputs.METRICS)."""
        ...

    def identity(self) -> Identity:
        """Account and endpoint that calls go to; asks the provider."""
        ...

    def lacking(self) -> Sequence[str]:
        """What a recovery needs there and is certainly gone, each with its cure; never raises."""
        ...

    def probe(self) -> Sequence[Finding]:
        """Ask the site's control planes whether they answer; never raises, takes two seconds at most."""
        ...


class Latch(Protocol):
    """The object that takes the primary out of the name."""

    def engage(self, reason: str) -> None:
        """Put it there. Idempotent."""
        ...

    def release(self) -> None:
        """Take it away. Idempotent."""
        ...

    def engaged(self) -> bool | None:
        """Whether it is there; None when that cannot be known."""
        ...

    def reason(self) -> str | None:
        """Why it was engaged, as it was given then; None when it is not there."""
        ...


class Sites(Protocol):
    """Every site that can be reached, by its contract; every call carries the run and step that caused it."""

    @property
    def endpoints(self) -> Endpoints:
        """DNS and HTTP connections."""
        ...

    def of(self, contract: SiteContract) -> Site:
        """The site of the contract."""
        ...

    def latch(self, edge: EdgeContract) -> Latch:
        """The latch."""
        ...

    def check_status(self, edge: EdgeContract, check: str) -> Finding:
        """What the provider's own health checkers say of `primary-endpoint`, `latch` or `primary`."""
        ...
