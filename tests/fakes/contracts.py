"""Contracts of a company's sites and names, as the stacks would export them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from infra.outputs import EdgeContract, SiteContract

ACCOUNT = "123456789012"


def site(stack: str = "prod", **changes: Any) -> SiteContract:
    """`prod` in eu-central-1 (primary) or `dr-aws` in eu-west-1 (standby)."""
    primary = stack == "prod"
    region = "eu-central-1" if primary else "eu-west-1"
    zones = [f"{region}{letter}" for letter in "abc"]
    arn = f"arn:aws:{{}}:{region}:{ACCOUNT}:{{}}".format
    values: dict[str, Any] = {
        "project": "lifeboat",
        "stack": stack,
        "provider": "aws",
        "account": ACCOUNT,
        "region": region,
        "role": "primary" if primary else "standby",
        "footprint": "full" if primary else "pilot",
        "network": {
            "vpc_id": f"vpc-{stack}",
            "zones": zones,
            **{
                f"{tier}_subnet_ids": [f"subnet-{tier}-{n}" for n in "abc"]
                for tier in ("public", "app", "data")
            },
            **{f"{who}_security_group_id": f"sg-{who}" for who in ("balancer", "web", "database", "runner")},
        },
        "database": {
            "present": primary,
            "identifier": "shop-db",
            "logical_name": "database",
            "parent_urn": f"urn:pulumi:{stack}::lifeboat::lifeboat:aws:Database::database",
            "settings": {
                "engine_version": "17.5",
                "instance_class": "db.m7g.large",
                "storage_gb": 50,
                "storage_type": "gp3",
                "multi_az": True,
                "subnet_group": "shop-db",
                "parameter_group": "shop-db",
                "security_group_ids": ["sg-database"],
                "kms_key_arn": arn("kms", "key/mrk-1"),
                "backup_retention_days": 14,
                "backup_window": "02:30-03:30",
                "maintenance_window": "sun:06:00-sun:07:00",
                "log_exports": ["postgresql", "upgrade"],
                "deletion_protection": True,
                "name": "shop",
                "master_user": "shopadmin",
                "app_user": "shop",
            },
        },
        "web": {
            "autoscaling_group": f"{stack}-web",
            "launch_template_id": "lt-web",
            "load_balancer_arn": arn("elasticloadbalancing", "loadbalancer/app/web/1"),
            "load_balancer_dns_name": f"web-1.{region}.elb.amazonaws.com",
            "https_listener_arn": arn("elasticloadbalancing", "listener/app/web/1/2"),
            "target_group_arn": arn("elasticloadbalancing", "targetgroup/web/1"),
            "origin_name": f"{stack}.origin.shop.example",
            "health_path": "/lifeboat/health",
            "verify_header": "x-lifeboat-verify",
            "holding_page": not primary,
            "capacity_full": 2,
            "artefact_version": "v1",
            "background_jobs": primary,
        },
        "runner": {
            "launch_template_id": "lt-runner",
            "subnet_ids": ["subnet-app-0"],
            "jobs_bucket": f"{stack}-state",
            "jobs_prefix": "jobs/",
            "bundle_version": "b1",
        },
        "stores": [
            {"name": "artefacts", "bucket": f"{stack}-artefacts"},
            {"name": "state", "bucket": f"{stack}-state"},
        ],
        "keys": {"database": arn("kms", "key/mrk-1"), "data": arn("kms", "key/mrk-2")},
        "secrets": {
            "database_master": f"shop/{stack}/database-master",
            "database_app": f"shop/{stack}/database-app",
            "verify_token": f"shop/{stack}/verify-token",
        },
        "alarms_topic_arn": arn("sns", "alarms"),
        "recovery_role_arn": f"arn:aws:iam::{ACCOUNT}:role/recovery",
        "classes": {"database": "critical", "web": "critical"},
    }
    return SiteContract.model_validate({**values, **changes})


def edge() -> EdgeContract:
    """The names of the company."""
    servers = [f"ns-{n}.example" for n in range(4)]
    return EdgeContract.model_validate(
        {
            "project": "lifeboat",
            "stack": "edge",
            "account": ACCOUNT,
            "zone": {"name": "shop.example", "zone_id": "Z1", "name_servers": servers},
            "origin_zone": {"name": "origin.shop.example", "zone_id": "Z2", "name_servers": servers},
            "service_name": "app.shop.example",
            "failover_name": "app.origin.shop.example",
            "ttl": 30,
            "health_checks": {"primary-endpoint": "hc-1", "latch": "hc-2", "primary": "hc-3"},
            "latch": {
                "bucket": "latch",
                "key": "engaged",
                "region": "eu-west-1",
                "url": "https://latch.example/engaged",
            },
        }
    )


def keep(state: Path) -> None:
    """Put the three contracts where recovery finds them."""
    folder = state / "contracts"
    folder.mkdir(parents=True, exist_ok=True)
    for contract in (site("prod"), site("dr-aws"), edge()):
        (folder / f"{contract.stack}.json").write_text(contract.model_dump_json(indent=1))
