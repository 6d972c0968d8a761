"""Health checks that really ask, failover sets that follow them, and the latch."""

from __future__ import annotations

import http.server
import json
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from nameworld import NameWorld, a, cname, refused

from rehearsal import pki
from tests.fakes.waiting import until


@pytest.fixture
def world(names_world: NameWorld) -> NameWorld:
    return names_world


class Site:
    """An HTTPS server in a region, whose health path answers what it is told to."""

    def __init__(self, world: NameWorld, address: str) -> None:
        site = self
        self.status = 200

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(site.status)
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        self.server = http.server.ThreadingHTTPServer((address, world.settings.port(443)), Handler)
        issued = pki.issue(world.settings.home, ["prod.shop.example"])
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(issued.cert, issued.key)
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


@contextmanager
def site(world: NameWorld, address: str) -> Iterator[Site]:
    it = Site(world, address)
    try:
        yield it
    finally:
        it.server.shutdown()
        it.server.server_close()


def check(world: NameWorld, **config: Any) -> str:
    made = world.client("route53").create_health_check(
        CallerReference=world.fresh("check"), HealthCheckConfig=config
    )
    return str(made["HealthCheck"]["Id"])


def endpoint(world: NameWorld, fqdn: str, path: str, **more: Any) -> str:
    return check(
        world,
        Type="HTTPS",
        FullyQualifiedDomainName=fqdn,
        ResourcePath=path,
        RequestInterval=10,
        FailureThreshold=3,
        EnableSNI=True,
        **more,
    )


def healthy(world: NameWorld, identifier: str) -> bool | None:
    status = json.loads((world.settings.home / "feed" / "check-status.json").read_text())["checks"]
    return bool(status[identifier]["healthy"]) if identifier in status else None


def statuses(world: NameWorld, identifier: str) -> list[str]:
    found = world.client("route53").get_health_check_status(HealthCheckId=identifier)
    return [each["StatusReport"]["Status"] for each in found["HealthCheckObservations"]]


def latch(world: NameWorld) -> str:
    """A bucket whose object `primary-out` anybody may read."""
    bucket = world.opened("latch", "eu-west-1")
    statement = {
        "Effect": "Allow",
        "Principal": "*",
        "Action": "s3:GetObject",
        "Resource": f"arn:aws:s3:::{bucket}/primary-out",
    }
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    world.client("s3").put_bucket_policy(Bucket=bucket, Policy=policy)
    return bucket


def test_the_name_leaves_a_primary_that_fails_and_returns_to_one_that_recovers(world: NameWorld) -> None:
    zone = world.zone("shop.example")
    prod, standby = f"{world.settings.prefix}.1.200", f"{world.settings.prefix}.2.200"
    with site(world, prod) as primary:
        up = endpoint(world, "prod.shop.example", "/health")
        world.change(zone, a("prod.shop.example", prod), a("dr.shop.example", standby))
        change = world.change(
            zone,
            cname(
                "app.shop.example",
                "prod.shop.example",
                SetIdentifier="p",
                Failover="PRIMARY",
                HealthCheckId=up,
            ),
            cname("app.shop.example", "dr.shop.example", SetIdentifier="s", Failover="SECONDARY"),
        )
        world.insync(change)
        well = ["Success: HTTP Status Code 200, OK"] * 2
        until("the endpoint answers", lambda: healthy(world, up) and statuses(world, up) == well)
        until("primary", lambda: world.answers("app.shop.example") == ["prod.shop.example", prod])
        primary.status = 500
        until("secondary", lambda: world.answers("app.shop.example") == ["dr.shop.example", standby])
        assert statuses(world, up) == ["Failure: HTTP Status Code 500"] * 2
        primary.status = 200
        until("primary again", lambda: world.answers("app.shop.example") == ["prod.shop.example", prod])
    until("secondary when nothing listens", lambda: world.answers("app.shop.example")[-1:] == [standby])


def test_the_latch_takes_the_primary_out_and_its_regions_loss_does_not(world: NameWorld) -> None:
    bucket = latch(world)
    host = f"{bucket}.s3.eu-west-1.amazonaws.com"
    off = endpoint(world, host, "/primary-out", Inverted=True)
    calculated = check(world, Type="CALCULATED", ChildHealthChecks=[off], HealthThreshold=1)
    until("both looked", lambda: statuses(world, off) == ["Failure: HTTP Status Code 403"] * 2)
    until("no object, no effect", lambda: healthy(world, calculated))
    world.client("s3").put_object(Bucket=bucket, Key="primary-out", Body=b"by run 1")
    until("object there, primary out", lambda: healthy(world, calculated) is False)
    world.client("s3").delete_object(Bucket=bucket, Key="primary-out")
    until("object gone, primary back", lambda: healthy(world, calculated))
    world.steering.lose("eu-west-1")
    try:
        until("the checkers see nothing any more", lambda: not _any_answer(world, off), seconds=20)
        assert healthy(world, calculated), "losing the standby must not take the primary down"
    finally:
        world.steering.give_back("eu-west-1")


def _any_answer(world: NameWorld, identifier: str) -> bool:
    return any("HTTP Status" in status for status in statuses(world, identifier))


def test_a_lost_region_is_noticed_within_what_the_cloud_takes(world: NameWorld) -> None:
    zone = world.zone("lost.example")
    address = f"{world.settings.prefix}.1.201"
    with site(world, address):
        up = endpoint(world, "prod.lost.example", "/health")
        world.insync(world.change(zone, a("prod.lost.example", address)))
        until(
            "the endpoint answers",
            lambda: all("200" in s for s in statuses(world, up)) and healthy(world, up),
        )
        world.steering.lose("eu-central-1")
        try:
            until("unhealthy", lambda: healthy(world, up) is False, seconds=5)
            until("all checkers say so", lambda: all("timed out" in said for said in statuses(world, up)))
        finally:
            world.steering.give_back("eu-central-1")
        until("healthy again", lambda: healthy(world, up))


def test_disabling_a_check_makes_it_healthy_and_keeps_the_rest_of_it(world: NameWorld) -> None:
    route53 = world.client("route53")
    child = endpoint(world, "nobody.example", "/")
    until("unhealthy", lambda: healthy(world, child) is False)
    parent = check(world, Type="CALCULATED", ChildHealthChecks=[child], HealthThreshold=1)
    route53.update_health_check(HealthCheckId=parent, Inverted=True)
    config = route53.get_health_check(HealthCheckId=parent)["HealthCheck"]["HealthCheckConfig"]
    assert config["ChildHealthChecks"] == [child]
    route53.update_health_check(HealthCheckId=child, Disabled=True)
    until("healthy, so the inverted parent is not", lambda: healthy(world, parent) is False)


def test_a_caller_reference_makes_one_check_and_refuses_another(world: NameWorld) -> None:
    route53 = world.client("route53")
    config = {
        "Type": "TCP",
        "IPAddress": "192.0.2.1",
        "Port": 1,
        "RequestInterval": 30,
        "FailureThreshold": 3,
    }
    first, second = (
        route53.create_health_check(CallerReference="once", HealthCheckConfig=config)["HealthCheck"]["Id"]
        for _ in range(2)
    )
    assert first == second
    with refused("HealthCheckAlreadyExists"):
        route53.create_health_check(CallerReference="once", HealthCheckConfig=config | {"Port": 2})
    route53.delete_health_check(HealthCheckId=first)
    with refused("NoSuchHealthCheck"):
        route53.delete_health_check(HealthCheckId=first)
