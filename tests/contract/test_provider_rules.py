"""What the rehearsal's provider fills in, refuses and calls a replacement, before any cloud is asked."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import grpc
import pytest
from pulumi.runtime.proto import provider_pb2 as pb
from pulumi_engine import Engine, Resource, started

from rehearsal.provider.shapes import camel, same
from rehearsal.provider.wire import UNKNOWN

NOWHERE = {"AWS_ENDPOINT_URL": "http://127.0.0.1:9"}
INSTANCE = "aws:rds/instance:Instance"
DATABASE = {
    "engine": "postgres",
    "instanceClass": "db.t4g.micro",
    "allocatedStorage": 20,
    "username": "dbmaster",
    "password": "not-a-real-one",
}


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    with started(tmp_path_factory.mktemp("pulumi"), NOWHERE) as running:
        running.configure(region="eu-west-1")
        yield running


def reasons(answer: Any) -> dict[str, str]:
    return {f.property: f.reason for f in answer.failures}


@pytest.mark.parametrize("endpoint", ["", "https://rds.eu-west-1.amazonaws.com", "http://10.0.0.1:4566"])
def test_it_never_talks_to_the_real_aws(tmp_path: Any, endpoint: str) -> None:
    with (
        started(tmp_path, {"AWS_ENDPOINT_URL": endpoint}) as running,
        pytest.raises(grpc.RpcError) as refused,
    ):
        running.configure(region="eu-west-1")
    assert "dr world up" in refused.value.details()


def test_without_a_region_it_says_what_to_set(tmp_path: Any) -> None:
    with started(tmp_path, NOWHERE) as running, pytest.raises(grpc.RpcError) as refused:
        running.configure()
    assert "pulumi config set aws:region" in refused.value.details()


def test_an_unknown_type_is_refused_by_name(engine: Engine) -> None:
    with pytest.raises(grpc.RpcError) as refused:
        engine.check("aws:neptune/cluster:Cluster", "graph", {})
    assert "aws:neptune/cluster:Cluster" in refused.value.details()


def test_an_unknown_function_is_refused_by_name(engine: Engine) -> None:
    with pytest.raises(grpc.RpcError) as refused:
        engine.invoke("aws:ec2/getAmi:getAmi")
    assert "aws:ec2/getAmi:getAmi" in refused.value.details()


def test_an_input_that_is_not_modelled_is_refused_by_name(engine: Engine) -> None:
    found = reasons(engine.check(INSTANCE, "db", {**DATABASE, "dedicatedLogVolume": True, "colour": "red"}))
    assert "does not model 'dedicatedLogVolume'" in found["dedicatedLogVolume"]
    assert "no input 'colour'" in found["colour"]


def test_an_input_that_is_missing_is_named(engine: Engine) -> None:
    assert set(reasons(engine.check("aws:route53/record:Record", "r", {"ttl": 1}))) == {
        "name",
        "type",
        "zoneId",
    }


@pytest.mark.parametrize(
    ("token", "name", "prop", "pattern"),
    [
        (INSTANCE, "db", "identifier", r"db[0-9a-f]{7}"),
        ("aws:iam/role:Role", "web", "name", r"web-[0-9a-f]{7}"),
        ("aws:s3/bucket:Bucket", "Uploads", "bucket", r"uploads-[0-9a-f]{7}"),
        ("aws:kms/alias:Alias", "data", "name", r"alias/data-[0-9a-f]{7}"),
    ],
)
def test_names_are_made_as_pulumi_aws_makes_them(
    engine: Engine, token: str, name: str, prop: str, pattern: str
) -> None:
    needed = {
        INSTANCE: DATABASE,
        "aws:iam/role:Role": {"assumeRolePolicy": "{}"},
        "aws:kms/alias:Alias": {"targetKeyId": "k"},
    }
    made = engine.check(token, name, needed.get(token, {}))
    value = made.inputs[prop]
    assert re.fullmatch(pattern, value), value
    kept = engine.check(token, name, dict(made.inputs), {prop: "as-it-was"} | dict(made.inputs))
    assert kept.inputs[prop] == value


def test_a_name_too_long_for_aws_is_an_error_not_cut(engine: Engine) -> None:
    found = engine.check("aws:iam/role:Role", "r" * 60, {"assumeRolePolicy": "{}"})
    assert "longer than 64" in reasons(found)["name"]


def test_a_load_balancers_name_has_32_characters_at_most(engine: Engine) -> None:
    found = engine.check("aws:lb/loadBalancer:LoadBalancer", "a-rather-long-logical-name", {})
    assert "1-32" in reasons(found)["name"]


def test_the_region_of_the_configuration_is_filled_in(engine: Engine) -> None:
    assert engine.checked(INSTANCE, "db", DATABASE)["region"] == "eu-west-1"
    assert "region" not in engine.checked("aws:iam/user:User", "ann", {})


def database(engine: Engine, **state: Any) -> Resource:
    inputs = engine.checked(INSTANCE, "db", DATABASE)
    return Resource(INSTANCE, "db", "db-ABC", inputs, {**inputs, **state})


def test_leaving_out_what_aws_decides_changes_nothing(engine: Engine) -> None:
    made = database(engine)
    made.inputs |= {"availabilityZone": "eu-west-1a", "backupWindow": "02:30-03:30"}
    assert engine.diff(made, DATABASE).changes == pb.DiffResponse.DIFF_NONE


def test_saying_a_default_changes_nothing(engine: Engine) -> None:
    news = {**DATABASE, "publiclyAccessible": False, "deleteAutomatedBackups": True, "monitoringInterval": 0}
    assert engine.diff(database(engine), news).changes == pb.DiffResponse.DIFF_NONE


def test_another_region_means_another_resource(engine: Engine) -> None:
    answer = engine.diff(database(engine), {**DATABASE, "region": "eu-central-1"})
    assert list(answer.replaces) == ["region"]


def test_a_value_not_yet_known_replaces_where_a_change_would(engine: Engine) -> None:
    answer = engine.diff(database(engine, kmsKeyId="arn:old"), {**DATABASE, "kmsKeyId": UNKNOWN})
    assert list(answer.replaces) == ["kmsKeyId"]


def test_a_fixed_name_goes_before_it_comes_again(engine: Engine) -> None:
    inputs = engine.checked("aws:iam/role:Role", "web", {"name": "web", "assumeRolePolicy": "{}"})
    made = Resource("aws:iam/role:Role", "web", "web", inputs, dict(inputs))
    answer = engine.diff(made, {**inputs, "path": "/other/"})
    assert list(answer.replaces) == ["path"]
    assert answer.deleteBeforeReplace


def test_a_preview_knows_what_an_update_will_decide(engine: Engine) -> None:
    token = "aws:ec2/launchTemplate:LaunchTemplate"
    inputs = engine.checked(token, "web", {"imageId": "ami-1"})
    made = Resource(token, "web", "lt-1", inputs, {**inputs, "latestVersion": 1, "arn": "arn:x"})
    planned = engine.update(made, {"imageId": "ami-2"}, preview=True)
    assert planned.state["latestVersion"] == UNKNOWN
    assert planned.state["arn"] == "arn:x"


@pytest.mark.parametrize(
    ("old", "new", "equal"),
    [
        ("443", 443, True),
        (True, "true", True),
        (["b", "a"], ["a", "b"], True),
        ('{"Action": ["s3:Get"]}', '{"Action":"s3:Get"}', True),
        ('{"Action": "s3:Get"}', '{"Action":"s3:Put"}', False),
        (None, False, True),
        ({"a": None}, {}, True),
        (["a"], ["a", "a"], False),
        (0, 1, False),
    ],
)
def test_what_means_the_same_to_aws_is_the_same(old: Any, new: Any, equal: bool) -> None:
    assert same(old, new) is equal


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("VpcId", "vpcId"),
        ("DBSubnetGroupName", "dbSubnetGroupName"),
        ("ARN", "arn"),
        ("EbsOptimized", "ebsOptimized"),
    ],
)
def test_names_of_aws_become_names_of_pulumi(theirs: str, ours: str) -> None:
    assert camel(theirs) == ours
