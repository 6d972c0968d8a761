"""Auto Scaling keeps groups as they should be: spread, replaced, scaled, refreshed, and truthful about it."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
import webtier
from botocore.exceptions import ClientError
from databases import no_proxies
from webtier import Cloud, Platform

from rehearsal import launch
from rehearsal.aws.faults import Rule
from rehearsal.steering import Steering
from tests.fakes.waiting import until

pytestmark = pytest.mark.world


@pytest.fixture(scope="module")
def cloud() -> Iterator[Cloud]:
    no_proxies()
    name = f"test-autoscaling-{os.getpid()}"
    settings = launch.up(name, dies_with_us=True)
    try:
        yield Cloud(settings, "eu-west-1")
    finally:
        launch.down(name)


@pytest.fixture(scope="module")
def site(cloud: Cloud) -> Platform:
    site = webtier.build(cloud, "web")
    webtier.scale(site, "web", 2)
    until("two servers", lambda: site.serving(2))
    return site


def asg(site: Platform) -> Any:
    return site.cloud.client("autoscaling")


def activities(site: Platform) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = asg(site).describe_scaling_activities(AutoScalingGroupName=site.asg)[
        "Activities"
    ]
    return found


def resized(site: Platform, size: int) -> set[str]:
    """Set the capacity and wait until exactly so many serve and nothing else is in the group."""
    asg(site).set_desired_capacity(AutoScalingGroupName=site.asg, DesiredCapacity=size)
    return (
        until(
            f"{size} servers",
            lambda: len(site.members()) == size and (site.serving(size) if size else {"none"}),
        )
        or set()
    )


def test_a_group_is_filled_across_its_zones_with_tagged_instances_of_its_template(site: Platform) -> None:
    group = asg(site).describe_auto_scaling_groups(AutoScalingGroupNames=["web"])["AutoScalingGroups"][0]
    assert Counter(row["AvailabilityZone"] for row in group["Instances"]) == {
        "eu-west-1a": 1,
        "eu-west-1b": 1,
    }
    assert {row["LaunchTemplate"]["Version"] for row in group["Instances"]} == {"1"}
    ids = [row["InstanceId"] for row in group["Instances"]]
    for reservation in site.cloud.client("ec2").describe_instances(InstanceIds=ids)["Reservations"]:
        tags = {tag["Key"]: tag["Value"] for tag in reservation["Instances"][0]["Tags"]}
        assert tags["aws:autoscaling:groupName"] == "web"
        assert tags["class"] == "critical"


def test_a_terminated_instance_is_noticed_and_replaced(site: Platform) -> None:
    victim = sorted(site.members())[0]
    site.cloud.client("ec2").terminate_instances(InstanceIds=[victim])
    assert victim not in {target for target, state in site.targets().items() if state == "healthy"}
    until("its replacement", lambda: victim not in site.members() and site.serving(2))
    descriptions = [row["Description"] for row in activities(site)]
    assert f"Terminating EC2 instance: {victim}" in descriptions


def test_a_server_whose_program_died_is_found_by_the_load_balancer_and_replaced(site: Platform) -> None:
    from rehearsal.world import fetch

    asg(site).update_auto_scaling_group(AutoScalingGroupName="web", HealthCheckGracePeriod=0)
    victim = sorted(site.members())[0]
    feed = fetch(site.cloud.settings.home / "feed", "balancers")
    target = next(row for row in feed["target_groups"][site.group]["targets"] if row["id"] == victim)
    _kill_listener(target["address"], target["port"])
    until("unhealthy", lambda: site.targets().get(victim) != "healthy")
    assert site.members()[victim] == "InService", "nothing ended: only the load balancer can tell"
    until("its replacement", lambda: victim not in site.members() and site.serving(2))
    asg(site).update_auto_scaling_group(AutoScalingGroupName="web", HealthCheckGracePeriod=120)


def _kill_listener(address: str, port: int) -> None:
    """Kill the process that listens there; the machine of it goes on."""
    import signal
    import socket
    import struct
    from pathlib import Path

    at = f"{struct.unpack('<I', socket.inet_aton(address))[0]:08X}:{port:04X}"
    lines = Path("/proc/net/tcp").read_text().splitlines()[1:]
    inode = next(line.split()[9] for line in lines if line.split()[1] == at and line.split()[3] == "0A")
    for descriptor in Path("/proc").glob("[0-9]*/fd/*"):
        try:
            if str(descriptor.readlink()) == f"socket:[{inode}]":
                os.kill(int(descriptor.parts[2]), signal.SIGKILL)
                return
        except OSError:
            continue
    raise AssertionError(f"nobody listens at {address}:{port}")


def test_capacity_grows_and_shrinks_as_told_and_within_bounds(site: Platform) -> None:
    before = set(site.members())
    assert before < resized(site, 3)
    resized(site, 2)
    with pytest.raises(ClientError, match="above max value 4"):
        asg(site).set_desired_capacity(AutoScalingGroupName="web", DesiredCapacity=5)
    with pytest.raises(ClientError, match="must be greater than or equal"):
        asg(site).update_auto_scaling_group(AutoScalingGroupName="web", MinSize=9)


def test_raising_the_minimum_fills_the_group_and_lowering_the_maximum_empties_it(site: Platform) -> None:
    asg(site).update_auto_scaling_group(AutoScalingGroupName="web", MinSize=3)
    until("three", lambda: site.serving(3))
    asg(site).update_auto_scaling_group(AutoScalingGroupName="web", MinSize=0, MaxSize=0)
    until("none", lambda: not site.members())
    asg(site).update_auto_scaling_group(AutoScalingGroupName="web", MinSize=2, MaxSize=4)
    until("two", lambda: site.serving(2))


def test_a_refresh_replaces_all_servers_and_somebody_always_serves(site: Platform) -> None:
    import httpx

    webtier.put_artefact(site.cloud, site.bucket, "web", "v2", webtier.TINY_SERVER)
    data = webtier.user_data(ARTEFACT_BUCKET=site.bucket, ARTEFACT_NAME="web", ARTEFACT_VERSION="v2")
    ec2 = site.cloud.client("ec2")
    made = ec2.create_launch_template_version(
        LaunchTemplateId=site.template, SourceVersion="1", LaunchTemplateData={"UserData": data}
    )
    version = str(made["LaunchTemplateVersion"]["VersionNumber"])
    before = set(site.members())
    asg(site).update_auto_scaling_group(
        AutoScalingGroupName="web", LaunchTemplate={"LaunchTemplateId": site.template, "Version": version}
    )
    assert set(site.members()) == before, "a new template alone replaces nothing"
    asg(site).start_instance_refresh(AutoScalingGroupName="web", Preferences={"MinHealthyPercentage": 100})
    with pytest.raises(ClientError, match="InstanceRefreshInProgress"):
        asg(site).start_instance_refresh(AutoScalingGroupName="web")
    failures = []

    def done() -> bool:
        answer = httpx.get(site.url(), trust_env=False, timeout=10)
        if answer.status_code != 200:
            failures.append(answer.status_code)
        found = asg(site).describe_instance_refreshes(AutoScalingGroupName="web")["InstanceRefreshes"][0]
        return bool(found["Status"] == "Successful" and found["PercentageComplete"] == 100)

    until("the load balancer", lambda: _active(site))
    until("the refresh", done, seconds=60)
    assert not failures
    until("the old ones' end", lambda: not before & set(site.members()))
    assert len(site.members()) == 2, "and none too many was launched"
    assert httpx.get(site.url(), trust_env=False).text.endswith(" v2")


def _active(site: Platform) -> bool:
    found = site.cloud.client("elbv2").describe_load_balancers(LoadBalancerArns=[site.balancer])
    return bool(found["LoadBalancers"][0]["State"]["Code"] == "active")


def test_a_zone_without_capacity_is_passed_over_and_the_failed_activity_says_so(site: Platform) -> None:
    resized(site, 2)
    steering = Steering(site.cloud.settings)
    steering.add_fault(
        Rule(
            id="full", service="ec2", operation="RunInstances", parameters="eu-west-1a", effect="no-capacity"
        )
    )
    asg(site).set_desired_capacity(AutoScalingGroupName="web", DesiredCapacity=4)
    until("four", lambda: site.serving(4))
    steering.clear_faults()
    group = asg(site).describe_auto_scaling_groups(AutoScalingGroupNames=["web"])["AutoScalingGroups"][0]
    assert Counter(row["AvailabilityZone"] for row in group["Instances"]) == {
        "eu-west-1a": 1,
        "eu-west-1b": 3,
    }
    failed = [row for row in activities(site) if row["StatusCode"] == "Failed"]
    assert (
        "sufficient m7g.large capacity in the Availability Zone you requested (eu-west-1a)"
        in failed[0]["StatusMessage"]
    )
    resized(site, 2)


def test_a_disk_key_that_auto_scaling_may_not_use_launches_nothing(site: Platform) -> None:
    kms, ec2 = site.cloud.client("kms"), site.cloud.client("ec2")
    key = kms.create_key(Description="a policy that forgets Auto Scaling")["KeyMetadata"]["Arn"]
    disk = {"DeviceName": "/dev/sda1", "Ebs": {"Encrypted": True, "KmsKeyId": key, "VolumeSize": 8}}
    made = ec2.create_launch_template_version(
        LaunchTemplateId=site.template, SourceVersion="1", LaunchTemplateData={"BlockDeviceMappings": [disk]}
    )
    wanted = {
        "LaunchTemplateId": site.template,
        "Version": str(made["LaunchTemplateVersion"]["VersionNumber"]),
    }
    asg(site).create_auto_scaling_group(
        AutoScalingGroupName="locked", MinSize=1, MaxSize=1, VPCZoneIdentifier=site.subnets[0],
        LaunchTemplate=wanted,
    )  # fmt: skip

    def latest(status: str) -> dict[str, Any] | None:
        found = asg(site).describe_scaling_activities(AutoScalingGroupName="locked")["Activities"]
        return found[0] if found and found[0]["StatusCode"] == status else None

    failed = until("the failure", lambda: latest("Failed"))
    assert "does not let AWSServiceRoleForAutoScaling use it" in failed["StatusMessage"]
    path = "aws-service-role/autoscaling.amazonaws.com/AWSServiceRoleForAutoScaling"
    role = f"arn:aws:iam::123456789012:role/{path}"
    statement = {"Effect": "Allow", "Principal": {"AWS": role}, "Action": "kms:*", "Resource": "*"}
    kms.put_key_policy(KeyId=key, PolicyName="default", Policy=json.dumps({"Statement": [statement]}))
    until("a launch", lambda: latest("Successful"))
    asg(site).delete_auto_scaling_group(AutoScalingGroupName="locked", ForceDelete=True)


def test_suspended_processes_do_nothing_until_resumed(site: Platform) -> None:
    asg(site).suspend_processes(AutoScalingGroupName="web", ScalingProcesses=["Launch"])
    victim = sorted(site.members())[0]
    site.cloud.client("ec2").terminate_instances(InstanceIds=[victim])
    until("it to be seen off", lambda: victim not in site.members())
    assert len(site.members()) == 1
    asg(site).resume_processes(AutoScalingGroupName="web", ScalingProcesses=["Launch"])
    until("two", lambda: site.serving(2))


def test_a_group_with_instances_is_deleted_only_by_force(site: Platform) -> None:
    with pytest.raises(ClientError, match="ResourceInUse"):
        asg(site).delete_auto_scaling_group(AutoScalingGroupName="web")
    ids = list(site.members())
    asg(site).delete_auto_scaling_group(AutoScalingGroupName="web", ForceDelete=True)
    assert not asg(site).describe_auto_scaling_groups(AutoScalingGroupNames=["web"])["AutoScalingGroups"]
    found = site.cloud.client("ec2").describe_instances(InstanceIds=ids)["Reservations"]
    assert {row["Instances"][0]["State"]["Name"] for row in found} == {"terminated"}
