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

MAJOR = "17"
DEFAULT_VERSION = "17.6"
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
    if not re.fullmatch(rf"{MAJOR}\.\d+", wanted):
        raise refuse("InvalidParameterCombination", f"Cannot find version {wanted} for postgres")
    return wanted


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
    vpc = backend.subnet_groups[subnet_group or default_subnet_group(backend)].vpc_id
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
    if not settings.get("db_instance_class", "").startswith("db."):
        message = f"Invalid DB Instance class: {settings.get('db_instance_class')}"
        raise refuse("InvalidParameterValue", message)
    retention_allowed(settings.get("backup_retention_period", 1))


def password_allowed(password: str) -> None:
    """8 to 128 printable ASCII characters but / @ " and space."""
    if not 8 <= len(password) <= 128 or re.search(r"[^!-~]|[/@\"]", password):
        raise refuse(
            "InvalidParameterValue",
            "The parameter MasterUserPassword is not a valid password. Only printable ASCII characters "
            "besides '/', '@', '\"', ' ' may be used, and it must have 8 to 128 of them.",
        )


def retention_allowed(days: int) -> None:
    """0 to 35 days."""
    if not 0 <= days <= 35:
        raise refuse("InvalidParameterValue", f"Invalid backup retention period: {days} is not in 0 to 35.")
