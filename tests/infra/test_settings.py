"""A stack's configuration is refused with the key and the cure, before anything is declared."""

from __future__ import annotations

from typing import Any

import pytest

from infra.settings import EdgeSettings, SettingsError, SiteSettings, load
from tests.infra.engine import configuration


def settings(stack: str, **changes: Any) -> SiteSettings | EdgeSettings:
    return load(configuration(stack, changes), stack=stack, project="lifeboat")


@pytest.mark.parametrize("stack", ["edge", "dr-aws", "prod"])
def test_what_is_committed_is_accepted(stack: str) -> None:
    assert settings(stack).stack == stack


def test_role_comes_from_configuration_and_never_from_the_stacks_name() -> None:
    values = configuration("dr-aws")
    drill = load(values, stack="prod-drill", project="lifeboat")
    assert isinstance(drill, SiteSettings)
    assert drill.role == "standby"


def test_on_and_off_are_booleans() -> None:
    primary = settings("prod")
    assert isinstance(primary, SiteSettings)
    assert (primary.jobs, primary.holding_page) == (True, False)


@pytest.mark.parametrize(
    ("stack", "changes", "key", "cure"),
    [
        ("prod", {"role": "main"}, "role", "primary, standby or edge"),
        ("prod", {"role": None}, "role", "primary, standby or edge"),
        ("prod", {"vpcCidr": None}, "vpcCidr", "is missing"),
        ("prod", {"vpcCidr": "8.8.0.0/16"}, "vpcCidr", "private range"),
        ("prod", {"vpcCidr": "127.0.0.0/16"}, "vpcCidr", "private range"),
        ("prod", {"vpcCidr": "10.0.0.0/8"}, "vpcCidr", "between /16 and /20"),
        ("prod", {"vpcCidr": "10.10.1.0/16"}, "vpcCidr", "host bits"),
        ("prod", {"instanceType": "small"}, "instanceType", "match pattern"),
        ("prod", {"alarmEmails": ["ops"]}, "alarmEmails", "match pattern"),
        ("prod", {"company": "shop-"}, "company", "match pattern"),
        ("prod", {"zones": ["eu-central-1", "eu-central-1a"]}, "zones", "eu-central-1 is not in"),
        ("prod", {"zones": ["eu-central-1-bos-1a", "eu-central-1a"]}, "zones", "is not in"),
        ("prod", {"breakGlass": "maybe"}, "breakGlass", "boolean"),
        ("dr-aws", {"backupRegion": "us-east"}, "backupRegion", "match pattern"),
        ("prod", {"capacityMim": "2"}, "capacityMim", "did you mean capacityMin"),
        ("prod", {"capacityMin": "1"}, "capacityMin", "greater than or equal to 2"),
        ("prod", {"capacityFull": "9"}, "capacityFull", "between capacityMin and capacityMax"),
        ("prod", {"zones": ["eu-central-1a"]}, "zones", "two to four"),
        ("prod", {"zones": ["eu-central-1a", "eu-central-1a"]}, "zones", "twice"),
        ("prod", {"zones": ["eu-central-1a", "eu-west-1b"]}, "zones", "eu-west-1b is not in eu-central-1"),
        ("prod", {"backupWindow": "01:30-02:30"}, "backupWindow", "inside 02:00-05:00"),
        ("prod", {"backupWindow": "04:45-05:15"}, "backupWindow", "inside 02:00-05:00"),
        ("prod", {"backupWindow": "nightly"}, "backupWindow", "02:30-03:30"),
        ("prod", {"maintenanceWindow": "sun:03:00-sun:04:00"}, "maintenanceWindow", "overlap"),
        ("prod", {"maintenanceWindow": "sun:23:00-mon:02:45"}, "maintenanceWindow", "overlap"),
        ("prod", {"backupRetentionDays": "7"}, "backupRetentionDays", "greater than or equal to 14"),
        ("prod", {"databaseVersion": "17"}, "databaseVersion", "exact version"),
        ("prod", {"databaseVersion": "16.4"}, "databaseVersion", "PostgreSQL 17"),
        ("prod", {"standbyStack": None}, "standbyStack", "names its standby"),
        ("prod", {"footprint": "pilot", "holdingPage": "on", "jobs": "off"}, "footprint", "set `full`"),
        ("prod", {"backupRegion": "us-east-1"}, "backupRegion", "remove it"),
        ("prod", {"imageId": "resolve:ssm:/ubuntu"}, "imageId", "ami-"),
        ("prod", {"objectStores": [{"name": "state"}]}, "objectStores", "another name"),
        ("prod", {"objectStores": [{"name": "a-b"}, {"name": "a-b"}]}, "objectStores", "twice"),
        ("dr-aws", {"standbyStack": "prod"}, "standbyStack", "refers to nothing in the primary"),
        ("dr-aws", {"backupRegion": "eu-west-1"}, "backupRegion", "another region"),
        ("dr-aws", {"holdingPage": "off"}, "holdingPage", "set `on`"),
        ("dr-aws", {"jobs": "on"}, "jobs", "set `off`"),
        ("edge", {"serviceName": "shop.example"}, "serviceName", "never be its apex"),
        ("edge", {"serviceName": "app.origin.shop.example"}, "serviceName", "origin sub-zone"),
        ("edge", {"ttl": "300"}, "ttl", "less than or equal to 60"),
        ("edge", {"standbyStack": "prod"}, "standbyStack", "must differ"),
    ],
)
def test_a_mistake_is_refused_with_its_key_and_the_cure(
    stack: str, changes: dict[str, Any], key: str, cure: str
) -> None:
    with pytest.raises(SettingsError) as refused:
        settings(stack, **changes)
    message = str(refused.value)
    assert message.startswith(f"Pulumi.{stack}.yaml: lifeboat:{key}")
    assert cure in message


def test_a_missing_region_is_refused() -> None:
    with pytest.raises(SettingsError, match="aws:region is missing"):
        settings("prod", **{"aws:region": None})
