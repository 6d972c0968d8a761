"""The fault plane, met by the official SDK over the wire."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import httpx
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, ConnectionClosedError, ReadTimeoutError

from recovery.procfs import start_time
from rehearsal import home as homes
from rehearsal import launch
from rehearsal.aws.faults import Rule
from rehearsal.environment import variables
from rehearsal.steering import Steering
from rehearsal.world import WorldSettings
from tests.fakes.waiting import until


@pytest.fixture(scope="module")
def world() -> Iterator[WorldSettings]:
    with launch.world("test-plane", scale=600) as settings:
        yield settings


@pytest.fixture
def steering(world: WorldSettings) -> Iterator[Steering]:
    steering = Steering(world)
    yield steering
    steering.clear_faults()
    for region in steering.lost():
        steering.give_back(region)


IMPATIENT = 0.6


def client(world: WorldSettings, service: str, region: str, patience: float = 20) -> Any:
    make: Any = boto3.client
    env = variables(world)
    return make(
        service,
        region_name=region,
        endpoint_url=env["AWS_ENDPOINT_URL"],
        aws_access_key_id=env["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=env["AWS_SECRET_ACCESS_KEY"],
        config=Config(connect_timeout=1, read_timeout=patience, retries={"total_max_attempts": 1}),
    )


def test_a_lost_region_times_out_and_the_others_answer(world: WorldSettings, steering: Steering) -> None:
    steering.lose(world.primary)
    with pytest.raises(ReadTimeoutError):
        client(world, "ec2", world.primary, IMPATIENT).describe_vpcs()
    assert client(world, "ec2", world.standby).describe_vpcs()["Vpcs"]
    assert client(world, "iam", world.primary).list_roles()["Roles"] is not None
    steering.give_back(world.primary)
    assert client(world, "ec2", world.primary).describe_vpcs()["Vpcs"]


def test_global_control_planes_go_with_us_east_1_alone(world: WorldSettings, steering: Steering) -> None:
    bucket = {"Bucket": "kept", "CreateBucketConfiguration": {"LocationConstraint": world.standby}}
    s3 = client(world, "s3", world.standby)
    s3.create_bucket(**bucket)
    steering.lose("us-east-1")
    with pytest.raises(ReadTimeoutError):
        client(world, "route53", world.standby, IMPATIENT).list_hosted_zones()
    with pytest.raises(ReadTimeoutError):
        client(world, "s3", world.standby, IMPATIENT).create_bucket(**{**bucket, "Bucket": "new"})
    s3.put_object(Bucket="kept", Key="k", Body=b"data plane")


def test_a_bucket_is_lost_with_its_region_whoever_asks(world: WorldSettings, steering: Steering) -> None:
    where = {"LocationConstraint": world.primary}
    client(world, "s3", world.primary).create_bucket(Bucket="gone", CreateBucketConfiguration=where)
    steering.lose(world.primary)
    with pytest.raises(ReadTimeoutError):
        client(world, "s3", world.standby, IMPATIENT).list_objects_v2(Bucket="gone")


@pytest.mark.parametrize(
    ("effect", "code", "status"),
    [
        ("throttle", "Throttling", 400),
        ("no-capacity", "InsufficientInstanceCapacity", 500),
        ("error", "ServiceUnavailable", 503),
        ("deny", "AccessDenied", 403),
    ],
)
def test_faults_look_as_aws_says_them(
    world: WorldSettings, steering: Steering, effect: Any, code: str, status: int
) -> None:
    steering.add_fault(Rule(service="ec2", region=world.standby, effect=effect, times=1))
    with pytest.raises(ClientError) as error:
        client(world, "ec2", world.standby).describe_vpcs()
    assert error.value.response["Error"]["Code"] == code
    assert error.value.response["ResponseMetadata"]["HTTPStatusCode"] == status
    assert client(world, "ec2", world.standby).describe_vpcs()["Vpcs"]


def test_a_reset_is_a_closed_connection(world: WorldSettings, steering: Steering) -> None:
    steering.add_fault(Rule(operation="DescribeVpcs", effect="reset", times=1))
    with pytest.raises(ConnectionClosedError):
        client(world, "ec2", world.standby).describe_vpcs()


def test_a_stale_read_answers_what_was_true_before(world: WorldSettings, steering: Steering) -> None:
    sns = client(world, "sns", world.standby)
    before = len(sns.list_topics()["Topics"])
    steering.add_fault(Rule(operation="ListTopics", effect="stale-read", times=1))
    sns.create_topic(Name="news")
    assert len(sns.list_topics()["Topics"]) == before
    assert len(sns.list_topics()["Topics"]) == before + 1


def test_what_is_not_modelled_fails_loudly_in_the_services_own_shape(world: WorldSettings) -> None:
    backup = client(world, "backup", world.standby)
    with pytest.raises(ClientError) as error:
        backup.start_copy_job(
            RecoveryPointArn="a", SourceBackupVaultName="b", DestinationBackupVaultArn="c", IamRoleArn="d"
        )
    assert error.value.response["Error"]["Code"] == "NotImplemented"
    assert "backup:StartCopyJob" in error.value.response["Error"]["Message"]


def test_what_moto_only_notes_down_is_refused_with_the_reason(world: WorldSettings) -> None:
    def refused(service: str, region: str, operation: str, **arguments: Any) -> str:
        with pytest.raises(ClientError) as error:
            getattr(client(world, service, region), operation)(**arguments)
        assert error.value.response["ResponseMetadata"]["HTTPStatusCode"] == 501
        return str(error.value.response["Error"]["Message"])

    assert "no dynamodb" in refused("dynamodb", world.standby, "list_tables")
    assert "no region ap-south-1" in refused("ec2", "ap-south-1", "describe_vpcs")
    hook = {"AutoScalingGroupName": "g", "LifecycleHookName": "h"}
    transition = {"LifecycleTransition": "autoscaling:EC2_INSTANCE_LAUNCHING"}
    assert "noted" in refused("autoscaling", world.standby, "put_lifecycle_hook", **hook, **transition)
    cluster = {"DBClusterIdentifier": "c", "Engine": "aurora-postgresql"}
    assert "noted" in refused("rds", world.standby, "create_db_cluster", **cluster)


def test_a_key_is_not_replicated_into_a_lost_region(world: WorldSettings, steering: Steering) -> None:
    kms = client(world, "kms", world.standby)
    key = kms.create_key(MultiRegion=True)["KeyMetadata"]["KeyId"]
    steering.lose(world.primary)
    with pytest.raises(ReadTimeoutError):
        client(world, "kms", world.standby, IMPATIENT).replicate_key(KeyId=key, ReplicaRegion=world.primary)


@pytest.mark.parametrize(
    "rule",
    [
        {"effect": "slow"},
        {"effect": "timeout", "seconds": -1},
        {"effect": "error", "status": 200},
        {"effect": "throttle", "operation": "Describe("},
        {"effect": "throttle", "for_seconds": 0},
        {"effect": "throttle", "region": "mars-1"},
    ],
)
@pytest.mark.usefixtures("steering")
def test_a_fault_that_could_never_happen_is_refused(world: WorldSettings, rule: dict[str, Any]) -> None:
    answer = httpx.post(f"{world.api_url}/_rehearsal/faults", json=rule, trust_env=False)
    assert (answer.status_code, bool(answer.json()["error"])) == (400, True)
    shown = httpx.get(f"{world.api_url}/_rehearsal/faults", trust_env=False).json()
    assert shown["rules"] == []


def test_every_call_is_on_record(world: WorldSettings, steering: Steering) -> None:
    client(world, "sqs", world.standby).list_queues()
    rows = [json.loads(line) for line in steering.calls().read_text().splitlines()]
    found = [row for row in rows if row["service"] == "sqs"]
    assert [(row["operation"], row["region"], row["status"]) for row in found] == [
        ("ListQueues", world.standby, 200)
    ]


def test_an_upload_does_not_wait_for_the_continue_line(world: WorldSettings) -> None:
    # botocore waits a second for it before it sends the body anyway
    with socket.create_connection((world.api_address, world.api_port), timeout=20) as connection:
        head = "PUT /bucket/key HTTP/1.1\r\nHost: s3\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n"
        connection.sendall(head.encode())
        assert connection.recv(100).startswith(b"HTTP/1.1 100 ")


def test_nothing_is_left_of_a_world_that_was_killed() -> None:
    settings = launch.up("test-killed", scale=600)
    running = launch.find("test-killed")
    assert running is not None
    os.kill(running.pid, signal.SIGKILL)
    until("the world's end", lambda: launch.find("test-killed") is None)
    assert launch.down("test-killed")
    assert not settings.home.exists()


OWNER = """
import subprocess, sys, time
from rehearsal import launch
from rehearsal.environment import CHILD
settings = launch.up("test-orphan", scale=600, dies_with_us=True)
child = subprocess.Popen(["sleep", "60"], env={CHILD: str(settings.home)}, start_new_session=True)
print(settings.home, settings.prefix, child.pid, flush=True)
time.sleep(60)
"""


def test_a_world_clears_up_when_the_command_it_belongs_to_is_killed() -> None:
    owner = subprocess.Popen([sys.executable, "-c", OWNER], stdout=subprocess.PIPE, text=True)
    try:
        assert owner.stdout is not None
        home, prefix, child = owner.stdout.readline().split()
        owner.kill()
        owner.communicate(timeout=20)
        left = (Path(home), homes.claim_file(prefix))
        until("the folders' end", lambda: not any(path.exists() for path in left))
        until("the child's end", lambda: start_time(int(child)) is None)
    finally:
        owner.kill()
        launch.down("test-orphan")


def dr_world(world: WorldSettings, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "rehearsal.cli", "world", *words, "--name", world.name]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_a_person_loses_a_region_and_gets_it_back(world: WorldSettings, steering: Steering) -> None:
    lost = dr_world(world, "lose", world.primary, "--json")
    assert json.loads(lost.stdout) == {"name": world.name, "lost": [world.primary]}
    assert dr_world(world, "return", world.primary).stdout == f"{world.primary} is back\n"
    assert steering.lost() == []
    told = json.loads(dr_world(world, "env", "--json").stdout)
    assert told["AWS_ENDPOINT_URL"] == world.api_url


def test_a_person_puts_a_fault_in_force_sees_it_met_and_takes_it_away(
    world: WorldSettings, steering: Steering
) -> None:
    put = dr_world(world, "fault", "throttle", "service=ec2", "operation=DescribeVpcs", "times=1", "--json")
    assert put.returncode == 0, put.stderr
    name = json.loads(put.stdout)["id"]
    with pytest.raises(ClientError, match="Rate exceeded"):
        client(world, "ec2", world.standby).describe_vpcs()
    assert client(world, "ec2", world.standby).describe_vpcs()["Vpcs"]
    [row] = [json.loads(line) for line in dr_world(world, "faults", "--json").stdout.splitlines()]
    assert (row["id"], row["effect"], row["met"], row["times"]) == (name, "throttle", 1, 1)
    assert dr_world(world, "faults", "--clear", name).stdout == "no fault is in force\n"


@pytest.mark.parametrize(
    ("words", "saying"),
    [
        (["explode"], "there is no fault 'explode'"),
        (["throttle", "service"], "'service' is not KEY=VALUE"),
        (["throttle", "servce=ec2"], "servce: "),
        (["throttle", "times=often"], "times: "),
        (["throttle", "region=eu-north-1"], "could never happen"),
        (["slow"], "a slow call needs `seconds`"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_fault_that_is_not_one_is_refused_with_the_keys_that_there_are(
    world: WorldSettings, steering: Steering, words: list[str], saying: str
) -> None:
    ended = dr_world(world, "fault", *words)
    assert ended.returncode == 2
    assert saying in ended.stderr and "now:" in ended.stderr
    assert steering.faults() == []
