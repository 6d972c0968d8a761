"""The AWS adapter against AWS's own API shapes (moto, in this process): runners, stores, latch, errors."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    EndpointConnectionError,
    ParamValidationError,
    ProfileNotFound,
    ReadTimeoutError,
    UnauthorizedSSOTokenError,
)
from moto import mock_aws

from infra.outputs import SiteContract
from recovery.backends import reachable_backend
from recovery.errors import ActionFailed, Refusal, Unavailable
from recovery.runner.jobs import JOB, RESULT, AwaitSql, Job, Result, Target, envelope
from recovery.sites import connect
from recovery.sites.aws import runner as runners
from recovery.sites.aws.errors import explain
from recovery.sites.aws.runner import Ec2Runner
from recovery.sites.aws.site import _ask
from recovery.sites.ports import Backups, Health, Site
from tests.fakes import contracts
from tests.fakes.sites import NOW
from tests.unit.test_actions import Room

REGION = "eu-west-1"
TARGET = Target(host="10.0.0.1", port=5432, database="shop", master_secret="m", app_secret="a")
KEY = "run-1/restore-db/await-sql"


def job(seconds: float = 60) -> Job:
    return AwaitSql(target=TARGET, seconds=seconds)


@pytest.fixture(autouse=True)
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in ("AWS_ENDPOINT_URL", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.setenv("MOTO_EC2_LOAD_DEFAULT_AMIS", "false")  # a second for each test
    monkeypatch.setattr(runners, "_LOOK_EVERY", 0.0)
    monkeypatch.setattr("recovery.sites.aws.clients._session", None)
    with mock_aws():
        yield


@pytest.fixture
def contract() -> SiteContract:
    """`dr-aws`, with what its runner and stores need standing."""
    ec2 = boto3.client("ec2", REGION)
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.0.1.0/24")["Subnet"]["SubnetId"]
    template = ec2.create_launch_template(
        LaunchTemplateName="runner",
        LaunchTemplateData={"ImageId": "ami-12c6146b", "InstanceType": "t3.micro"},
    )["LaunchTemplate"]["LaunchTemplateId"]
    made = contracts.site("dr-aws")
    s3 = boto3.client("s3", REGION)
    for bucket in {made.runner.jobs_bucket, *(s.bucket for s in made.stores), contracts.edge().latch.bucket}:
        s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": REGION})
    where = {"launch_template_id": template, "subnet_ids": (subnet,)}
    return made.model_copy(update={"runner": made.runner.model_copy(update=where)})


@pytest.fixture
def site(contract: SiteContract) -> Site:
    return connect("lifeboat/run-1/test").of(contract)


@pytest.fixture
def runner(site: Site) -> Ec2Runner:
    assert isinstance(site.runner, Ec2Runner)
    return site.runner


def machines() -> list[Any]:
    found = boto3.client("ec2", REGION).describe_instances()["Reservations"]
    return [machine for group in found for machine in group["Instances"]]


def stored(contract: SiteContract, name: str) -> bytes:
    body = boto3.client("s3", REGION).get_object(Bucket=contract.runner.jobs_bucket, Key=f"jobs/{KEY}/{name}")
    return body["Body"].read()


def answer(contract: SiteContract, result: Result) -> None:
    boto3.client("s3", REGION).put_object(
        Bucket=contract.runner.jobs_bucket, Key=f"jobs/{KEY}/{RESULT}", Body=result.model_dump_json().encode()
    )


def test_a_machine_is_told_by_tags_what_it_is_for(runner: Ec2Runner, contract: SiteContract) -> None:
    runner.start(KEY, job(), {"lifeboat-run": "run-1", "lifeboat-step": "restore-db"})
    tags = {tag["Key"]: tag["Value"] for tag in machines()[0]["Tags"]}
    assert tags["lifeboat-job"] == f"s3://{contract.runner.jobs_bucket}/jobs/{KEY}"
    assert (tags["lifeboat-run"], tags["lifeboat-step"]) == ("run-1", "restore-db")
    assert envelope(stored(contract, JOB)).job == job()


def test_a_machine_that_booted_ahead_gets_the_job_and_no_second_one_starts(
    runner: Ec2Runner, contract: SiteContract
) -> None:
    runner.prepare(KEY, {})
    runner.prepare(KEY, {})
    assert envelope(stored(contract, JOB)).job is None
    runner.start(KEY, job(), {})
    assert envelope(stored(contract, JOB)).job == job()
    assert len(machines()) == 1


def test_a_machine_that_died_waiting_is_replaced(runner: Ec2Runner, contract: SiteContract) -> None:
    runner.prepare(KEY, {})
    boto3.client("ec2", REGION).terminate_instances(InstanceIds=[machines()[0]["InstanceId"]])
    runner.start(KEY, job(), {})
    assert envelope(stored(contract, JOB)).generation == 2
    assert sorted(machine["State"]["Name"] for machine in machines()) == ["running", "terminated"]


def test_the_result_is_what_the_machine_wrote(runner: Ec2Runner, contract: SiteContract) -> None:
    runner.start(KEY, job(), {})
    assert runner.result(KEY) is None
    answer(contract, Result(ok=True, values={"answer": "yes"}))
    result = runner.result(KEY)
    assert result is not None and result.values == {"answer": "yes"}


def test_a_machine_that_ended_without_a_word_is_noticed(runner: Ec2Runner) -> None:
    identifier = runner.start(KEY, job(), {})
    boto3.client("ec2", REGION).terminate_instances(InstanceIds=[identifier])
    with pytest.raises(ActionFailed, match="ended without a result") as told:
        runner.result(KEY)
    assert identifier in told.value.cure


def test_a_machine_that_ended_without_a_word_is_replaced_by_the_next_attempt(
    runner: Ec2Runner, contract: SiteContract
) -> None:
    first = runner.start(KEY, job(), {})
    boto3.client("ec2", REGION).terminate_instances(InstanceIds=[first])
    second = runner.start(KEY, job(), {})
    assert second != first
    assert runner.start(KEY, job(), {}) == second
    assert envelope(stored(contract, JOB)).generation == 2


def test_a_machine_that_ended_with_its_answer_is_not_replaced(
    runner: Ec2Runner, contract: SiteContract
) -> None:
    machine = runner.start(KEY, job(), {})
    answer(contract, Result(ok=True))
    boto3.client("ec2", REGION).terminate_instances(InstanceIds=[machine])
    assert runner.start(KEY, job(), {}) == machine
    assert runner.result(KEY) == Result(ok=True)


def test_another_job_under_the_same_key_forgets_the_old_result(
    runner: Ec2Runner, contract: SiteContract
) -> None:
    runner.start(KEY, job(), {})
    answer(contract, Result(ok=True))
    elsewhere = TARGET.model_copy(update={"host": "10.0.0.2"})
    runner.start(KEY, AwaitSql(target=elsewhere, seconds=60), {})
    assert runner.result(KEY) is None
    assert envelope(stored(contract, JOB)).generation == 2


def test_a_job_asked_for_again_with_less_time_left_is_the_same_job(
    runner: Ec2Runner, contract: SiteContract
) -> None:
    machine = runner.start(KEY, job(60), {})
    assert runner.start(KEY, job(48), {}) == machine
    assert envelope(stored(contract, JOB)).generation == 1


def test_the_client_token_is_the_jobs_own(runner: Ec2Runner, contract: SiteContract) -> None:
    runner.start(KEY, job(), {})
    first = envelope(stored(contract, JOB))
    runner.retry(KEY)
    second = envelope(stored(contract, JOB))
    assert first.token("s") == first.model_copy().token("s") != second.token("s")
    assert len(first.token()) <= 64


@pytest.fixture
def pilot(contract: SiteContract) -> SiteContract:
    """`dr-aws` with everything standing that a recovery finds ready."""
    ec2, rds, s3 = (boto3.client(name, REGION) for name in ("ec2", "rds", "s3"))  # type: ignore[call-overload]
    vpc = ec2.describe_vpcs()["Vpcs"][0]["VpcId"]
    subnets = [each["SubnetId"] for each in ec2.describe_subnets()["Subnets"]][:2]
    names = ("balancer", "web", "database", "runner")
    groups = {
        f"{name}_security_group_id": ec2.create_security_group(GroupName=name, Description="d", VpcId=vpc)[
            "GroupId"
        ]
        for name in names
    }
    settings = contract.database.settings
    rds.create_db_subnet_group(
        DBSubnetGroupName=settings.subnet_group, DBSubnetGroupDescription="d", SubnetIds=subnets
    )
    rds.create_db_parameter_group(
        DBParameterGroupName=settings.parameter_group, DBParameterGroupFamily="postgres17", Description="d"
    )
    for name in contract.secrets.model_dump().values():
        boto3.client("secretsmanager", REGION).create_secret(Name=name, SecretString="{}")
    bundle, web = contract.runner.bundle_version, contract.web.artefact_version
    for prefix in (f"bundle/{bundle}", f"web/{web}"):
        s3.put_object(Bucket=contract.store("artefacts").bucket, Key=f"{prefix}/manifest.json", Body=b"{}")
    template = ec2.create_launch_template(LaunchTemplateName="web", LaunchTemplateData={"ImageId": "ami-1"})
    web_tier = {"launch_template_id": template["LaunchTemplate"]["LaunchTemplateId"]}
    return contract.model_copy(
        update={
            "network": contract.network.model_copy(update=groups),
            "web": contract.web.model_copy(update=web_tier),
        }
    )


def lacking(contract: SiteContract) -> list[str]:
    return list(connect("lifeboat/status").of(contract).lacking())


def test_a_site_that_has_all_that_recovery_needs_lacks_nothing(pilot: SiteContract) -> None:
    assert lacking(pilot) == []


def test_each_thing_that_is_gone_from_the_standby_is_named_with_its_cure(pilot: SiteContract) -> None:
    ec2, rds, s3 = (boto3.client(name, REGION) for name in ("ec2", "rds", "s3"))  # type: ignore[call-overload]
    secrets = boto3.client("secretsmanager", REGION)
    settings, store = pilot.database.settings, pilot.store("artefacts").bucket
    anew = "pulumi up --refresh --stack dr-aws"
    gone = {
        f"subnet group {settings.subnet_group}": anew,
        f"parameter group {settings.parameter_group}": anew,
        f"database security group {pilot.network.database_security_group_id}": anew,
        f"web launch template {pilot.web.launch_template_id}": anew,
        f"runner launch template {pilot.runner.launch_template_id}": anew,
        f"secret {pilot.secrets.database_app}": "aws secretsmanager restore-secret",
        f"secret {pilot.secrets.database_master}": anew,
        "web/v1": "dr artefact put web v1 FILE --site dr-aws",
        "bundle/b1": "runners cannot boot: dr bundle",
    }
    rds.delete_db_subnet_group(DBSubnetGroupName=settings.subnet_group)
    rds.delete_db_parameter_group(DBParameterGroupName=settings.parameter_group)
    ec2.delete_security_group(GroupId=pilot.network.database_security_group_id)
    for template in (pilot.web.launch_template_id, pilot.runner.launch_template_id):
        ec2.delete_launch_template(LaunchTemplateId=template)
    secrets.delete_secret(SecretId=pilot.secrets.database_app, RecoveryWindowInDays=7)
    secrets.delete_secret(SecretId=pilot.secrets.database_master, ForceDeleteWithoutRecovery=True)
    for prefix in ("web/v1", "bundle/b1"):
        s3.delete_object(Bucket=store, Key=f"{prefix}/manifest.json")
    told = lacking(pilot)
    assert len(told) == len(gone)
    for what, cure in gone.items():
        assert [text for text in told if text.startswith(what) and cure in text], what


def test_what_cannot_be_asked_is_not_said_to_be_gone(
    pilot: SiteContract, monkeypatch: pytest.MonkeyPatch
) -> None:
    def silent(*_: Any, **__: Any) -> None:
        raise ReadTimeoutError(endpoint_url="https://rds")

    monkeypatch.setattr("botocore.client.BaseClient._make_api_call", silent)
    assert lacking(pilot) == []


def test_the_latch_is_one_object(contract: SiteContract) -> None:
    latch = connect("lifeboat/run-1/fence").latch(contracts.edge())
    assert (latch.engaged(), latch.reason()) == (False, None)
    latch.engage("lost")
    latch.engage("lost")
    assert (latch.engaged(), latch.reason()) == (True, "lost")
    latch.release()
    assert (latch.engaged(), latch.reason()) == (False, None)


def test_a_secret_keeps_what_is_not_updated(site: Site) -> None:
    client = boto3.client("secretsmanager", REGION)
    client.create_secret(Name="shop/database-app", SecretString=json.dumps({"password": "p", "host": ""}))
    assert site.secrets.update("shop/database-app", host="10.0.0.1")
    assert not site.secrets.update("shop/database-app", host="10.0.0.1")
    assert site.secrets.read("shop/database-app") == {"password": "p", "host": "10.0.0.1"}


def test_a_database_that_no_recovery_made_is_never_deleted(site: Site) -> None:
    boto3.client("rds", REGION).create_db_instance(
        DBInstanceIdentifier="shop-db", DBInstanceClass="db.t3.micro", Engine="postgres", AllocatedStorage=20
    )
    with pytest.raises(Refusal, match="no recovery made it"):
        site.database.delete("shop-db")
    site.database.delete("never-there")


def test_what_is_missing_is_said_with_its_cure(site: Site) -> None:
    with pytest.raises(ActionFailed, match="not in eu-west-1") as told:
        site.web.group()
    assert "pulumi up" in told.value.cure
    with pytest.raises(ActionFailed, match="secret nothing in eu-west-1 cannot be read") as told:
        site.secrets.read("nothing")
    assert "pulumi up" in told.value.cure


def test_a_region_that_answers_is_healthy(site: Site) -> None:
    assert {finding.path: finding.health for finding in site.probe()} == {
        f"{service}@{REGION}": Health.HEALTHY for service in ("rds", "ec2", "s3")
    }


def test_a_region_that_does_not_answer_is_unhealthy(
    contract: SiteContract, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    with mock_aws(config={"core": {"passthrough": {"urls": [r"http://127\.0\.0\.1:9"]}}}):
        found = connect("lifeboat/run-1/assess").of(contract).probe()
    assert {finding.health for finding in found} == {Health.UNHEALTHY}


@pytest.mark.parametrize(
    ("harm", "state", "cure"),
    [
        ("disable_key", "is disabled", "aws kms enable-key --region eu-west-1 --key-id {key}"),
        ("schedule_key_deletion", "is pending deletion (until 20", "aws kms cancel-key-deletion --region"),
    ],
)
def test_a_key_that_is_out_of_use_is_named_with_the_command_that_mends_it(
    contract: SiteContract, harm: str, state: str, cure: str
) -> None:
    kms = boto3.client("kms", REGION)
    key = kms.create_key()["KeyMetadata"]["KeyId"]
    database = connect("lifeboat/run-1/test").of(contract).database
    settings = contract.database.settings.model_copy(update={"kms_key_arn": key})
    assert database.key_trouble(settings) is None
    getattr(kms, harm)(KeyId=key)
    trouble = database.key_trouble(settings) or ""
    assert f"key {key} in eu-west-1 {state}" in trouble and cure.format(key=key) in trouble


def test_a_deleted_secret_is_named_with_the_command_that_restores_it(site: Site) -> None:
    secrets = boto3.client("secretsmanager", REGION)
    secrets.create_secret(Name="shop/x", SecretString="{}")
    secrets.delete_secret(SecretId="shop/x", RecoveryWindowInDays=7)
    with pytest.raises(ActionFailed, match="secret shop/x in eu-west-1 cannot be read") as found:
        site.secrets.read("shop/x")
    assert "restore-secret --region eu-west-1 --secret-id shop/x" in found.value.cure


@pytest.mark.parametrize(
    ("name", "status", "passes"),
    [
        ("Throttling", 400, True),
        ("RequestLimitExceeded", 503, True),
        ("InternalFailure", 500, True),
        ("ValidationError", 400, False),
        ("AccessDenied", 403, False),
        ("InsufficientDBInstanceCapacity", 500, False),
    ],
)
def test_what_may_pass_by_itself_is_told_from_what_will_not(name: str, status: int, passes: bool) -> None:
    reply: Any = {"Error": {"Code": name, "Message": "m"}, "ResponseMetadata": {"HTTPStatusCode": status}}
    error = explain(ClientError(reply, "Describe"), REGION)
    assert isinstance(error, Unavailable) is passes
    assert (error.means and "dr resume" in error.cure) or name == "AccessDenied"


def test_a_region_that_throttles_is_alive() -> None:
    def call() -> None:
        reply: Any = {"Error": {"Code": "Throttling"}, "ResponseMetadata": {"HTTPStatusCode": 400}}
        raise ClientError(reply, "DescribeDBInstances")

    assert _ask("rds@eu-west-1", call).health is Health.HEALTHY


@pytest.mark.parametrize(
    ("error", "passes", "said"),
    [
        (ReadTimeoutError(endpoint_url="https://rds"), True, "does not answer"),
        (EndpointConnectionError(endpoint_url="https://rds"), True, "does not answer"),
        (UnauthorizedSSOTokenError(), False, "no credentials that can be used"),
        (ProfileNotFound(profile="dr"), False, "no credentials that can be used"),
        (ParamValidationError(report="no such parameter"), False, "refuses"),
    ],
)
def test_silence_is_told_from_what_this_machine_lacks(error: BotoCoreError, passes: bool, said: str) -> None:
    told = explain(error, REGION)
    assert isinstance(told, Unavailable) is passes
    assert said in told.what and told.means and told.cure


def test_a_restore_whose_answer_was_lost_is_found(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    rds = boto3.client("rds", REGION)
    rds.create_db_instance(
        DBInstanceIdentifier="shop-db-1", DBInstanceClass="db.t3.micro", Engine="postgres",
        AllocatedStorage=20, Tags=[{"Key": "lifeboat-run", "Value": "run-1"}],
    )  # fmt: skip
    database = site.database
    real, looks = database.find, iter([None])
    monkeypatch.setattr(database, "find", lambda name: next(looks, real(name)))

    def there(**_: Any) -> None:
        reply: Any = {"Error": {"Code": "DBInstanceAlreadyExists"}}
        raise ClientError(reply, "RestoreDBInstanceToPointInTime")

    monkeypatch.setattr(database, "_restore", lambda *_: there())
    backups = Backups("arn", "shop-db", "eu-central-1", NOW, NOW, "", 20, "17.6")
    settings = contracts.site("dr-aws").database.settings
    tags = {"lifeboat-run": "run-1"}
    assert database.restore(backups, NOW, "shop-db-1", settings, tags).identifier == "shop-db-1"
    looks = iter([None])
    with pytest.raises(Refusal, match="this run did not make it"):
        database.restore(backups, NOW, "shop-db-1", settings, {"lifeboat-run": "run-2"})


@pytest.mark.parametrize(("code", "status"), [("AccessDenied", 403), ("404", 404)])
def test_a_state_backend_that_refuses_us_is_not_left(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, code: str, status: int
) -> None:
    room = Room(tmp_path)
    monkeypatch.setenv("PULUMI_BACKEND_URL", "s3://no-such-state?region=eu-west-1")
    if status == 403:

        def refuse(*_: Any, **__: Any) -> None:
            reply: Any = {"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}}
            raise ClientError(reply, "HeadBucket")

        monkeypatch.setattr("botocore.client.BaseClient._make_api_call", refuse)
    with pytest.raises(ActionFailed):
        reachable_backend(room.context("bring-stack-up"), tmp_path / "state")
    assert not (tmp_path / "state").exists()


def test_a_state_backend_is_left_only_when_it_stays_silent(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    room, calls = Room(tmp_path), []
    monkeypatch.setattr("recovery.backends._PAUSE", 0.0)
    monkeypatch.setenv("PULUMI_BACKEND_URL", "s3://state?region=eu-west-1")
    silent = [True, False]

    def answer(*_: Any, **__: Any) -> None:
        calls.append(1)
        if silent[min(len(calls), len(silent)) - 1]:
            raise ReadTimeoutError(endpoint_url="https://s3")

    monkeypatch.setattr("botocore.client.BaseClient._make_api_call", answer)
    assert reachable_backend(room.context("bring-stack-up"), tmp_path / "state") is None
    silent[:] = [True]
    found = reachable_backend(room.context("bring-stack-up"), tmp_path / "state")
    assert found == (tmp_path / "state" / "pulumi-backend").as_uri()


def test_an_object_is_put_once_whoever_comes_second(site: Site) -> None:
    stores = site.stores
    assert stores.put_new("state", "runs/x", b"1")
    assert not stores.put_new("state", "runs/x", b"2")
    assert stores.read("state", "runs/x") == b"1"
    stores.delete("state", "runs/x")
    assert stores.put_new("state", "runs/x", b"3")
