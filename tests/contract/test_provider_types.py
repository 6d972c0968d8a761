"""Every resource type of the rehearsal's provider through its whole life, as the Pulumi engine leads it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import botocore.session
import grpc
import pytest
from pulumi.runtime.proto import provider_pb2 as pb
from pulumi_engine import Engine, Resource, init_failure, started
from pulumi_samples import Sample, resolve
from pulumi_samples_site import SAMPLES

from rehearsal.aws.faults import Rule
from rehearsal.environment import variables
from rehearsal.launch import world
from rehearsal.provider.tables import KINDS
from rehearsal.provider.wire import decode
from rehearsal.steering import Steering

REGION = "eu-central-1"
BY_NAME = [pytest.param(sample, id=sample.name) for sample in SAMPLES]


@dataclass
class Stack:
    """One engine on one world; samples are made as tests need them, and stay."""

    engine: Engine
    steering: Steering
    endpoint: str
    made: dict[str, Resource] = field(default_factory=dict)

    def __getitem__(self, name: str) -> Resource:
        for sample in SAMPLES:
            if sample.name not in self.made:
                self.made[sample.name] = self.make(sample)
            if sample.name == name:
                return self.made[name]
        raise KeyError(name)

    def make(self, sample: Sample) -> Resource:
        made = self.engine.create(sample.token, sample.name, resolve(sample.inputs, self.made))
        if sample.name == "certificate":
            option = made.state["domainValidationOptions"][0]
            made.state["validation_name"] = option["resourceRecordName"].rstrip(".")
            made.state["validation_value"] = option["resourceRecordValue"].rstrip(".")
        return made


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with world(f"test-provider-{os.getpid()}", scale=600) as settings:
        home: Path = tmp_path_factory.mktemp("pulumi")
        with started(home, variables(settings)) as engine:
            engine.configure(region=REGION, ignoreTags='{"keyPrefixes": ["lifeboat-"]}')
            yield Stack(engine, Steering(settings), settings.api_url)


def test_every_type_of_the_tables_has_a_sample() -> None:
    assert {s.token for s in SAMPLES} == set(KINDS)


@pytest.mark.parametrize("sample", BY_NAME)
def test_made_and_read_back_it_is_as_the_program_wants_it(stack: Stack, sample: Sample) -> None:
    made = stack[sample.name]
    assert made.id
    found = stack.engine.read(made)
    assert found.id == made.id
    assert found.inputs == made.inputs
    for output in KINDS[sample.token].defaults.keys() & made.inputs.keys():
        assert found.state[output] == made.inputs[output]


@pytest.mark.parametrize("sample", BY_NAME)
def test_the_same_program_again_changes_nothing(stack: Stack, sample: Sample) -> None:
    made = stack[sample.name]
    answer = stack.engine.diff(made, resolve(sample.inputs, stack.made))
    assert answer.changes == pb.DiffResponse.DIFF_NONE, dict(answer.detailedDiff)


@pytest.mark.parametrize("sample", [p for p in BY_NAME if p.values[0].replace])
def test_what_cannot_be_changed_in_place_is_replaced(stack: Stack, sample: Sample) -> None:
    made = stack[sample.name]
    answer = stack.engine.diff(made, resolve({**sample.inputs, **sample.replace}, stack.made))
    assert set(answer.replaces) == set(sample.replace)


@pytest.mark.parametrize("sample", [p for p in BY_NAME if p.values[0].import_id])
def test_imported_it_would_not_be_replaced(stack: Stack, sample: Sample) -> None:
    made = stack[sample.name]
    assert sample.import_id
    found = stack.engine.read(Resource(sample.token, sample.name, id=sample.import_id(made)))
    assert found.id == made.id
    found.inputs = stack.engine.checked(sample.token, sample.name, found.inputs)
    answer = stack.engine.diff(found, made.inputs)
    assert list(answer.replaces) == []


@pytest.mark.parametrize("sample", [p for p in BY_NAME if p.values[0].change])
def test_a_change_in_place_arrives_and_can_be_taken_back(stack: Stack, sample: Sample) -> None:
    made = stack[sample.name]
    before, after = (
        resolve(inputs, stack.made) for inputs in (sample.inputs, {**sample.inputs, **sample.change})
    )
    answer = stack.engine.diff(made, after)
    assert answer.changes == pb.DiffResponse.DIFF_SOME
    assert list(answer.replaces) == []
    changed = stack.engine.update(made, after)
    assert stack.engine.read(changed).inputs == changed.inputs
    assert stack.engine.diff(changed, after).changes == pb.DiffResponse.DIFF_NONE
    back = stack.engine.update(changed, before)
    assert stack.engine.read(back).inputs == back.inputs
    back.state |= {k: v for k, v in made.state.items() if k.startswith("validation_")}
    stack.made[sample.name] = back


def test_what_was_made_but_failed_afterwards_is_kept_with_its_id(stack: Stack) -> None:
    stack.steering.add_fault(
        Rule(service="ec2", operation="ModifySubnetAttribute", effect="error", code="Unlucky", status=400)
    )
    inputs = {"vpcId": stack["vpc"].id, "cidrBlock": "10.9.77.0/24", "mapPublicIpOnLaunch": True}
    try:
        with pytest.raises(grpc.RpcError) as failure:
            stack.engine.create("aws:ec2/subnet:Subnet", "unlucky", inputs)
    finally:
        stack.steering.clear_faults()
    left = init_failure(failure.value)
    assert left.id.startswith("subnet-")
    assert "Unlucky" in left.reasons[0]
    kept = Resource("aws:ec2/subnet:Subnet", "unlucky", left.id, inputs, decode(left.properties))
    assert stack.engine.read(kept).id == left.id
    stack.engine.delete(kept)


def test_a_throttled_call_is_tried_again(stack: Stack) -> None:
    stack.steering.add_fault(Rule(service="ec2", operation="CreateRouteTable", effect="throttle", times=2))
    made = stack.engine.create("aws:ec2/routeTable:RouteTable", "patient", {"vpcId": stack["vpc"].id})
    stack.engine.delete(made)


def test_tags_that_recovery_adds_are_no_drift(stack: Stack) -> None:
    made = stack["vpc"]
    client = botocore.session.get_session().create_client(
        "ec2",
        region_name=REGION,
        endpoint_url=stack.endpoint,
        aws_access_key_id="rehearsal",
        aws_secret_access_key="rehearsal",
    )
    client.create_tags(Resources=[made.id], Tags=[{"Key": "lifeboat-run", "Value": "r1"}])
    assert stack.engine.read(made).inputs == made.inputs
    client.create_tags(Resources=[made.id], Tags=[{"Key": "surprise", "Value": "x"}])
    assert stack.engine.read(made).inputs["tags"]["surprise"] == "x"
    client.delete_tags(Resources=[made.id], Tags=[{"Key": "surprise"}])


STAY = ("validation", "secret-version", "topic-policy")
"""Their deletion is nothing of its own: they go with what they belong to."""


def test_in_the_end_everything_goes_and_is_known_to_be_gone(stack: Stack) -> None:
    stack[SAMPLES[-1].name]
    for sample in reversed(SAMPLES):
        made = stack.made[sample.name]
        stack.engine.delete(made)
        if sample.name not in STAY and not sample.name.endswith("-versioning"):
            assert stack.engine.read(made).id == ""
