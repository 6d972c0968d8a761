"""An ordinary day: the platform serves, and `dr` says true things about it."""

from __future__ import annotations

import json
import shlex
import sys
from pathlib import Path

import pytest

from tests.integration.region_story import ROOT, Stage

pytestmark = [pytest.mark.world, pytest.mark.xdist_group("region-story")]


def test_status_shows_who_serves_and_how_far_the_backups_reach(standing: Stage) -> None:
    status = standing.status()
    prod, standby = (next(s for s in status["sites"] if s["stack"] == n) for n in ("prod", "dr-aws"))
    assert (prod["state"], prod["serves"], prod["web"]) == ("healthy", "yes", "2 of 2")
    assert (standby["state"], standby["serves"], standby["web"]) == ("pilot", "holding page", "0, ready")
    assert standby["restorable_to"] and "restorable to" in standby["database"]
    assert (prod["problems"], standby["problems"], status["unfinished_runs"]) == ([], [], [])


def test_status_says_what_a_loss_would_cost_now(standing: Stage) -> None:
    scenarios = standing.status()["scenarios"]
    assert [s["name"] for s in scenarios] == ["region-loss"], "only plans that lose something are scenarios"
    assert (scenarios[0]["verified"], scenarios[0]["trouble"]) == ("never", "")
    assert scenarios[0]["rto_s"] > 0
    assert 0 < scenarios[0]["loss_s"] < 120


def test_the_dry_run_shows_every_step_and_needs_nothing_of_the_primary(standing: Stage) -> None:
    before = len(standing.calls())
    ended = standing.dr("plan", "region-loss", "--json")
    assert ended.code == 0, ended.out
    plan = ended.lines[0]
    assert (plan["source"], plan["target"], plan["lost"]) == ("prod", "dr-aws", ["eu-central-1"])
    assert plan["refusals"] == []
    assert not [need for step in plan["steps"] for need in step["needs"] if "eu-central-1" in need]
    changes = {step["id"]: [c["what"] for c in step["changes"]] for step in plan["steps"]}
    assert any("shop-db-" in what for what in changes["restore-db"])
    assert changes["stack-up"], "the engine was asked what it would change"
    mine = [c for c in standing.calls()[before:] if "lifeboat/" in c["user_agent"]]
    assert mine
    reads = ("Describe", "Get", "List", "Head")
    assert [c["operation"] for c in mine if not c["operation"].startswith(reads)] == [], "it only reads"


def test_quarantine_of_the_site_that_serves_is_refused(standing: Stage) -> None:
    ended = standing.dr("plan", "quarantine", "--json")
    assert ended.code == 1
    assert "may lead to prod" in ended.lines[0]["refusals"][0]


def test_the_state_of_every_stack_is_kept_in_both_regions_and_here(standing: Stage) -> None:
    rows = standing.dr("state", "show", "--json").lines
    places = {
        stack: [r["where"] for r in rows if r["stack"] == stack] for stack in ("edge", "dr-aws", "prod")
    }
    assert all(row["at"] for row in rows)
    for where in places.values():
        assert len(where) == 3
        assert {w.rpartition("(")[2] for w in where if "(" in w} == {"eu-central-1)", "eu-west-1)"}


def test_both_sites_have_the_artefact_and_the_bundle(standing: Stage) -> None:
    rows = standing.dr("artefact", "list", "--json").lines
    assert {(r["site"], r["artefact"]) for r in rows} == {
        (site, name) for site in ("prod", "dr-aws") for name in ("web", "bundle")
    }


def in_its_shell(stage: Stage, command: str) -> str:
    """What a person sees who types `eval "$(./dr world env)"` and then this."""
    name = stage.platform.settings.name
    dr = f"{shlex.quote(sys.executable)} -m rehearsal.cli"
    line = f'cd {shlex.quote(str(ROOT))} && eval "$({dr} world env --name {name})" && {command}'
    ended = stage.run(["env", "-i", "HOME=/nonexistent", "PATH=/usr/bin:/bin", "bash", "-c", line])
    assert ended.code == 0, ended.err
    return ended.out


def test_the_official_cli_works_in_the_worlds_environment(standing: Stage) -> None:
    aws = shlex.quote(str(Path(sys.executable).parent / "aws"))
    found = json.loads(
        in_its_shell(standing, f"{aws} rds describe-db-instances --region eu-central-1 --output json")
    )
    assert [d["DBInstanceIdentifier"] for d in found["DBInstances"]] == ["shop-db"]
    who = json.loads(in_its_shell(standing, f"{aws} sts get-caller-identity --output json"))
    assert who["Account"] == standing.platform.site("prod").account


def test_psql_reaches_the_database_by_the_address_that_aws_tells(standing: Stage) -> None:
    site = standing.platform.site("prod")
    secrets = standing.platform.client("secretsmanager", site.region)
    text = secrets.get_secret_value(SecretId=site.secrets.database_master)["SecretString"]
    login = json.loads(text)
    rds = standing.platform.client("rds", site.region)
    address = rds.describe_db_instances()["DBInstances"][0]["Endpoint"]["Address"]
    psql = standing.platform.settings.postgres / "psql"
    where = f"host={address} user={login['username']} dbname=shop sslmode=require connect_timeout=5"
    ended = standing.run(
        [str(psql), where, "-Atc", "select count(*) >= 0 from orders"], PGPASSWORD=login["password"]
    )
    assert ended.code in (0, 1), ended.err
    assert ended.out.strip() == "t" or "permission denied" in ended.err
