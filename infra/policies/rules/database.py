"""Databases: encrypted, private, backed up, in two zones, hard to delete, TLS only."""

from __future__ import annotations

from collections.abc import Iterator

from infra.aws.windows import Window, WindowError
from infra.policies.rule import Resource, Unknown, listed, own_key, rule, truthy

INSTANCE = "rds/instance:Instance"
RETENTION_DAYS = 14
BACKUPS_FROM, BACKUPS_UNTIL = 2 * 60, 5 * 60


def _is_default(name: object) -> bool:
    """Is it AWS's own group: by its name (`default.postgres17`), or because none is given?"""
    return not isinstance(name, Unknown) and (not name or str(name).startswith("default"))


@rule("database-encrypted", "Databases are encrypted under a key of the company's own", INSTANCE)
def encrypted(resource: Resource) -> Iterator[str]:
    """AWS's own key cannot be shared across accounts, nor replicated to the standby region."""
    if not truthy(resource.props.get("storageEncrypted")):
        yield "storageEncrypted must be true; changing it later replaces the database"
    if not own_key(resource.props.get("kmsKeyId")):
        yield "kmsKeyId must be a key of the company's own: AWS's own key is had by no other region"


@rule("database-private", "Databases have no public address and stand in groups of their own", INSTANCE)
def private(resource: Resource) -> Iterator[str]:
    """Without groups AWS puts it into the default ones."""
    if truthy(resource.props.get("publiclyAccessible")):
        yield "publiclyAccessible must be false"
    if not resource.props.get("vpcSecurityGroupIds"):
        yield "vpcSecurityGroupIds is not given, so that AWS's default would be used"
    if _is_default(resource.props.get("dbSubnetGroupName")):
        yield "dbSubnetGroupName is not given, or AWS's default"


@rule("database-backed-up", "Backups are kept 14 days and made between 02:00 and 05:00 UTC", INSTANCE)
def backed_up(resource: Resource) -> Iterator[str]:
    """The continuity plan's promises P1 to P3."""
    kept = resource.props.get("backupRetentionPeriod") or 0
    if kept < RETENTION_DAYS:
        yield f"backupRetentionPeriod is {int(kept)}: must be at least {RETENTION_DAYS}"
    if truthy(resource.props.get("deleteAutomatedBackups", True)):
        yield "deleteAutomatedBackups must be false: backups would go with the instance"
    windows: dict[str, Window] = {}
    for key, weekly in (("backupWindow", False), ("maintenanceWindow", True)):
        try:
            windows[key] = Window.parse(str(resource.props.get(key)), weekly=weekly)
        except WindowError as error:
            yield f"{key} {error}"
    if len(windows) < 2:
        return
    window = windows["backupWindow"]
    if windows["maintenanceWindow"].overlaps(window):
        yield "maintenanceWindow must not overlap backupWindow"
    if not BACKUPS_FROM <= window.start <= window.start + window.minutes <= BACKUPS_UNTIL:
        yield f"backupWindow is {resource.props['backupWindow']}: must lie inside 02:00-05:00"


@rule("database-multi-az", "Critical databases have a standby in another zone", INSTANCE)
def multi_az(resource: Resource) -> Iterator[str]:
    """The continuity plan's scenario S2."""
    if resource.critical and not truthy(resource.props.get("multiAz")):
        yield "multiAz must be true for a database of class critical"


@rule("database-protected", "Databases cannot be deleted by accident", INSTANCE)
def protected(resource: Resource) -> Iterator[str]:
    """Three locks: Pulumi's, AWS's, and a last snapshot."""
    if not truthy(resource.props.get("deletionProtection")):
        yield "deletionProtection must be true"
    if truthy(resource.props.get("skipFinalSnapshot")) or not resource.props.get("finalSnapshotIdentifier"):
        yield "skipFinalSnapshot must be false and finalSnapshotIdentifier given"
    if not resource.protect:
        yield "the resource must be protected (ResourceOptions(protect=True))"


@rule("database-logs", "Databases export their logs", INSTANCE)
def logged(resource: Resource) -> Iterator[str]:
    """What happened before an outage is asked after it, when the instance may be gone."""
    if "postgresql" not in listed(resource.props.get("enabledCloudwatchLogsExports")):
        yield "enabledCloudwatchLogsExports must name postgresql"


@rule("database-tls", "Databases accept TLS connections only", "rds/parameterGroup:ParameterGroup", INSTANCE)
def tls(resource: Resource) -> Iterator[str]:
    """The engine's own default group does not say so for every version."""
    if resource.type == f"aws:{INSTANCE}":
        if _is_default(resource.props.get("parameterGroupName")):
            yield "parameterGroupName is not given, or AWS's default"
        return
    given = {p["name"]: str(p["value"]) for p in listed(resource.props.get("parameters"))}
    if given.get("rds.force_ssl") != "1":
        yield "must set rds.force_ssl to 1"


RULES = (encrypted, private, backed_up, multi_az, protected, logged, tls)
