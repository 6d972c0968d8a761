"""The lost region returns: its old site must not serve, write, or run jobs beside the new one."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import replace

import psycopg
import pytest

from recovery.dns import convergence
from recovery.endpoints import Endpoints
from tests.integration.region_story import Ended, Recovered

pytestmark = [pytest.mark.world, pytest.mark.xdist_group("region-story")]

SERVICE = "app.shop.example"


def endpoints(stage: Recovered) -> Endpoints:
    return Endpoints.from_environment(dict(stage.platform.environment))


@pytest.fixture(scope="session")
def quarantined(returned: Recovered) -> Iterator[tuple[Recovered, Ended]]:
    """`dr run quarantine` was carried out by somebody who has taken the recovery role."""
    theirs = replace(returned.platform, environment=returned.platform.as_recovery())
    yield returned, replace(returned, platform=theirs).dr("run", "quarantine", "--by", "ada", "--no-wait")


def served_by(stage: Recovered) -> str:
    """Region of the server that answers customers."""
    reply = endpoints(stage).https("GET", SERVICE, "/ready", timeout=5)
    assert reply.status == 200
    return str(reply.headers["x-served-by"]).partition("/")[0]


def test_the_latch_keeps_customers_with_the_new_site(returned: Recovered) -> None:
    edge, target = returned.platform.edge(), returned.platform.site("dr-aws")
    servers = convergence.watched(endpoints(returned), edge)
    assert len(servers) == 6
    until = time.monotonic() + 3  # health checks of the old site have had time to turn healthy
    while time.monotonic() < until:
        assert not convergence.wrong(endpoints(returned), servers, edge, target)
        time.sleep(0.5)
    assert served_by(returned) == "eu-west-1"


def test_status_says_that_the_old_site_is_back_and_loose(returned: Recovered) -> None:
    prod = returned.site_status("prod")
    assert prod["state"] == "fenced"
    assert any("dr run quarantine" in problem for problem in prod["problems"])


def test_quarantine_is_one_command_that_the_recovery_role_may_give(
    quarantined: tuple[Recovered, Ended],
) -> None:
    stage, ended = quarantined
    assert ended.code == 0, ended.out + ended.err
    mine = [c for c in stage.calls() if c["cause"].startswith("quarantine-")]
    assert mine
    assert [c for c in mine if c["status"] in (401, 403)] == []


def test_the_old_site_serves_nobody_and_runs_no_jobs(quarantined: tuple[Recovered, Ended]) -> None:
    stage, _ = quarantined
    site = stage.platform.site("prod")
    reply = endpoints(stage).https("GET", SERVICE, "/ready", connect_to=site.web.origin_name, timeout=5)
    assert reply.status == 503
    ec2 = stage.platform.client("ec2", site.region)
    alive = [{"Name": "instance-state-name", "Values": ["pending", "running"]}]
    assert ec2.describe_instances(Filters=alive)["Reservations"] == []


def test_the_old_database_takes_no_writes(quarantined: tuple[Recovered, Ended]) -> None:
    stage, _ = quarantined
    site = stage.platform.site("prod")
    ec2 = stage.platform.client("ec2", site.region)
    rules = ec2.describe_security_group_rules(
        Filters=[{"Name": "group-id", "Values": [site.network.database_security_group_id]}]
    )["SecurityGroupRules"]
    inward = {r["ReferencedGroupInfo"]["GroupId"] for r in rules if not r["IsEgress"]}
    assert site.network.web_security_group_id not in inward
    assert writes(stage) == writes(stage, after=1.5)


def writes(stage: Recovered, after: float = 0.0) -> tuple[object, ...]:
    """How much is in the old database: orders, mails, heartbeats."""
    time.sleep(after)
    site = stage.platform.site("prod")
    secrets, rds = (stage.platform.client(s, site.region) for s in ("secretsmanager", "rds"))
    login = json.loads(secrets.get_secret_value(SecretId=site.secrets.database_app)["SecretString"])
    where = rds.describe_db_instances()["DBInstances"][0]["Endpoint"]
    with psycopg.connect(
        host=where["Address"], port=where["Port"], dbname="shop", user=login["username"],
        password=login["password"], sslmode="require", connect_timeout=5,
    ) as connection:  # fmt: skip
        row = connection.execute(
            "select (select count(*) from orders), (select count(*) from outbox where sent_at is not null),"
            " (select coalesce(sum(beat), 0) from heartbeat)"
        ).fetchone()
    assert row is not None
    return row


def test_names_still_lead_to_the_new_site(quarantined: tuple[Recovered, Ended]) -> None:
    stage, _ = quarantined
    assert served_by(stage) == "eu-west-1"


def test_a_second_quarantine_changes_nothing(quarantined: tuple[Recovered, Ended]) -> None:
    stage, _ = quarantined
    before = len(stage.calls())
    ended = stage.dr("run", "quarantine", "--by", "ada", "--no-wait")
    assert ended.code == 0, ended.out + ended.err
    mine = {c["operation"] for c in stage.calls()[before:] if c["cause"].startswith("quarantine-")}
    assert all(operation.startswith(("Describe", "Head", "Get")) for operation in mine)


def test_status_says_that_the_old_site_is_quarantined(quarantined: tuple[Recovered, Ended]) -> None:
    stage, _ = quarantined
    prod = stage.site_status("prod")
    assert (prod["state"], prod["serves"]) == ("fenced", "holding page")
    assert prod["problems"] == []
