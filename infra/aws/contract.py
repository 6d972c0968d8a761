"""A site's contract, read off its components."""

from __future__ import annotations

from typing import Any

from infra.aws.database import LOGICAL_NAME
from infra.aws.platform import Site
from infra.aws.stores import JOBS_PREFIX, STATE
from infra.outputs import HEALTH_PATH, VERIFY_HEADER


def fields(site: Site) -> dict[str, Any]:
    """Fields of `SiteContract`, outputs among them."""
    s = site.settings
    return {
        "project": s.project,
        "stack": s.stack,
        "provider": "aws",
        "account": site.account,
        "region": s.region,
        "role": s.role,
        "footprint": s.footprint,
        "network": _network(site),
        "database": _database(site),
        "web": _web(site),
        "runner": {
            "launch_template_id": site.runner.template.id,
            "subnet_ids": site.network.app_subnet_ids,
            "jobs_bucket": site.stores.buckets[STATE].id,
            "jobs_prefix": JOBS_PREFIX,
            "bundle_version": s.bundle_version,
        },
        "stores": [
            {
                "name": bucket.name,
                "bucket": bucket.id,
                "replicated_to": bucket.replicated_to,
                "criticality": bucket.criticality,
            }
            for bucket in site.stores.buckets.values()
        ],
        "keys": {"database": site.keys.database_arn, "data": site.keys.data_arn},
        "secrets": {
            "database_master": site.secrets.master_name,
            "database_app": site.secrets.app_name,
            "verify_token": site.secrets.token_name,
        },
        "alarms_topic_arn": site.alarms.topic_arn,
        "recovery_role_arn": site.access.role_arn,
        "classes": {
            "database": site.database.criticality,
            "web": site.web.criticality,
            **{bucket.name: bucket.criticality for bucket in site.stores.buckets.values()},
        },
    }


def _network(site: Site) -> dict[str, Any]:
    network = site.network
    return {
        "vpc_id": network.vpc_id,
        "zones": list(site.settings.zones),
        "public_subnet_ids": network.public_subnet_ids,
        "app_subnet_ids": network.app_subnet_ids,
        "data_subnet_ids": network.data_subnet_ids,
        "balancer_security_group_id": network.balancer_group_id,
        "web_security_group_id": network.web_group_id,
        "database_security_group_id": network.database_group_id,
        "runner_security_group_id": network.runner_group_id,
    }


def _database(site: Site) -> dict[str, Any]:
    instance = site.database.instance
    known = (
        {"resource_id": instance.resource_id, "arn": instance.arn, "address": instance.address}
        if instance
        else {}
    )
    return {
        "present": instance is not None,
        "identifier": site.settings.database_identifier,
        "logical_name": LOGICAL_NAME,
        "parent_urn": site.database.urn,
        "settings": site.database.settings(),
        **known,
    }


def _web(site: Site) -> dict[str, Any]:
    return {
        "autoscaling_group": site.web.group.name,
        "launch_template_id": site.web.template.id,
        "load_balancer_arn": site.balancer.balancer.arn,
        "load_balancer_dns_name": site.balancer.balancer.dns_name,
        "https_listener_arn": site.balancer.https.arn,
        "target_group_arn": site.balancer.targets.arn,
        "origin_name": site.origin_name,
        "health_path": HEALTH_PATH,
        "verify_header": VERIFY_HEADER,
        "holding_page": site.settings.holding_page,
        "capacity_full": site.settings.capacity_full,
        "artefact_version": site.settings.artefact_version,
        "background_jobs": site.settings.jobs,
    }
