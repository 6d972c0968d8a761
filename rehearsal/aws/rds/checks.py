"""What AWS refuses: each check raises AWS's own error, or returns what it looked up.

Codes are those of the RDS API Reference; messages are AWS's where a public log shows them.
"""

from __future__ import annotations

import inspect
import re
import threading
from typing import Any

from moto.core.exceptions import ServiceException
from moto.ec2.models import ec2_backends
from moto.kms.models import kms_backends
from moto.rds import exceptions, models
from moto.rds.exceptions import RDSClientError
from moto.rds.utils import valid_preferred_maintenance_window

MAJOR = "17"
DEFAULT_VERSION = "17.6"
_NEWEST_MINOR = 11  # the server that stands behind all of them
_SMALLEST_GB = 20
_LOG_TYPES = frozenset({"postgresql", "upgrade", "iam-db-auth-error"})
_ALSO_KNOWN = frozenset({"kms_key_id", "enable_iam_database_authentication"})
MODIFIABLE = frozenset({"available", "storage-optimization", "storage-full"})
"""States in which ModifyDBInstance is taken. AWS documents none of this; public reports show it refused with
"Database instance is not in available state.", so `backing-up` is held to be one of those that refuse."""


_MAKING_DEFAULTS = threading.Lock()  # two creations at once would both make the default subnet group


def refuse(code: str, message: str) -> RDSClientError:
    """One of AWS's errors."""
    return RDSClientError(code, message)


def engine_version(wanted: str | None) -> str:
    """The full version for what was asked (`17` -> the default minor); refuses other majors than 17."""
    if not wanted or wanted == MAJOR:
        return DEFAULT_VERSION
    minor = re.fullmatch(rf"{MAJOR}\.(\d+)", wanted)
    if minor is None or not 1 <= int(minor[1]) <= _NEWEST_MINOR:
        raise refuse("InvalidParameterCombination", f"Cannot find version {wanted} for postgres")
    return wanted


def no_downgrade(present: str, wanted: str) -> None:
    """Refuses an older minor version than the instance has."""
    if int(wanted.split(".")[1]) < int(present.split(".")[1]):
        message = f"Cannot upgrade postgres from {present} to {wanted}"
        raise refuse("InvalidParameterCombination", message)


def kms_key_arn(backend: Any, key: str) -> str:
    """The key's ARN; refuses one that is not in this region, not enabled, or not there."""
    region, account = backend.region_name, backend.account_id
    if key == "alias/aws/rds":
        return f"arn:aws:kms:{region}:{account}:key/aws-managed-rds"
    if key.startswith("arn:") and key.split(":")[3] != region:
        raise exceptions.KMSKeyNotAccessibleFault(key)
    if key.endswith(":key/aws-managed-rds"):
        return key
    try:
        found = kms_backends[account][region].describe_key(key)
    except (KeyError, ServiceException):
        raise exceptions.KMSKeyNotAccessibleFault(key) from None
    if found.key_state != "Enabled":
        raise exceptions.KMSKeyNotAccessibleFault(key)
    return str(found.arn)


def default_subnet_group(backend: Any) -> str:
    """`default`: the default VPC's subnets, as AWS makes it when none is named."""
    with _MAKING_DEFAULTS:
        _make_default_subnet_group(backend)
    return "default"


def _make_default_subnet_group(backend: Any) -> None:
    if "default" not in backend.subnet_groups:
        subnets = list(ec2_backends[backend.account_id][backend.region_name].get_default_subnets().values())
        if len(subnets) < 2:
            raise refuse(
                "DBSubnetGroupDoesNotCoverEnoughAZs",
                "No default subnets detected in VPC; pass a DBSubnetGroupName.",
            )
        backend.create_subnet_group("default", "default", subnets, [])


def zones_of(subnet_group: Any) -> list[str]:
    """The zones that a subnet group covers, in order."""
    return sorted({each["SubnetAvailabilityZone"]["Name"] for each in subnet_group.subnets})


def default_security_group(backend: Any, vpc: str) -> str:
    """The default security group of a VPC."""
    group = ec2_backends[backend.account_id][backend.region_name].get_default_security_group(vpc)
    if group is None:
        raise refuse("InvalidVPCNetworkStateFault", f"{vpc} has no default security group.")
    return str(group.id)


def security_groups(backend: Any, ids: list[str], vpc: str) -> None:
    """Refuses groups that are not there, or in another VPC than the subnet group."""
    ec2 = ec2_backends[backend.account_id][backend.region_name]
    for group_id in ids:
        group = ec2.get_security_group_from_id(group_id)
        if group is None:
            message = f"Invalid security group , groupId= {group_id}, groupName=."
            raise refuse("InvalidParameterValue", message)
        if group.vpc_id != vpc:
            raise refuse(
                "InvalidParameterCombination",
                "The DB instance and EC2 security group are in different VPCs. "
                f"The DB instance is in {vpc} and the EC2 security group is in {group.vpc_id}",
            )


def subnets(found: list[Any]) -> None:
    """Refuses subnets that are in several VPCs, or in one zone only."""
    if len({subnet.vpc_id for subnet in found}) > 1:
        raise exceptions.InvalidSubnet(found[0].id)
    if len({subnet.availability_zone for subnet in found}) < 2:
        raise refuse(
            "DBSubnetGroupDoesNotCoverEnoughAZs",
            "The DB subnet group doesn't meet Availability Zone (AZ) coverage requirement. "
            "Current AZ coverage: 1. Add subnets to cover at least 2 AZs.",
        )


def groups(backend: Any, settings: dict[str, Any]) -> None:
    """Subnet, parameter and security groups of a request: all must be there, in this region and one VPC."""
    subnet_group = settings.get("db_subnet_group_name")
    if subnet_group and subnet_group not in backend.subnet_groups:
        raise exceptions.DBSubnetGroupNotFoundError(subnet_group)
    parameter_group(backend, settings.get("db_parameter_group_name"))
    placed = backend.subnet_groups[subnet_group or default_subnet_group(backend)]
    zone, zones = settings.get("availability_zone"), zones_of(placed)
    if zone and zone not in zones:
        message = f"{zone} is none of the DB subnet group's Availability Zones: {', '.join(zones)}."
        raise refuse("InvalidVPCNetworkStateFault", message)
    vpc = placed.vpc_id
    security_groups(backend, settings.get("vpc_security_group_ids") or [], vpc)


def parameter_group(backend: Any, name: str | None) -> None:
    """Refuses a parameter group that is not there or for another major version."""
    if not name or name.startswith("default.postgres"):
        return
    if name not in backend.db_parameter_groups:
        raise exceptions.DBParameterGroupNotFoundError(name)
    family = backend.db_parameter_groups[name].family
    if family != f"postgres{MAJOR}":
        raise refuse(
            "InvalidParameterCombination",
            f"The parameter group {name} with DBParameterGroupFamily {family} can't be used for this "
            f"instance. Please use a parameter group with DBParameterGroupFamily postgres{MAJOR}",
        )


def new_identifier(backend: Any, identifier: str) -> None:
    """Refuses an identifier that is malformed or taken."""
    backend._validate_db_identifier(identifier)
    if identifier in backend.databases:
        raise exceptions.DBInstanceAlreadyExists()


def creatable(settings: dict[str, Any]) -> None:
    """Refuses what CreateDBInstance refuses, and fails loudly on what this world does not model."""
    if settings.get("engine") != "postgres" or settings.get("db_cluster_identifier"):
        raise NotImplementedError("the rehearsal's RDS makes PostgreSQL DB instances only")
    known = inspect.signature(models.DBInstance.__init__).parameters.keys() | _ALSO_KNOWN
    unknown = [name for name, value in settings.items() if value and name not in known]
    if unknown or settings.get("manage_master_user_password"):
        raise NotImplementedError(
            f"the rehearsal's CreateDBInstance does not know {unknown or 'managed passwords'}"
        )
    name, password = settings.get("master_username") or "", settings.get("master_user_password") or ""
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]{0,62}", name) or name.lower() in ("rdsadmin", "admin"):
        message = f"MasterUsername {name} cannot be used as it is a reserved word used by the engine"
        raise refuse("InvalidParameterValue", message)
    password_allowed(password)
    retention_allowed(settings.get("backup_retention_period", 1))
    if settings.get("kms_key_id") and not settings.get("storage_encrypted"):
        raise refuse("InvalidParameterCombination", "A KmsKeyId needs StorageEncrypted.")
    size = settings.get("allocated_storage", _SMALLEST_GB)
    if size < _SMALLEST_GB:
        kind = settings.get("storage_type", "gp2")
        message = f"Invalid storage size for engine name postgres and storage type {kind}: {size}"
        raise refuse("InvalidParameterValue", message)
    windows(
        settings.get("preferred_maintenance_window") or "wed:06:38-wed:07:08",  # moto's own choice
        settings.get("preferred_backup_window") or "13:14-13:44",
    )
    shape(settings)


def shape(settings: dict[str, Any]) -> None:
    """Class, port, log exports and zone of a request that makes an instance, new or restored."""
    instance_class(settings.get("db_instance_class") or "")
    port = settings.get("port") or 5432
    if not 1150 <= port <= 65535:
        message = f"Invalid endpoint port {port}, valid range is from 1150 to 65535"
        raise refuse("InvalidParameterValue", message)
    if strange := set(settings.get("enable_cloudwatch_logs_exports") or []) - _LOG_TYPES:
        message = f"You cannot use the log types '{', '.join(sorted(strange))}' with engine version postgres"
        raise refuse("InvalidParameterCombination", message)
    if settings.get("multi_az") and settings.get("availability_zone"):
        raise refuse(
            "InvalidParameterCombination",
            "Requesting a specific availability zone is not valid for Multi-AZ instances.",
        )


def instance_class(name: str) -> None:
    """Refuses what does not look like `db.r6g.large`."""
    if not re.fullmatch(r"db\.[a-z0-9-]+\.[a-z0-9]+", name):
        raise refuse("InvalidParameterValue", f"Invalid DB Instance class: {name}")


def windows(maintenance: str, backup: str) -> None:
    """Refuses windows that are malformed, too short, or meet each other."""
    times = re.fullmatch(r"([01]\d|2[0-3]):([0-5]\d)-([01]\d|2[0-3]):([0-5]\d)", backup)
    if times is None:
        message = f"Invalid backup window format: {backup}. Should be specified as a range hh24:mi-hh24:mi"
        raise refuse("InvalidParameterValue", message)
    start, end = int(times[1]) * 60 + int(times[2]), int(times[3]) * 60 + int(times[4])
    if (end - start) % (24 * 60) < 30:
        raise refuse("InvalidParameterValue", "The backup window must be at least 30 minutes.")
    if wrong := valid_preferred_maintenance_window(maintenance.lower(), backup):
        raise refuse("InvalidParameterValue", wrong)


def password_allowed(password: str) -> None:
    """8 to 128 printable ASCII characters but / @ " and space."""
    if not 8 <= len(password) <= 128 or re.search(r"[^!-~]|[/@\"]", password):
        raise refuse(
            "InvalidParameterValue",
            "The parameter MasterUserPassword is not a valid password. Only printable ASCII characters "
            "besides '/', '@', '\"', ' ' may be used, and it must have 8 to 128 of them.",
        )


def retention_allowed(days: int, *, least: int = 0) -> None:
    """0 to 35 days; 0 is no backups, which cannot be replicated."""
    if not least <= days <= 35:
        message = f"Invalid backup retention period: {days} is not in {least} to 35."
        raise refuse("InvalidParameterValue", message)
