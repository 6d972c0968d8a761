"""DB instances of the rehearsal behave like RDS where a recovery looks, and are real PostgreSQL servers."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from botocore.exceptions import ClientError
from databases import PASSWORD, Databases, no_proxies

from rehearsal import launch
from tests.fakes.waiting import until

pytestmark = pytest.mark.world


@pytest.fixture(scope="module")
def world() -> Iterator[Databases]:
    no_proxies()
    name = f"test-rds-{os.getpid()}"
    settings = launch.up(name, scale=1200, dies_with_us=True)
    try:
        yield Databases(settings)
    finally:
        launch.down(name)


@pytest.fixture(scope="module")
def shop(world: Databases) -> dict[str, Any]:
    """A Multi-AZ database that tests may read and modify, but leave available."""
    return world.made("shared", MultiAZ=True)


def refused(call: Any, **arguments: Any) -> str:
    """The error code with which AWS refuses."""
    with pytest.raises(ClientError) as error:
        call(**arguments)
    return str(error.value.response["Error"]["Code"])


def test_a_new_multi_az_instance_goes_through_the_phases_of_rds(world: Databases) -> None:
    first = world.create("phases", MultiAZ=True)
    assert first["DBInstanceStatus"] == "creating"
    assert "Endpoint" not in first
    seen: list[str] = []

    def watch() -> bool | None:
        status = world.show("phases")["DBInstanceStatus"]
        if not seen or seen[-1] != status:
            seen.append(status)
        return True if status == "available" else None

    until("available", watch)
    assert seen == [each for each in ("creating", "backing-up", "modifying", "available") if each in seen]
    shown = world.show("phases")
    assert shown["SecondaryAvailabilityZone"] not in (None, shown["AvailabilityZone"])
    assert shown["EngineVersion"].startswith("17.")


def test_the_master_manages_roles_but_is_no_superuser(world: Databases, shop: dict[str, Any]) -> None:
    with world.connect(shop) as master:
        row = master.execute(
            "SELECT rolsuper, rolreplication, rolcreaterole, rolcreatedb "
            "FROM pg_roles WHERE rolname = current_user"
        ).fetchone()
        assert row == (False, False, True, True)
        master.execute("CREATE ROLE roles_test LOGIN PASSWORD 'application-1'")
        master.execute("GRANT CREATE ON SCHEMA public TO roles_test")
    with world.connect(shop, user="roles_test", password="application-1") as app:
        app.execute("CREATE TABLE of_the_application (n int)")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            app.execute("SELECT * FROM pg_authid")


def test_a_connection_without_tls_is_refused_unless_the_parameter_group_allows_it(
    world: Databases, shop: dict[str, Any]
) -> None:
    with pytest.raises(psycopg.OperationalError, match="no encryption"):
        world.connect(shop, sslmode="disable", sslrootcert="")
    rds = world.client("rds")
    rds.create_db_parameter_group(
        DBParameterGroupName="plain", DBParameterGroupFamily="postgres17", Description="no TLS"
    )
    off = {"ParameterName": "rds.force_ssl", "ParameterValue": "0", "ApplyMethod": "immediate"}
    rds.modify_db_parameter_group(DBParameterGroupName="plain", Parameters=[off])
    plain = world.made("plain", DBParameterGroupName="plain")
    world.connect(plain, sslmode="disable", sslrootcert="").close()


def test_nobody_reaches_the_providers_own_superuser(world: Databases, shop: dict[str, Any]) -> None:
    with pytest.raises(psycopg.OperationalError, match="rejects connection"):
        world.connect(shop, user="rdsadmin", password="x")


def test_a_new_master_password_replaces_the_old_one(world: Databases) -> None:
    instance = world.made("password", BackupRetentionPeriod=0)
    answer = world.client("rds").modify_db_instance(
        DBInstanceIdentifier="password", MasterUserPassword="another-one-1"
    )
    assert answer["DBInstance"]["DBInstanceStatus"] == "resetting-master-credentials"
    assert answer["DBInstance"]["PendingModifiedValues"] == {"MasterUserPassword": "****"}
    shown = world.reach("available", "password")
    assert shown["PendingModifiedValues"] == {}
    world.connect(instance, password="another-one-1").close()
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        world.connect(instance)


def test_an_instance_that_is_not_available_refuses_changes(world: Databases) -> None:
    rds = world.client("rds")
    world.create("busy")
    world.reach("backing-up", "busy")
    code = refused(rds.modify_db_instance, DBInstanceIdentifier="busy", MasterUserPassword="another-one-1")
    assert code == "InvalidDBInstanceState"
    assert refused(rds.reboot_db_instance, DBInstanceIdentifier="busy") == "InvalidDBInstanceState"


def test_what_waits_for_the_maintenance_window_is_pending_until_something_is_applied_at_once(
    world: Databases,
) -> None:
    rds = world.client("rds")
    world.made("pending", BackupRetentionPeriod=0)
    answer = rds.modify_db_instance(DBInstanceIdentifier="pending", MultiAZ=True)["DBInstance"]
    assert (answer["DBInstanceStatus"], answer["MultiAZ"]) == ("available", False)
    assert answer["PendingModifiedValues"] == {"MultiAZ": True}
    rds.modify_db_instance(
        DBInstanceIdentifier="pending", DBInstanceClass="db.t4g.medium", ApplyImmediately=True
    )
    shown = world.reach("available", "pending")
    assert (shown["MultiAZ"], shown["DBInstanceClass"]) == (True, "db.t4g.medium")
    assert shown["PendingModifiedValues"] == {}


@pytest.mark.parametrize(
    ("more", "code"),
    [
        ({"DBInstanceClass": "large"}, "InvalidParameterValue"),
        ({"EngineVersion": "17.1"}, "InvalidParameterCombination"),
        ({"PreferredBackupWindow": "05:30-06:30"}, "InvalidParameterValue"),
        ({"AllocatedStorage": 10}, "InvalidParameterValue"),
    ],
)
def test_changes_that_aws_does_not_allow_are_refused(
    world: Databases, shop: dict[str, Any], more: dict[str, Any], code: str
) -> None:
    modify = world.client("rds").modify_db_instance
    assert refused(modify, DBInstanceIdentifier="shared", ApplyImmediately=True, **more) == code
    assert world.show("shared")["PendingModifiedValues"] == {}


def test_turning_backups_on_later_restarts_the_instance_and_takes_a_backup(world: Databases) -> None:
    instance = world.made("late", BackupRetentionPeriod=0)
    assert "LatestRestorableTime" not in instance
    with world.connect(instance) as before:
        world.client("rds").modify_db_instance(
            DBInstanceIdentifier="late", BackupRetentionPeriod=7, ApplyImmediately=True
        )
        world.reach("available", "late")
        with pytest.raises(psycopg.OperationalError):
            before.execute("SELECT 1")
    until("restorable time", lambda: world.show("late").get("LatestRestorableTime"))


def test_a_renamed_instance_keeps_its_identity_and_its_data_at_a_new_endpoint(world: Databases) -> None:
    old = world.made("old-name", BackupRetentionPeriod=0)
    with world.connect(old) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 1 AS n")
    world.client("rds").modify_db_instance(
        DBInstanceIdentifier="old-name", NewDBInstanceIdentifier="new-name", ApplyImmediately=True
    )
    until(
        "new name",
        lambda: (
            world.client("rds").describe_db_instances(
                Filters=[{"Name": "db-instance-id", "Values": ["new-name"]}]
            )["DBInstances"]
            or None
        ),
    )
    new = world.reach("available", "new-name")
    assert new["DbiResourceId"] == old["DbiResourceId"]
    assert new["Endpoint"]["Address"] != old["Endpoint"]["Address"]
    with world.connect(new) as connection:
        assert connection.execute("SELECT n FROM kept").fetchall() == [(1,)]
    assert (
        refused(world.client("rds").describe_db_instances, DBInstanceIdentifier="old-name")
        == "DBInstanceNotFound"
    )


def test_a_forced_failover_swaps_the_zones_and_loses_no_commit(
    world: Databases, shop: dict[str, Any]
) -> None:
    rds = world.client("rds")
    with world.connect(shop) as connection:
        connection.execute("CREATE TABLE before_failover AS SELECT 1 AS n")
        rds.reboot_db_instance(DBInstanceIdentifier="shared", ForceFailover=True)
        after = world.reach("available", "shared")
    assert after["AvailabilityZone"] == shop["SecondaryAvailabilityZone"]
    assert after["SecondaryAvailabilityZone"] == shop["AvailabilityZone"]
    with world.connect(after) as connection:
        assert connection.execute("SELECT n FROM before_failover").fetchall() == [(1,)]


def test_only_a_multi_az_instance_fails_over(world: Databases) -> None:
    world.made("single", BackupRetentionPeriod=0)
    code = refused(world.client("rds").reboot_db_instance, DBInstanceIdentifier="single", ForceFailover=True)
    assert code == "InvalidParameterCombination"


def test_a_stopped_instance_answers_nobody_until_it_is_started(world: Databases) -> None:
    rds = world.client("rds")
    instance = world.made("resting", BackupRetentionPeriod=0)
    rds.stop_db_instance(DBInstanceIdentifier="resting")
    world.reach("stopped", "resting")
    with pytest.raises(psycopg.OperationalError):
        world.connect(instance)
    rds.start_db_instance(DBInstanceIdentifier="resting")
    world.connect(world.reach("available", "resting")).close()


def test_deletion_is_refused_while_protected_or_without_a_word_on_the_final_snapshot(
    world: Databases,
) -> None:
    rds = world.client("rds")
    world.made("protected", BackupRetentionPeriod=0, DeletionProtection=True)
    delete = rds.delete_db_instance
    assert (
        refused(delete, DBInstanceIdentifier="protected", SkipFinalSnapshot=True)
        == "InvalidParameterCombination"
    )
    rds.modify_db_instance(DBInstanceIdentifier="protected", DeletionProtection=False)
    assert refused(delete, DBInstanceIdentifier="protected") == "InvalidParameterCombination"
    assert world.show("protected")["DBInstanceStatus"] == "available"


def test_a_final_snapshot_has_the_rows_of_the_deleted_instance(world: Databases) -> None:
    rds = world.client("rds")
    with world.connect(world.made("ending", BackupRetentionPeriod=0)) as connection:
        connection.execute("CREATE TABLE last_words AS SELECT generate_series(1, 100) AS n")
    rds.delete_db_instance(DBInstanceIdentifier="ending", FinalDBSnapshotIdentifier="ending-final")
    until(
        "deletion",
        lambda: (
            not [
                each
                for each in rds.describe_db_instances()["DBInstances"]
                if each["DBInstanceIdentifier"] == "ending"
            ]
            or None
        ),
    )
    rds.restore_db_instance_from_db_snapshot(
        DBInstanceIdentifier="again", DBSnapshotIdentifier="ending-final", BackupRetentionPeriod=0
    )
    with world.connect(world.reach("available", "again")) as connection:
        assert connection.execute("SELECT count(*) FROM last_words").fetchone() == (100,)


def test_an_instance_is_deleting_from_the_call_on_though_its_final_snapshot_comes_first(
    world: Databases,
) -> None:
    rds = world.client("rds")
    world.made("twice", BackupRetentionPeriod=0)
    first = rds.delete_db_instance(DBInstanceIdentifier="twice", FinalDBSnapshotIdentifier="twice-final")
    assert first["DBInstance"]["DBInstanceStatus"] == "deleting"
    assert (
        refused(rds.delete_db_instance, DBInstanceIdentifier="twice", SkipFinalSnapshot=True)
        == "InvalidDBInstanceState"
    )


def test_an_automated_snapshot_goes_with_its_instance_only(world: Databases, shop: dict[str, Any]) -> None:
    rds = world.client("rds")
    found = rds.describe_db_snapshots(DBInstanceIdentifier="shared", SnapshotType="automated")["DBSnapshots"]
    name = found[0]["DBSnapshotIdentifier"]
    assert refused(rds.delete_db_snapshot, DBSnapshotIdentifier=name) == "InvalidDBSnapshotState"


def test_a_snapshot_copied_to_another_region_needs_a_key_of_that_region(world: Databases) -> None:
    rds, there = world.client("rds"), world.client("rds", world.there)
    world.made("copied", BackupRetentionPeriod=0, StorageEncrypted=True, KmsKeyId=world.key())
    rds.create_db_snapshot(DBInstanceIdentifier="copied", DBSnapshotIdentifier="copied-1")
    world.reach("available", "copied")
    arn = rds.describe_db_snapshots(DBSnapshotIdentifier="copied-1")["DBSnapshots"][0]["DBSnapshotArn"]
    wanted = {"SourceDBSnapshotIdentifier": arn, "TargetDBSnapshotIdentifier": "there-1"}
    assert refused(there.copy_db_snapshot, **wanted) == "InvalidParameterCombination"
    key = world.key(world.there)
    there.copy_db_snapshot(**wanted, KmsKeyId=key)
    until(
        "copy",
        lambda: (
            there.describe_db_snapshots(DBSnapshotIdentifier="there-1")["DBSnapshots"][0]["Status"]
            == "available"
            or None
        ),
    )
    there.restore_db_instance_from_db_snapshot(DBInstanceIdentifier="copied", DBSnapshotIdentifier="there-1")
    shown = world.reach("available", "copied", world.there)
    assert shown["KmsKeyId"] == key
    world.connect(shown).close()


@pytest.mark.parametrize(
    ("more", "code"),
    [
        ({"DBSubnetGroupName": "nowhere"}, "DBSubnetGroupNotFoundFault"),
        ({"DBParameterGroupName": "nothing"}, "DBParameterGroupNotFound"),
        ({"VpcSecurityGroupIds": ["sg-00000000000000000"]}, "InvalidParameterValue"),
        (
            {"StorageEncrypted": True, "KmsKeyId": "00000000-0000-0000-0000-000000000000"},
            "KMSKeyNotAccessibleFault",
        ),
        ({"EngineVersion": "16.3"}, "InvalidParameterCombination"),
        ({"EngineVersion": "17.99"}, "InvalidParameterCombination"),
        ({"DBInstanceClass": "large"}, "InvalidParameterValue"),
        ({"AllocatedStorage": 5}, "InvalidParameterValue"),
        ({"Port": 80}, "InvalidParameterValue"),
        ({"MultiAZ": True, "AvailabilityZone": "eu-central-1a"}, "InvalidParameterCombination"),
        ({"AvailabilityZone": "eu-west-1a"}, "InvalidVPCNetworkStateFault"),
        ({"EnableCloudwatchLogsExports": ["audit"]}, "InvalidParameterCombination"),
        ({"PreferredBackupWindow": "02:00-02:10"}, "InvalidParameterValue"),
        ({"PreferredBackupWindow": "05:30-06:30"}, "InvalidParameterValue"),
        ({"PreferredBackupWindow": "2-3"}, "InvalidParameterValue"),
        ({"MasterUserPassword": "short"}, "InvalidParameterValue"),
        ({"MasterUsername": "rdsadmin"}, "InvalidParameterValue"),
        ({"BackupRetentionPeriod": 36}, "InvalidParameterValue"),
        ({"DBInstanceIdentifier": "two--dashes"}, "InvalidParameterValue"),
        ({"DBInstanceIdentifier": "shared"}, "DBInstanceAlreadyExists"),
    ],
)
def test_what_is_not_there_or_not_allowed_is_refused_with_awss_code(
    world: Databases, shop: dict[str, Any], more: dict[str, Any], code: str
) -> None:
    assert refused(world.create, name="refused", **more) == code
    assert (
        refused(world.client("rds").describe_db_instances, DBInstanceIdentifier="refused")
        == "DBInstanceNotFound"
    )


def test_a_key_of_another_region_or_a_disabled_one_is_not_accessible(world: Databases) -> None:
    foreign, disabled = world.key(world.there), world.key()
    world.client("kms").disable_key(KeyId=disabled.split("/")[1])
    for key in (foreign, disabled):
        assert (
            refused(world.create, name="locked", StorageEncrypted=True, KmsKeyId=key)
            == "KMSKeyNotAccessibleFault"
        )


def test_a_security_group_of_another_vpc_is_refused(world: Databases) -> None:
    ec2 = world.client("ec2")
    vpc = ec2.create_vpc(CidrBlock="10.9.0.0/16")["Vpc"]["VpcId"]
    group = ec2.create_security_group(GroupName="other", Description="other", VpcId=vpc)["GroupId"]
    assert refused(world.create, name="abroad", VpcSecurityGroupIds=[group]) == "InvalidParameterCombination"


def test_a_subnet_group_covers_two_zones_and_stays_while_it_is_used(world: Databases) -> None:
    ec2, rds = world.client("ec2"), world.client("rds")
    vpc = ec2.create_vpc(CidrBlock="10.8.0.0/16")["Vpc"]["VpcId"]
    zones = (f"{world.here}a", f"{world.here}b")
    subnets = [
        ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.8.{n}.0/24", AvailabilityZone=zone)["Subnet"]["SubnetId"]
        for n, zone in enumerate(zones)
    ]
    wanted = {"DBSubnetGroupName": "data", "DBSubnetGroupDescription": "data"}
    assert (
        refused(rds.create_db_subnet_group, **wanted, SubnetIds=subnets[:1])
        == "DBSubnetGroupDoesNotCoverEnoughAZs"
    )
    rds.create_db_subnet_group(**wanted, SubnetIds=subnets)
    shown = world.create("inside", DBSubnetGroupName="data", BackupRetentionPeriod=0)
    default = ec2.describe_security_groups(
        Filters=[{"Name": "vpc-id", "Values": [vpc]}, {"Name": "group-name", "Values": ["default"]}]
    )["SecurityGroups"][0]["GroupId"]
    assert [each["VpcSecurityGroupId"] for each in shown["VpcSecurityGroups"]] == [default]
    assert refused(rds.delete_db_subnet_group, DBSubnetGroupName="data") == "InvalidDBSubnetGroupStateFault"


def test_a_dynamic_parameter_counts_at_once_and_a_static_one_from_the_next_reboot(world: Databases) -> None:
    rds = world.client("rds")
    rds.create_db_parameter_group(
        DBParameterGroupName="tuned", DBParameterGroupFamily="postgres17", Description="tuned"
    )
    world.made("tuned", DBParameterGroupName="tuned", BackupRetentionPeriod=0)

    def setting(name: str) -> str:
        with world.connect(world.show("tuned")) as connection:
            return str(connection.execute(f"SHOW {name}").fetchone()[0])  # type: ignore[index]

    def change(name: str, value: str, how: str) -> str:
        row = {"ParameterName": name, "ParameterValue": value, "ApplyMethod": how}
        rds.modify_db_parameter_group(DBParameterGroupName="tuned", Parameters=[row])
        return str(world.show("tuned")["DBParameterGroups"][0]["ParameterApplyStatus"])

    assert change("log_min_duration_statement", "777", "immediate") == "in-sync"
    until("new setting", lambda: setting("log_min_duration_statement") == "777ms" or None, 5)
    assert change("max_locks_per_transaction", "80", "pending-reboot") == "pending-reboot"
    assert setting("max_locks_per_transaction") == "64"
    rds.reboot_db_instance(DBInstanceIdentifier="tuned")
    assert world.reach("available", "tuned")["DBParameterGroups"][0]["ParameterApplyStatus"] == "in-sync"
    assert setting("max_locks_per_transaction") == "80"


def test_instances_have_identities_and_tags_of_their_own(world: Databases, shop: dict[str, Any]) -> None:
    rds = world.client("rds")
    other = world.create("tagged", BackupRetentionPeriod=0, Tags=[{"Key": "owner", "Value": "ops"}])
    assert other["DbiResourceId"] != shop["DbiResourceId"]
    found = rds.describe_db_instances(
        Filters=[{"Name": "dbi-resource-id", "Values": [other["DbiResourceId"]]}]
    )
    assert [each["DBInstanceIdentifier"] for each in found["DBInstances"]] == ["tagged"]
    rds.add_tags_to_resource(
        ResourceName=other["DBInstanceArn"], Tags=[{"Key": "class", "Value": "critical"}]
    )
    tags = rds.list_tags_for_resource(ResourceName=other["DBInstanceArn"])["TagList"]
    assert {each["Key"]: each["Value"] for each in tags} == {"owner": "ops", "class": "critical"}


def test_what_is_not_modelled_fails_loudly(world: Databases, shop: dict[str, Any]) -> None:
    rds = world.client("rds")
    with pytest.raises(ClientError) as error:
        rds.create_db_instance_read_replica(
            DBInstanceIdentifier="replica", SourceDBInstanceIdentifier="shared"
        )
    assert error.value.response["ResponseMetadata"]["HTTPStatusCode"] == 501
    with pytest.raises(ClientError) as error:
        rds.modify_db_instance(DBInstanceIdentifier="shared", Domain="d-1234")
    assert error.value.response["ResponseMetadata"]["HTTPStatusCode"] == 501
    assert world.show("shared")["DBInstanceStatus"] == "available"


def test_the_passwords_of_databases_are_in_no_log_of_the_world(
    world: Databases, shop: dict[str, Any]
) -> None:
    home = world.settings.home
    logs = [*home.glob("*.log"), *home.glob("*.jsonl"), *home.glob("rds/**/*.log"), *home.glob("feed/*.json")]
    assert len(logs) > 3
    assert not [path for path in logs if PASSWORD in path.read_text(errors="replace")]
