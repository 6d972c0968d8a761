"""What steps find out or make, and later steps take. Journaled, hence free of secrets; moments are in UTC."""

from __future__ import annotations

from datetime import datetime

from recovery.actions.base import Fact
from recovery.units import human


class SiteLost(Fact):
    """A site is gone, by independent evidence, and the other one can take over."""

    site: str
    region: str
    evidence: tuple[str, ...]
    assessed_at: datetime
    lacking: tuple[str, ...] = ()
    """What the site that takes over does not have any more, each with its cure."""

    def says(self) -> str:
        """See Fact."""
        text = f"{self.region} unreachable by independent paths; the site that takes over answers"
        return "; ".join((text, *(f"but {one}" for one in self.lacking)))


class SiteFenced(Fact):
    """The latch is engaged: the lost site takes no customers, even when it returns."""

    latch: str
    engaged_at: datetime

    def says(self) -> str:
        """See Fact."""
        return "latch engaged: the lost site takes no customers"


class RecoveryPoint(Fact):
    """The moment to restore to, and from which backups."""

    backups: str
    database: str
    source_region: str
    restore_to: datetime
    loss_seconds: float
    """Seconds of writes that would be lost: from the recovery point to the assessment."""
    storage_gb: int
    engine_version: str

    def says(self) -> str:
        """See Fact."""
        return f"backups reach {self.restore_to:%H:%M:%S}, loss {human(self.loss_seconds)}"


class DatabaseRestored(Fact):
    """A restored instance that answers SQL."""

    identifier: str
    resource_id: str
    arn: str
    host: str
    port: int
    restored_to: datetime
    instance_class: str = ""
    """Empty: the site's own."""

    def says(self) -> str:
        """See Fact."""
        return f"{self.identifier} answers SQL"


class AccessIssued(Fact):
    """Master and application roles have the standby's own passwords; secrets name the new endpoint."""

    identifier: str
    host: str
    port: int
    roles: tuple[str, ...]

    def says(self) -> str:
        """See Fact."""
        return f"{' and '.join(self.roles)} log in with the site's own passwords"


class StackUp(Fact):
    """A stack was brought up with changed configuration."""

    stack: str
    created: int
    updated: int
    replaced: int
    deleted: int
    patch: str
    """File with the configuration's changes, to commit."""
    backend: str
    """Where the stack's state is kept now."""

    def says(self) -> str:
        """See Fact."""
        return f"{self.stack}: {self.created} created, {self.updated} changed, {self.replaced} replaced"


class WebUp(Fact):
    """Web servers answer behind the holding page."""

    servers: int
    version: str

    def says(self) -> str:
        """See Fact."""
        return f"{self.servers} servers healthy, {self.version}"


class Checked(Fact):
    """One check of the service."""

    name: str
    ok: bool
    detail: str


class ServiceVerified(Fact):
    """The company's own checks hold at the site that takes over."""

    checks: tuple[Checked, ...]
    watermark: str | None
    """Moment of the last row that counts, as the database says it."""

    def says(self) -> str:
        """See Fact."""
        return f"{len(self.checks)} checks hold, last row {self.watermark or 'unknown'}"


class NameSeen(Fact):
    """When a name server or resolver first answered with the new site: seconds after the cutover began."""

    server: str
    kind: str
    seconds: float


class NameSwitched(Fact):
    """The service name leads to the site that took over."""

    site: str
    began_at: datetime
    seen: tuple[NameSeen, ...]
    page: str
    """What the load balancer did before (JSON), to put it back."""

    def says(self) -> str:
        """See Fact."""
        slowest = max((one.seconds for one in self.seen), default=0.0)
        return f"{len(self.seen)} servers and resolvers lead to {self.site}, the last after {human(slowest)}"


class DatabaseAdopted(Fact):
    """The restored instance belongs to its stack; a preview replaces nothing."""

    stack: str
    identifier: str
    urn: str
    patch: str

    def says(self) -> str:
        """See Fact."""
        return f"{self.identifier} belongs to {self.stack}; nothing is replaced"


class Reprotected(Fact):
    """The new primary is protected as the old one was."""

    identifier: str
    multi_az: bool
    backup_retention_days: int

    def says(self) -> str:
        """See Fact."""
        return f"Multi-AZ, backups {self.backup_retention_days} days"


class JobsReleased(Fact):
    """Background jobs and outbound mail run again, at the new site only."""

    stack: str
    patch: str
    backups_owed: str = ""
    """Region that backups should be copied to and are not, since it is lost as well."""

    def says(self) -> str:
        """See Fact."""
        text = f"background jobs and mail run at {self.stack}"
        if not self.backups_owed:
            return text
        later = f"once it is back, pulumi up --stack {self.stack}"
        return f"{text}; its backups are not copied to {self.backups_owed}: {later}"


class SiteQuarantined(Fact):
    """The site that returned serves nothing and writes nothing."""

    site: str
    done: tuple[str, ...]
    patch: str = ""
    """To commit before anybody brings the stack up again; empty when its files are not here."""

    def says(self) -> str:
        """See Fact."""
        first = f"commit {self.patch} before" if self.patch else "set holdingPage on and jobs off before"
        done = "; ".join(self.done) or "quarantined already"
        return f"{done}. {first} any `pulumi up --stack {self.site}`, which may start servers again"


class Notified(Fact):
    """Who was told, by what kind of channel."""

    channels: tuple[str, ...]
    failed: tuple[str, ...]

    def says(self) -> str:
        """See Fact."""
        return f"told by {', '.join(self.channels)}"
