"""Automated backups, their replication and point-in-time restores are what a recovery stands on: all real."""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import psycopg
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from databases import PASSWORD, Databases, no_proxies

from rehearsal import launch
from rehearsal.postgres import autopsy
from tests.fakes.waiting import until

pytestmark = pytest.mark.world


@pytest.fixture(scope="module")
def world() -> Iterator[Databases]:
    no_proxies()
    name = f"test-rds-backups-{os.getpid()}"
    settings = launch.up(name, scale=600, dies_with_us=True)
    try:
        yield Databases(settings)
    finally:
        launch.down(name)


@pytest.fixture(scope="module")
def shop(world: Databases) -> dict[str, Any]:
    """An encrypted database with a table `orders`, its backups replicated."""
    instance = world.made("shop", StorageEncrypted=True, KmsKeyId=world.key(), MultiAZ=True)
    with world.connect(instance) as master:
        master.execute("CREATE TABLE orders (n int, at timestamptz DEFAULT clock_timestamp())")
    return instance


@pytest.fixture(scope="module")
def replica(world: Databases, shop: dict[str, Any]) -> str:
    return world.replicate(shop, world.key(world.there))


def refused(call: Any, **arguments: Any) -> str:
    """The error code with which AWS refuses."""
    with pytest.raises(ClientError) as error:
        call(**arguments)
    return str(error.value.response["Error"]["Code"])


def write(world: Databases, shop: dict[str, Any], rows: range) -> datetime:
    """Write orders, one commit each; answers the server's time after the last."""
    with world.connect(shop) as connection:
        for n in rows:
            connection.execute("INSERT INTO orders (n) VALUES (%s)", (n,))
        row = connection.execute("SELECT clock_timestamp()").fetchone()
        assert row is not None
        moment: datetime = row[0]
        return moment


def orders(world: Databases, instance: dict[str, Any]) -> list[int]:
    with world.connect(instance) as connection:
        return [row[0] for row in connection.execute("SELECT n FROM orders ORDER BY n").fetchall()]


def restorable(world: Databases, moment: datetime) -> None:
    """Wait until the shop's own backups reach that moment."""
    until("log", lambda: ((at := world.show("shop").get("LatestRestorableTime")) and at >= moment) or None)


def test_a_restore_brings_exactly_what_had_committed_by_that_moment(
    world: Databases, shop: dict[str, Any]
) -> None:
    wanted = write(world, shop, range(100))
    time.sleep(0.01)
    restorable(world, write(world, shop, range(100, 200)))
    world.client("rds").restore_db_instance_to_point_in_time(
        SourceDBInstanceIdentifier="shop", TargetDBInstanceIdentifier="earlier", RestoreTime=wanted
    )
    found = orders(world, world.reach("available", "earlier"))
    assert [n for n in found if n < 200] == list(range(100))


def test_sql_answers_while_the_restored_instance_is_still_backing_up(
    world: Databases, shop: dict[str, Any]
) -> None:
    rds = world.client("rds")
    rds.restore_db_instance_to_point_in_time(
        SourceDBInstanceIdentifier="shop", TargetDBInstanceIdentifier="early", UseLatestRestorableTime=True
    )
    instance = world.reach("backing-up", "early")
    world.connect(instance).close()
    assert world.show("early")["DBInstanceStatus"] == "backing-up"


def test_a_restore_falls_back_to_awss_defaults_for_what_is_not_passed(
    world: Databases, shop: dict[str, Any]
) -> None:
    rds, ec2 = world.client("rds"), world.client("ec2")
    rds.create_db_parameter_group(
        DBParameterGroupName="own", DBParameterGroupFamily="postgres17", Description="own"
    )
    made = rds.restore_db_instance_to_point_in_time(
        SourceDBInstanceIdentifier="shop", TargetDBInstanceIdentifier="bare", UseLatestRestorableTime=True
    )["DBInstance"]
    vpc = made["DBSubnetGroup"]["VpcId"]
    groups = ec2.describe_security_groups(
        GroupIds=[each["VpcSecurityGroupId"] for each in made["VpcSecurityGroups"]]
    )["SecurityGroups"]
    assert [(group["GroupName"], group["VpcId"]) for group in groups] == [("default", vpc)]
    assert made["DBSubnetGroup"]["DBSubnetGroupName"] == "default"
    assert made["DBParameterGroups"][0]["DBParameterGroupName"] == "default.postgres17"
    assert (made["MultiAZ"], made["DeletionProtection"], made["EnabledCloudwatchLogsExports"]) == (
        False,
        False,
        [],
    )
    assert (made["StorageEncrypted"], made["KmsKeyId"]) == (True, shop["KmsKeyId"])
    assert made["BackupRetentionPeriod"] == 14
    passed = rds.restore_db_instance_to_point_in_time(
        SourceDbiResourceId=shop["DbiResourceId"],
        TargetDBInstanceIdentifier="dressed",
        UseLatestRestorableTime=True,
        DBParameterGroupName="own",
        MultiAZ=True,
        DeletionProtection=True,
        EnableCloudwatchLogsExports=["postgresql"],
        DBInstanceClass="db.t4g.large",
        BackupRetentionPeriod=7,
    )["DBInstance"]
    assert passed["DBParameterGroups"][0]["DBParameterGroupName"] == "own"
    assert (passed["DeletionProtection"], passed["EnabledCloudwatchLogsExports"]) == (True, ["postgresql"])
    assert (passed["DBInstanceClass"], passed["BackupRetentionPeriod"]) == ("db.t4g.large", 7)
    assert world.reach("available", "dressed")["SecondaryAvailabilityZone"]


def test_a_restore_outside_of_the_window_or_without_one_moment_is_refused(
    world: Databases, shop: dict[str, Any]
) -> None:
    rds = world.client("rds")
    restore, wanted = rds.restore_db_instance_to_point_in_time, {"TargetDBInstanceIdentifier": "never"}
    source = {"SourceDBInstanceIdentifier": "shop", **wanted}
    future = datetime.now(UTC) + timedelta(minutes=1)
    past = datetime.now(UTC) - timedelta(days=1)
    assert refused(restore, **source, RestoreTime=future) == "InvalidParameterValue"
    assert refused(restore, **source, RestoreTime=past) == "InvalidParameterValue"
    assert refused(restore, **source) == "InvalidParameterCombination"
    both = {"RestoreTime": past, "UseLatestRestorableTime": True}
    assert refused(restore, **source, **both) == "InvalidParameterCombination"
    latest = {"UseLatestRestorableTime": True}
    assert refused(restore, **wanted, **latest) == "InvalidParameterCombination"
    bogus = f"arn:aws:rds:{world.here}:123456789012:auto-backup:ab-bogus"
    code = refused(restore, SourceDBInstanceAutomatedBackupsArn=bogus, **wanted, **latest)
    assert code == "DBInstanceAutomatedBackupNotFound"
    assert (
        refused(restore, **(source | {"TargetDBInstanceIdentifier": "shop"}), **latest)
        == "DBInstanceAlreadyExists"
    )
    odd = {"MultiAZ": True, "AvailabilityZone": f"{world.here}a"}
    assert refused(restore, **source, **latest, **odd) == "InvalidParameterCombination"
    assert refused(restore, **source, **latest, Engine="mysql") == "InvalidParameterCombination"
    assert refused(restore, **source, **latest, DBInstanceClass="large") == "InvalidParameterValue"
    foreign = {"AvailabilityZone": f"{world.there}a"}
    assert refused(restore, **source, **latest, **foreign) == "InvalidVPCNetworkStateFault"
    world.made("unsaved", BackupRetentionPeriod=0)
    code = refused(restore, **(source | {"SourceDBInstanceIdentifier": "unsaved"}), **latest)
    assert code == "PointInTimeRestoreNotEnabled"


def test_without_backups_a_restored_instance_is_available_at_once(
    world: Databases, shop: dict[str, Any]
) -> None:
    world.client("rds").restore_db_instance_to_point_in_time(
        SourceDBInstanceIdentifier="shop",
        TargetDBInstanceIdentifier="quick",
        UseLatestRestorableTime=True,
        BackupRetentionPeriod=0,
    )
    seen = set()

    def watch() -> bool | None:
        seen.add(world.show("quick")["DBInstanceStatus"])
        return "available" in seen or None

    until("available", watch)
    assert seen <= {"creating", "available"}


def test_replication_is_asked_for_in_the_other_region_with_a_key_of_that_region(
    world: Databases, shop: dict[str, Any], replica: str
) -> None:
    start = world.client("rds", world.there).start_db_instance_automated_backups_replication
    world.made("second", StorageEncrypted=True, KmsKeyId=world.key())
    source = {"SourceDBInstanceArn": world.show("second")["DBInstanceArn"]}
    assert refused(start, **source) == "InvalidParameterCombination"
    assert refused(start, **source, KmsKeyId=world.key()) == "KMSKeyNotAccessibleFault"
    key = world.key(world.there)
    nobody = {"SourceDBInstanceArn": f"arn:aws:rds:{world.here}:123456789012:db:nobody", "KmsKeyId": key}
    assert refused(start, **nobody) == "DBInstanceNotFound"
    assert refused(start, **source, KmsKeyId=key, BackupRetentionPeriod=0) == "InvalidParameterValue"
    again = {"SourceDBInstanceArn": shop["DBInstanceArn"], "KmsKeyId": key}
    assert refused(start, **again) == "InvalidDBInstanceAutomatedBackupState"
    shown = world.show("shop")["DBInstanceAutomatedBackupsReplications"]
    assert [each["DBInstanceAutomatedBackupsArn"] for each in shown] == [replica]


def test_replicated_backups_lag_behind_and_have_a_window_of_their_own(
    world: Databases, shop: dict[str, Any], replica: str
) -> None:
    restorable(world, write(world, shop, range(1000, 1050)))
    own = world.client("rds").describe_db_instance_automated_backups(DBInstanceIdentifier="shop")
    own_window = own["DBInstanceAutomatedBackups"][0]["RestoreWindow"]
    copied = world.backup(replica)
    assert copied["Region"] == world.here
    assert copied["RestoreWindow"]["LatestTime"] < own_window["LatestTime"]
    assert copied["RestoreWindow"]["LatestTime"].microsecond % 1000 == 0


def test_the_roles_and_passwords_of_the_recovery_point_come_back(
    world: Databases, shop: dict[str, Any], replica: str
) -> None:
    with world.connect(shop) as master:
        master.execute("CREATE ROLE app LOGIN PASSWORD 'before-the-point-1'")
    moment = write(world, shop, range(0))
    until("replica", lambda: world.backup(replica)["RestoreWindow"]["LatestTime"] > moment or None)
    with world.connect(shop) as master:
        master.execute("ALTER ROLE app PASSWORD 'after-the-point-1'")
    there = world.client("rds", world.there)
    there.restore_db_instance_to_point_in_time(
        SourceDBInstanceAutomatedBackupsArn=replica, TargetDBInstanceIdentifier="roles", RestoreTime=moment
    )
    instance = world.reach("available", "roles", world.there)
    world.connect(instance, user="app", password="before-the-point-1").close()
    world.connect(instance, password=PASSWORD).close()
    with pytest.raises(psycopg.OperationalError):
        world.connect(instance, user="app", password="after-the-point-1")


def test_a_lost_region_loses_exactly_the_commits_after_the_last_replicated_one(
    world: Databases, shop: dict[str, Any], replica: str
) -> None:
    stop, acknowledged = threading.Event(), []

    def customer() -> None:
        with world.connect(shop) as connection:
            n = 10_000
            while not stop.is_set():
                try:
                    connection.execute("INSERT INTO orders (n) VALUES (%s)", (n,))
                except psycopg.Error:
                    return
                acknowledged.append(n)
                n += 1

    thread = threading.Thread(target=customer)
    thread.start()
    begun = datetime.now(UTC)
    until("replicated writes", lambda: world.backup(replica)["RestoreWindow"]["LatestTime"] > begun or None)
    world.steering.lose(world.here)
    thread.join(10)
    stop.set()
    try:
        point = world.backup(replica)["RestoreWindow"]["LatestTime"]
        time.sleep(1.5)
        assert world.backup(replica)["RestoreWindow"]["LatestTime"] == point, (
            "a lost region still sends its log"
        )
        world.client("rds", world.there).restore_db_instance_to_point_in_time(
            SourceDBInstanceAutomatedBackupsArn=replica, TargetDBInstanceIdentifier="saved", RestoreTime=point
        )
        back = set(orders(world, world.reach("available", "saved", world.there)))
        with autopsy.examine(world.settings, data_of(world), "shop") as lost:
            rows = lost.execute(
                "SELECT n, pg_xact_commit_timestamp(xmin) <= %s FROM orders WHERE n >= 10000", (point,)
            ).fetchall()
        assert set(acknowledged) <= {n for n, _ in rows}
        assert {n for n in back if n >= 10_000} == {n for n, in_time in rows if in_time}
        assert set(acknowledged) - back, "something must have been lost, or this test shows nothing"
    finally:
        world.steering.give_back(world.here)
    until("connection", lambda: _answers(world, shop))
    assert set(acknowledged) <= set(orders(world, world.show("shop")))


def data_of(world: Databases) -> Path:
    return Path(world.row("shop")["data"])


def _answers(world: Databases, instance: dict[str, Any]) -> bool | None:
    try:
        world.connect(instance).close()
    except psycopg.OperationalError:
        return None
    return True


def test_what_a_lost_region_interrupts_goes_on_when_it_is_back(world: Databases) -> None:
    world.create("interrupted", MultiAZ=True)
    world.steering.lose(world.here)
    time.sleep(0.3)
    world.steering.give_back(world.here)
    instance = world.reach("available", "interrupted")
    assert instance["SecondaryAvailabilityZone"]
    world.connect(instance).close()


def test_kept_backups_of_a_deleted_instance_can_be_restored_by_its_resource_id(world: Databases) -> None:
    rds = world.client("rds")
    instance = world.made("gone")
    with world.connect(instance) as connection:
        connection.execute("CREATE TABLE orders AS SELECT 1 AS n")
        row = connection.execute("SELECT clock_timestamp()").fetchone()
        assert row is not None
    until("log", lambda: (world.show("gone").get("LatestRestorableTime") or row[0]) > row[0] or None)
    rds.delete_db_instance(DBInstanceIdentifier="gone", SkipFinalSnapshot=True, DeleteAutomatedBackups=False)

    def kept() -> dict[str, Any] | None:
        found = rds.describe_db_instance_automated_backups(DbiResourceId=instance["DbiResourceId"])
        backup: dict[str, Any] = found["DBInstanceAutomatedBackups"][0]
        return backup if backup["Status"] == "retained" else None

    backup = until("retained backup", kept)
    rds.restore_db_instance_to_point_in_time(
        SourceDbiResourceId=instance["DbiResourceId"],
        TargetDBInstanceIdentifier="gone",
        RestoreTime=backup["RestoreWindow"]["LatestTime"],
    )
    restored = world.reach("available", "gone")
    assert restored["DbiResourceId"] != instance["DbiResourceId"]
    assert orders(world, restored) == [1]
    rds.delete_db_instance_automated_backup(DbiResourceId=instance["DbiResourceId"])
    code = refused(rds.describe_db_instance_automated_backups, DbiResourceId=instance["DbiResourceId"])
    assert code == "DBInstanceAutomatedBackupNotFound"


def test_backups_whose_replication_was_stopped_are_kept_and_can_be_restored(world: Databases) -> None:
    there = world.client("rds", world.there)
    arn = world.replicate(instance := world.made("shortly"))
    source = {"SourceDBInstanceArn": instance["DBInstanceArn"]}
    there.stop_db_instance_automated_backups_replication(**source)
    assert world.backup(arn)["Status"] == "retained"
    assert not world.show("shortly").get("DBInstanceAutomatedBackupsReplications")
    assert refused(there.stop_db_instance_automated_backups_replication, **source) == "DBInstanceNotFound"
    again = world.replicate(instance)
    assert (again != arn, world.backup(arn)["Status"]) == (True, "retained")
    there.restore_db_instance_to_point_in_time(
        SourceDBInstanceAutomatedBackupsArn=arn,
        TargetDBInstanceIdentifier="from-kept",
        UseLatestRestorableTime=True,
    )
    world.reach("available", "from-kept", world.there)
    there.delete_db_instance_automated_backup(DBInstanceAutomatedBackupsArn=arn)
    code = refused(there.describe_db_instance_automated_backups, DBInstanceAutomatedBackupsArn=arn)
    assert code == "DBInstanceAutomatedBackupNotFound"


def test_every_wait_says_who_caused_it(world: Databases, shop: dict[str, Any]) -> None:
    rds = boto3.client(
        "rds",
        region_name=world.here,
        endpoint_url=world.settings.api_url,
        aws_access_key_id="test",
        aws_secret_access_key="test",
        config=Config(user_agent_extra="lifeboat/run-1/restore-db"),
    )
    rds.restore_db_instance_to_point_in_time(
        SourceDBInstanceIdentifier="shop", TargetDBInstanceIdentifier="caused", UseLatestRestorableTime=True
    )
    world.reach("available", "caused")
    waits = [json.loads(line) for line in (world.settings.home / "waits.jsonl").read_text().splitlines()]
    caused = [each["what"] for each in waits if "lifeboat/run-1/restore-db" in each["cause"]]
    assert caused == ["rds.restore", "rds.backing-up"]
