"""Names switch by themselves, and only the recovery role can make them."""

from __future__ import annotations

import json

from infra.outputs import HEALTH_PATH, EdgeContract, SiteContract
from tests.infra.engine import Declared, Stack

CHECK = "route53/healthCheck:HealthCheck"
RECORD = "route53/record:Record"


def failover(edge: Stack) -> dict[str, Declared]:
    sets = [r for r in edge.of(RECORD) if r.inputs.get("failoverRoutingPolicies")]
    return {r.inputs["failoverRoutingPolicies"][0]["type"]: r for r in sets}


def test_the_service_name_points_into_the_origin_zone(edge: Stack) -> None:
    record = edge.one(RECORD, "service").inputs
    assert (record["name"], record["type"]) == ("app.shop.example", "CNAME")
    assert record["records"] == ["app.origin.shop.example"]


def test_the_last_rung_has_no_check(edge: Stack) -> None:
    rungs = failover(edge)
    assert rungs["PRIMARY"].inputs["records"] == ["prod.origin.shop.example"]
    assert rungs["PRIMARY"].inputs["healthCheckId"] == "primary-1a2b3c4"
    assert rungs["SECONDARY"].inputs["records"] == ["dr-aws.origin.shop.example"]
    assert "healthCheckId" not in rungs["SECONDARY"].inputs


def test_the_sites_declare_the_names_that_edge_points_to(standby: Stack, primary: Stack, edge: Stack) -> None:
    pointed = {record for rung in failover(edge).values() for record in rung.inputs["records"]}
    declared = {s.one(RECORD, "origin").inputs["name"] for s in (standby, primary)}
    assert declared == pointed


def test_no_alias_decides_about_health_by_itself(standby: Stack, primary: Stack) -> None:
    for site in (standby, primary):
        (alias,) = site.one(RECORD, "origin").inputs["aliases"]
        assert alias["evaluateTargetHealth"] is False


def test_the_primary_is_in_when_its_endpoint_answers_and_the_latch_is_absent(edge: Stack) -> None:
    primary, latch, endpoint = (edge.one(CHECK, n).inputs for n in ("primary", "latch", "primary-endpoint"))
    assert primary["childHealthchecks"] == ["primary-endpoint-1a2b3c4", "latch-1a2b3c4"]
    assert primary["childHealthThreshold"] == 2
    assert latch["invertHealthcheck"] is True
    assert not endpoint["invertHealthcheck"]


def test_the_endpoint_check_asks_what_the_sites_answer(edge: Stack, primary: Stack) -> None:
    asked = edge.one(CHECK, "primary-endpoint").inputs
    site = SiteContract.model_validate(primary.outputs["contract"])
    assert asked["fqdn"] == site.web.origin_name
    assert asked["resourcePath"] == site.web.health_path == HEALTH_PATH


def test_the_latch_stands_in_the_standby_region(edge: Stack) -> None:
    assert edge.one("s3/bucket:Bucket").inputs["region"] == "eu-west-1"
    contract = EdgeContract.model_validate(edge.outputs["contract"])
    assert contract.latch.url == f"https://{contract.latch.bucket}.s3.eu-west-1.amazonaws.com/primary-out"


def test_everyone_may_read_the_latch_object_and_only_recovery_may_write(edge: Stack) -> None:
    policy = json.loads(edge.one("s3/bucketPolicy:BucketPolicy").inputs["policy"])["Statement"]
    reads = next(s for s in policy if s["Sid"] == "CheckersRead")
    assert reads["Action"] == ["s3:GetObject"]
    assert reads["Resource"].endswith("/primary-out")
    writes = next(s for s in policy if s["Sid"] == "OnlyRecoveryWrites")
    assert writes["Effect"] == "Deny"
    assert any("lifeboat-recovery-" in arn for arn in writes["Condition"]["ArnNotLike"]["aws:PrincipalArn"])


def test_the_certificate_covers_the_service_and_the_sites_own_name(primary: Stack, edge: Stack) -> None:
    zones = {r.name: r.inputs["zoneId"] for r in primary.of(RECORD) if r.name.startswith("validate-")}
    contract = EdgeContract.model_validate(edge.outputs["contract"])
    assert zones == {
        "validate-app.shop.example": contract.zone.zone_id,
        "validate-prod.origin.shop.example": contract.origin_zone.zone_id,
    }
    for record in primary.of(RECORD):
        if record.name.startswith("validate-"):
            assert record.inputs["name"] == f"_x.{record.name.removeprefix('validate-')}"
            assert record.inputs["allowOverwrite"] is True
