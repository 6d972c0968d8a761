"""The database: what it is, and that recovery can hand one over without replacing it."""

from __future__ import annotations

import pytest

from infra.outputs import SiteContract
from tests.infra.engine import Stack, run

INSTANCE = "rds/instance:Instance"
REPLICATION = "rds/instanceAutomatedBackupsReplication:InstanceAutomatedBackupsReplication"


def test_a_pilot_light_has_the_groups_but_no_instance(standby: Stack) -> None:
    assert not standby.of(INSTANCE)
    assert standby.one("rds/subnetGroup:SubnetGroup")
    assert standby.one("rds/parameterGroup:ParameterGroup")


def test_the_parameter_group_forces_tls(standby: Stack) -> None:
    given = {
        p["name"]: p["value"] for p in standby.one("rds/parameterGroup:ParameterGroup").inputs["parameters"]
    }
    assert given["rds.force_ssl"] == "1"


def test_the_primarys_backups_go_to_the_standby_region_under_the_standbys_key(
    primary: Stack, standby: Stack
) -> None:
    replication = primary.one(REPLICATION).inputs
    assert replication["region"] == "eu-west-1"
    assert replication["kmsKeyId"] == standby.outputs["contract"]["keys"]["database"]
    assert replication["retentionPeriod"] == 14


def test_the_primarys_key_is_a_replica_of_the_standbys(primary: Stack, standby: Stack) -> None:
    assert standby.one("kms/key:Key", "database").inputs["multiRegion"] is True
    replica = primary.one("kms/replicaKey:ReplicaKey", "database").inputs
    assert replica["primaryKeyArn"] == standby.outputs["contract"]["keys"]["database"]


def test_an_adopted_database_is_declared_exactly_as_one_that_was_created(
    serving: Stack, primary: Stack
) -> None:
    adopted, created = serving.one(INSTANCE).inputs, primary.one(INSTANCE).inputs
    assert set(adopted) == set(created)
    differing = {key for key in adopted if adopted[key] != created[key]}
    assert differing - {"password"} == {"kmsKeyId", "tags"}  # each site draws a password of its own


def test_a_database_is_never_tied_to_where_it_came_from(serving: Stack) -> None:
    origins = {"snapshotIdentifier", "restoreToPointInTime", "replicateSourceDb", "availabilityZone"}
    assert not origins & set(serving.one(INSTANCE).inputs)


def test_a_serving_standby_replicates_its_backups_onward(serving: Stack) -> None:
    assert serving.one("kms/replicaKey:ReplicaKey", "backups").inputs["region"] == "us-east-1"
    assert serving.one(REPLICATION).inputs["region"] == "us-east-1"


def test_a_serving_standby_keeps_backups_at_home_when_no_region_is_configured() -> None:
    alone = run("dr-aws", {"footprint": "full", "database": "present", "backupRegion": None})
    assert not alone.of(REPLICATION)
    assert alone.one(INSTANCE).inputs["backupRetentionPeriod"] == 14


def test_everything_a_restore_must_pass_is_in_the_contract_before_there_is_a_database(standby: Stack) -> None:
    contract = SiteContract.model_validate(standby.outputs["contract"])
    settings = contract.database.settings
    assert not contract.database.present
    assert settings.subnet_group == "database-1a2b3c4"
    assert settings.parameter_group == "database-1a2b3c4"
    assert settings.security_group_ids == ("database-1a2b3c4",)
    assert settings.kms_key_arn == contract.keys.database


@pytest.mark.parametrize("stack", ["standby", "primary"])
def test_the_contract_says_where_to_adopt_it(stack: str, request: pytest.FixtureRequest) -> None:
    ran: Stack = request.getfixturevalue(stack)
    database = ran.outputs["contract"]["database"]
    assert database["parent_urn"].endswith("lifeboat:aws:Database::database")
    assert database["logical_name"] == "database"
