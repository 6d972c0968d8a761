"""Instances are machines: they boot what their template says, know themselves, and end as on EC2."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import webtier
from botocore.exceptions import ClientError
from databases import no_proxies
from webtier import Cloud, Platform, user_data

from rehearsal import launch
from rehearsal.steering import Steering
from tests.fakes.waiting import until

pytestmark = pytest.mark.world
RUNNER = """#!/bin/bash
printf '%s %s' "$JOB" "$INSTANCE_ID" > "$HOME/ran"
"""


@pytest.fixture(scope="module")
def cloud() -> Iterator[Cloud]:
    no_proxies()
    name = f"test-machines-{os.getpid()}"
    settings = launch.up(name, dies_with_us=True)
    try:
        yield Cloud(settings, "eu-west-1")
    finally:
        launch.down(name)


@pytest.fixture(scope="module")
def site(cloud: Cloud) -> Platform:
    return webtier.build(cloud, "machines")


def run(site: Platform, template: str, **more: Any) -> dict[str, Any]:
    """One instance of a template."""
    made = site.cloud.client("ec2").run_instances(
        LaunchTemplate={"LaunchTemplateId": template},
        SubnetId=site.subnets[0],
        MinCount=1,
        MaxCount=1,
        **more,
    )
    instance: dict[str, Any] = made["Instances"][0]
    return instance


def state(site: Platform, instance: str) -> str:
    found = site.cloud.client("ec2").describe_instances(InstanceIds=[instance])
    return str(found["Reservations"][0]["Instances"][0]["State"]["Name"])


def console(site: Platform, instance: str) -> str:
    return (site.cloud.settings.home / "machines" / f"{instance}.log").read_text()


def test_an_instance_is_pending_until_the_cloud_has_started_it_and_then_serves(site: Platform) -> None:
    instance = run(site, site.template)
    assert instance["State"]["Name"] == "pending"
    until("running", lambda: state(site, instance["InstanceId"]) == "running")
    address = instance["PrivateIpAddress"]

    def page() -> str | None:
        try:
            return httpx.get(f"http://{address}:8080/", trust_env=False).text
        except httpx.HTTPError:
            return None

    assert until("the artefact's answer", page) == f"{instance['InstanceId']} v1"


def test_an_artefact_that_is_not_what_its_manifest_says_is_not_started(site: Platform) -> None:
    webtier.put_artefact(site.cloud, site.bucket, "web", "bad", webtier.TINY_SERVER, sha256="0" * 64)
    data = user_data(ARTEFACT_BUCKET=site.bucket, ARTEFACT_NAME="web", ARTEFACT_VERSION="bad")
    instance = run(site, webtier.template(site, "bad", data))["InstanceId"]
    until("running", lambda: state(site, instance) == "running")
    until("refusal", lambda: "is not what its manifest says" in console(site, instance))
    assert "starting" not in console(site, instance)
    assert state(site, instance) == "running", "a boot script that fails does not end an EC2 instance"


def one_shot(site: Platform, name: str, version: str, start: str) -> str:
    webtier.put_artefact(site.cloud, site.bucket, "bundle", version, start)
    data = user_data(
        ARTEFACT_BUCKET=site.bucket,
        ARTEFACT_NAME="bundle",
        ARTEFACT_VERSION=version,
        ONE_SHOT="on",
        JOB="seven",
    )
    return webtier.template(site, name, data, InstanceInitiatedShutdownBehavior="terminate")


def test_a_one_shot_machine_does_its_job_and_is_terminated(site: Platform) -> None:
    template = one_shot(site, "runner", "b1", RUNNER.replace('> "$HOME/ran"', ">&2"))
    instance = run(site, template)["InstanceId"]
    until("terminated", lambda: state(site, instance) == "terminated")
    shown = site.cloud.client("ec2").get_console_output(InstanceId=instance)["Output"]
    assert f"seven {instance}" in shown


def test_a_one_shot_machine_that_cannot_boot_is_terminated_as_well(site: Platform) -> None:
    data = user_data(
        ARTEFACT_BUCKET=site.bucket, ARTEFACT_NAME="bundle", ARTEFACT_VERSION="none", ONE_SHOT="on"
    )
    template = webtier.template(site, "unbootable", data, InstanceInitiatedShutdownBehavior="terminate")
    instance = run(site, template)["InstanceId"]
    until("terminated", lambda: state(site, instance) == "terminated")
    assert "failed with code" in console(site, instance)


def test_a_repeated_client_token_makes_no_second_instance(site: Platform) -> None:
    template = one_shot(site, "once", "b2", "#!/bin/bash\nexec sleep 1000\n")
    first = run(site, template, ClientToken="run/step")
    again = run(site, template, ClientToken="run/step")
    assert again["InstanceId"] == first["InstanceId"]
    with pytest.raises(ClientError, match="IdempotentParameterMismatch"):
        run(site, site.template, ClientToken="run/step")
    site.cloud.client("ec2").terminate_instances(InstanceIds=[first["InstanceId"]])


def test_metadata_need_a_token_and_tell_region_tags_and_working_credentials(site: Platform) -> None:
    template = one_shot(site, "curious", "b3", "#!/bin/bash\nexec sleep 1000\n")
    tags = [{"ResourceType": "instance", "Tags": [{"Key": "lifeboat-job", "Value": "s3://jobs/7"}]}]
    instance = run(site, template, TagSpecifications=tags)["InstanceId"]
    until("running", lambda: state(site, instance) == "running")
    settings = site.cloud.settings
    port = settings.port(80)
    base = f"http://{settings.prefix}.0.169:{port}/{instance}/latest"
    with httpx.Client(trust_env=False) as http:
        assert http.get(f"{base}/meta-data/instance-id").status_code == 401
        token = http.put(f"{base}/api/token", headers={"X-aws-ec2-metadata-token-ttl-seconds": "60"}).text
        http.headers["X-aws-ec2-metadata-token"] = token
        assert http.get(f"{base}/meta-data/placement/region").text == "eu-west-1"
        assert http.get(f"{base}/meta-data/tags/instance/lifeboat-job").text == "s3://jobs/7"
        assert http.get(f"{base}/meta-data/no-such-thing").status_code == 404
        role = http.get(f"{base}/meta-data/iam/security-credentials/").text
        who = json.loads(http.get(f"{base}/meta-data/iam/security-credentials/{role}").text)
    import boto3

    sts = boto3.client(
        "sts", region_name="eu-west-1", endpoint_url=settings.api_url,
        aws_access_key_id=who["AccessKeyId"], aws_secret_access_key=who["SecretAccessKey"],
        aws_session_token=who["Token"],
    )  # fmt: skip
    assert sts.get_caller_identity()["Arn"].endswith(f":assumed-role/{role}/{instance}")
    site.cloud.client("ec2").terminate_instances(InstanceIds=[instance])
    assert state(site, instance) == "terminated"


def test_a_lost_region_takes_its_machines_and_a_return_boots_them_again(cloud: Cloud) -> None:
    away = Cloud(cloud.settings, "eu-central-1")
    site = webtier.build(away, "lossy")
    instance = run(site, site.template)
    address = instance["PrivateIpAddress"]

    def answers() -> bool:
        try:
            return httpx.get(f"http://{address}:8080/", trust_env=False, timeout=2).status_code == 200
        except httpx.HTTPError:
            return False

    until("the server", answers)
    steering = Steering(cloud.settings)
    steering.lose("eu-central-1")
    assert not answers()
    steering.give_back("eu-central-1")
    until("the server again", answers)
    assert state(site, instance["InstanceId"]) == "running"
