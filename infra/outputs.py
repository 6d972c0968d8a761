"""The joint between `infra/` and `recovery/`: what a stack exports, as one value named `contract`.

Frozen, versioned, free of secrets (a secret is named, never carried). Imports pydantic only, never
pulumi, so that recovery can read the last contract with no engine, no state and no cloud at hand.
Two kinds, told apart by `kind`: `site` (one place where the service can stand) and `edge` (its names).
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

SCHEMA_VERSION: Literal[1] = 1
HEALTH_PATH = "/lifeboat/health"
"""What Route 53 asks a site's load balancer; edge and sites must mean the same path."""
VERIFY_HEADER = "x-lifeboat-verify"
METRICS = "Lifeboat"
"""CloudWatch namespace of what `dr status --publish` measures and `infra/aws/alarms.py` watches."""
RESTORABLE_AGE = "RestorableAgeSeconds"
REPLICATION_LAG = "BackupReplicationLagSeconds"
DATABASE_DIMENSION = "DBInstanceIdentifier"


class Part(BaseModel):
    """A part of a contract: immutable, and nothing in it that is not declared here."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Network(Part):
    """Ids of the network; subnets are in the order of `zones`."""

    vpc_id: str
    zones: tuple[str, ...]
    public_subnet_ids: tuple[str, ...]
    app_subnet_ids: tuple[str, ...]
    data_subnet_ids: tuple[str, ...]
    balancer_security_group_id: str
    web_security_group_id: str
    database_security_group_id: str
    runner_security_group_id: str


class DatabaseSettings(Part):
    """Every setting to reproduce the database with; AWS falls back to its defaults for what is not passed.

    Source: RDS API Reference, RestoreDBInstanceToPointInTime.
    """

    engine: Literal["postgres"] = "postgres"
    engine_version: str
    instance_class: str
    storage_gb: int
    storage_type: str
    multi_az: bool
    subnet_group: str
    parameter_group: str
    security_group_ids: tuple[str, ...]
    kms_key_arn: str
    backup_retention_days: int
    backup_window: str
    maintenance_window: str
    log_exports: tuple[str, ...]
    deletion_protection: bool
    port: int = 5432
    name: str
    """The database inside the instance."""
    master_user: str
    app_user: str


class Database(Part):
    """The site's database: `present` (its identity is known) or only the settings to make one with."""

    present: bool
    identifier: str
    """The DB instance identifier: of the one that stands, or of the one a recovery creates here."""
    logical_name: str
    """The Pulumi resource name under which recovery adopts it."""
    resource_type: str = "aws:rds/instance:Instance"
    parent_urn: str
    """URN of the component that it hangs under (`pulumi import --parent`)."""
    resource_id: str | None = None
    arn: str | None = None
    address: str | None = None
    settings: DatabaseSettings


class WebTier(Part):
    """Load balancer, target group and Auto Scaling group (or their kin in another cloud)."""

    autoscaling_group: str
    launch_template_id: str
    load_balancer_arn: str
    load_balancer_dns_name: str
    https_listener_arn: str
    target_group_arn: str
    origin_name: str
    """The site's own name, e.g. `prod.origin.shop.example`."""
    health_path: str
    """Answered by the load balancer itself; never touches web servers or database."""
    verify_header: str
    """Requests with this header (value: the verify token) reach the web tier behind the holding page."""
    holding_page: bool
    capacity_full: int
    """Servers that `footprint: full` stands for."""
    artefact_version: str
    background_jobs: bool


class Runner(Part):
    """Template for one-shot machines inside the site (see docs/architecture.md, Runners)."""

    launch_template_id: str
    subnet_ids: tuple[str, ...]
    jobs_bucket: str
    jobs_prefix: str
    bundle_version: str


class Store(Part):
    """A bucket of the site. `name` is the company's word for it; `artefacts` and `state` always exist."""

    name: str
    bucket: str
    replicated_to: str | None = None
    """The standby's bucket that objects are copied into; only in the primary's contract."""
    criticality: Literal["critical", "non-critical"] = "critical"


class Secrets(Part):
    """Secrets Manager names of the site's own secrets (JSON documents); never their values."""

    database_master: str
    database_app: str
    verify_token: str


class Keys(Part):
    """KMS key ARNs of this site's region."""

    database: str
    data: str


class SiteContract(Part):
    """One site: everything recovery needs to know of it, as of the last successful `up`."""

    kind: Literal["site"] = "site"
    schema_version: Literal[1] = SCHEMA_VERSION
    project: str
    stack: str
    provider: Literal["aws", "gcp"]
    account: str
    region: str
    role: Literal["primary", "standby"]
    footprint: Literal["pilot", "full"]
    network: Network
    database: Database
    web: WebTier
    runner: Runner
    stores: tuple[Store, ...]
    keys: Keys
    secrets: Secrets
    alarms_topic_arn: str
    recovery_role_arn: str
    classes: dict[str, Literal["critical", "non-critical"]]
    """Component -> class: recovery brings critical ones back first."""

    def store(self, name: str) -> Store:
        """The store of that name; KeyError when the site has none."""
        for store in self.stores:
            if store.name == name:
                return store
        raise KeyError(name)


class Zone(Part):
    """A hosted zone; `name` without the trailing dot."""

    name: str
    zone_id: str
    name_servers: tuple[str, ...]


class Latch(Part):
    """The object whose presence takes the primary out of the name (docs/architecture.md, Names)."""

    bucket: str
    key: str
    region: str
    url: str


class EdgeContract(Part):
    """Names, health checks and the latch."""

    kind: Literal["edge"] = "edge"
    schema_version: Literal[1] = SCHEMA_VERSION
    project: str
    stack: str
    provider: Literal["aws"] = "aws"
    account: str
    zone: Zone
    origin_zone: Zone
    service_name: str
    """What customers type, e.g. `app.shop.example`."""
    failover_name: str
    """What it points to, e.g. `app.origin.shop.example`."""
    ttl: int
    health_checks: dict[str, str]
    """`primary-endpoint`, `latch` and `primary` (calculated) -> health check id."""
    latch: Latch


Contract = Annotated[SiteContract | EdgeContract, Field(discriminator="kind")]
_CONTRACT: TypeAdapter[SiteContract | EdgeContract] = TypeAdapter(Contract)


def parse(text: str | bytes) -> SiteContract | EdgeContract:
    """The contract in a JSON text; pydantic.ValidationError when it is none of this version."""
    return _CONTRACT.validate_json(text)


def read(path: Path) -> SiteContract | EdgeContract:
    """The contract in a file; OSError when it cannot be read, pydantic.ValidationError as `parse`."""
    return parse(path.read_bytes())
