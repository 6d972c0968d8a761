"""The region was lost and the service is back: what was done, and what stands."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from datetime import datetime
from typing import Any

import pytest

from recovery import permissions
from tests.integration.region_story import Recovered

pytestmark = [pytest.mark.world, pytest.mark.xdist_group("region-story")]

GONE = "eu-central-1"
STEP = {"id", "uses", "owner", "class", "status", "started_at", "seconds", "attempts"}


def test_all_that_must_hold_held(recovered: Recovered) -> None:
    assert recovered.said["problems"] == []
    assert recovered.said["unread"] == []
    assert recovered.said["kept"]


def test_nothing_acknowledged_before_the_recovery_point_is_lost_and_all_after_it_is(
    recovered: Recovered,
) -> None:
    notes = recovered.said["notes"]
    assert "lost are exactly the writes that the lost database committed too late" in notes
    lost = (recovered.out / "lost.csv").read_text().splitlines()
    assert len(lost) - 1 == recovered.report["measured"]["lost_writes"]


def test_the_stacks_know_all_that_recovery_changed(recovered: Recovered) -> None:
    notes = recovered.said["notes"]
    assert {"a preview of edge is empty", "a preview of dr-aws is empty"} <= set(notes)


# --- calls --------------------------------------------------------------------------------------------


def test_every_call_is_allowed_to_the_recovery_role(recovered: Recovered) -> None:
    granted = json.loads((recovered.platform.project / permissions.FILE).read_text())["actions"]
    mine = [call for call in recovered.calls() if "lifeboat/" in call["user_agent"]]
    assert len(mine) > 100
    refused = {
        f"{call['service']}:{call['operation']} by {call['cause']}"
        for call in mine
        if not permissions.covers(granted, call["service"], call["operation"])
    }
    assert refused == set()


def test_only_the_assessment_asked_the_lost_region(recovered: Recovered) -> None:
    mine = [c for c in recovered.calls() if c["cause"].startswith(recovered.run_id)]
    assert {c["cause"].split("/")[1] for c in mine} >= {"assess", "restore-db", "re-protect"}
    assert {c["cause"].split("/")[1] for c in mine if c["region"] == GONE} == {"assess"}
    assert {c["status"] for c in mine if c["region"] == GONE} == {"lost"}


def test_global_control_planes_are_only_read(recovered: Recovered) -> None:
    """Those of IAM and Route 53 stand in us-east-1; so does that of making buckets."""
    mine = [c for c in recovered.calls() if c["cause"].startswith(recovered.run_id)]
    planes = {c["operation"] for c in mine if c["service"] in ("iam", "route53")}
    assert "GetHealthCheckStatus" in planes
    reads = ("Get", "List", "Describe")
    assert [operation for operation in planes if not operation.startswith(reads)] == []
    assert not {"CreateBucket", "DeleteBucket"} & {c["operation"] for c in mine}


def test_no_call_met_something_that_the_world_does_not_model(recovered: Recovered) -> None:
    assert [c for c in recovered.calls() if c["status"] in (500, 501)] == []


# --- effects ------------------------------------------------------------------------------------------


def machines(recovered: Recovered) -> list[dict[str, str]]:
    """Tags of every machine that the run started."""
    ec2 = recovered.platform.client("ec2", recovered.platform.settings.standby)
    mine = [{"Name": "tag:lifeboat-run", "Values": [recovered.run_id]}]
    groups = ec2.describe_instances(Filters=mine)["Reservations"]
    return [{t["Key"]: t["Value"] for t in i["Tags"]} for g in groups for i in g["Instances"]]


def test_one_machine_was_started_for_each_job(recovered: Recovered) -> None:
    jobs = Counter((m["lifeboat-step"], m["lifeboat-job"]) for m in machines(recovered))
    assert len(jobs) == 3
    assert set(jobs.values()) == {1}


def test_one_database_was_restored_for_the_run(recovered: Recovered) -> None:
    calls = Counter(c["operation"] for c in recovered.calls() if c["cause"].startswith(recovered.run_id))
    assert calls["RestoreDBInstanceToPointInTime"] == 1
    database, fact = recovered.database(), recovered.fact("restore-db")
    assert (database["DBInstanceIdentifier"], database["DbiResourceId"]) == (
        fact["identifier"],
        fact["resource_id"],
    )


def test_what_the_run_made_is_still_known_as_its_own(recovered: Recovered) -> None:
    tags = {tag["Key"]: tag["Value"] for tag in recovered.database()["TagList"]}
    assert tags.get("lifeboat-run") == recovered.run_id


def test_resuming_a_finished_run_makes_nothing(recovered: Recovered) -> None:
    before, calls = recovered.made(), len(recovered.calls())
    ended = recovered.dr("resume", recovered.run_id, "--by", "ada", "--no-wait")
    assert ended.code == 0, ended.err
    assert recovered.made() == before
    mine = [c["operation"] for c in recovered.calls()[calls:] if c["cause"].startswith(recovered.run_id)]
    assert mine == []


# --- the database -------------------------------------------------------------------------------------


def test_the_restored_database_has_the_settings_of_the_contract(recovered: Recovered) -> None:
    found = recovered.database()
    wanted = recovered.platform.site("dr-aws").database.settings
    assert {
        "class": found["DBInstanceClass"],
        "storage": (found["AllocatedStorage"], found["StorageType"]),
        "multi-az": found["MultiAZ"],
        "subnets": found["DBSubnetGroup"]["DBSubnetGroupName"],
        "parameters": [g["DBParameterGroupName"] for g in found["DBParameterGroups"]],
        "groups": sorted(g["VpcSecurityGroupId"] for g in found["VpcSecurityGroups"]),
        "key": found["KmsKeyId"].rpartition("/")[2],
        "encrypted": found["StorageEncrypted"],
        "backups": (found["BackupRetentionPeriod"], found["PreferredBackupWindow"]),
        "maintenance": found["PreferredMaintenanceWindow"].lower(),
        "logs": sorted(found["EnabledCloudwatchLogsExports"]),
        "protected": found["DeletionProtection"],
        "public": found["PubliclyAccessible"],
        "minor upgrades": found["AutoMinorVersionUpgrade"],
        "port": found["Endpoint"]["Port"],
        "status": found["DBInstanceStatus"],
    } == {
        "class": wanted.instance_class,
        "storage": (wanted.storage_gb, wanted.storage_type),
        "multi-az": True,
        "subnets": wanted.subnet_group,
        "parameters": [wanted.parameter_group],
        "groups": sorted(wanted.security_group_ids),
        "key": wanted.kms_key_arn.rpartition("/")[2],
        "encrypted": True,
        "backups": (wanted.backup_retention_days, wanted.backup_window),
        "maintenance": wanted.maintenance_window.lower(),
        "logs": sorted(wanted.log_exports),
        "protected": True,
        "public": False,
        "minor upgrades": False,
        "port": wanted.port,
        "status": "available",
    }


def test_a_password_rotated_after_the_recovery_point_does_not_lock_us_out(recovered: Recovered) -> None:
    point = datetime.fromisoformat(recovered.fact("recovery-point")["restore_to"]).timestamp()
    assert point < recovered.said["rotated_at"] < recovered.said["lost_at"]
    assert len(recovered.fact("credentials")["roles"]) == 2
    by_step = [c["operation"] for c in recovered.calls() if c["cause"] == f"{recovered.run_id}/credentials"]
    assert "ModifyDBInstance" not in by_step, "the password before is known: no wait for the API"


@pytest.mark.parametrize("secret", ["database_master", "database_app"])
def test_the_sites_own_secrets_open_the_database(recovered: Recovered, secret: str) -> None:
    import psycopg

    site = recovered.platform.site("dr-aws")
    secrets = recovered.platform.client("secretsmanager", site.region)
    text = secrets.get_secret_value(SecretId=getattr(site.secrets, secret))["SecretString"]
    login = json.loads(text)
    assert login["host"] == recovered.database()["Endpoint"]["Address"]
    with psycopg.connect(
        host=login["host"], port=login["port"], dbname=login["dbname"], user=login["username"],
        password=login["password"], sslmode="require", connect_timeout=5,
    ) as connection:  # fmt: skip
        assert connection.execute("select 1").fetchone() == (1,)


# --- what is told -------------------------------------------------------------------------------------


def test_the_report_has_what_the_schema_says_and_nothing_else(recovered: Recovered) -> None:
    report = recovered.report
    assert set(report) == {
        "schema", "scenario", "outcome", "measured", "forecast", "promised", "steps", "journal", "wall_s",
    }  # fmt: skip
    assert (report["schema"], report["scenario"], report["outcome"]) == (1, "region-loss", "recovered")
    assert set(report["measured"]) == {
        "rto_s", "rpo_s", "acknowledged_writes", "lost_writes", "failed_requests", "critical_path_s",
        "overhead_ratio", "dns_switch_s",
    }  # fmt: skip
    assert set(report["forecast"]) == {"rto_s", "rpo_s", "scale", "database_gb"}
    assert report["promised"] == {"rto_s": 3600, "rpo_s": 1800}
    assert set(report["journal"]) == {"entries", "head", "verified"}
    for step in report["steps"]:
        assert set(step) == STEP
        assert (step["status"], step["attempts"]) == ("ok", 1), step
    numbers = [*report["measured"].values(), *report["forecast"].values(), report["wall_s"]]
    assert all(isinstance(number, int | float) for number in numbers), "all of it was measured"


def test_the_report_for_people_stands_alone(recovered: Recovered) -> None:
    page = (recovered.out / "report.html").read_text()
    assert "<svg" in page
    assert "http://" not in page.replace("http://www.w3.org", "")
    assert all(step["id"] in page for step in recovered.report["steps"])


def by_hand(line: dict[str, Any]) -> str:
    """The hash of a line of the journal, as its documentation tells anyone to make it."""
    rest = {key: value for key, value in line.items() if key != "hash"}
    text = json.dumps(rest, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def test_the_journal_can_be_checked_without_lifeboat(recovered: Recovered) -> None:
    previous = "0" * 64
    for number, line in enumerate(recovered.journal, 1):
        assert (line["seq"], line["previous"]) == (number, previous)
        assert by_hand(line) == line["hash"]
        previous = line["hash"]
    journal = recovered.report["journal"]
    assert journal == {"entries": len(recovered.journal), "head": previous, "verified": True}


def test_no_secret_is_in_the_runs_folder(recovered: Recovered) -> None:
    secrets = recovered.platform.client("secretsmanager", recovered.platform.settings.standby)
    names = [s["Name"] for s in secrets.list_secrets()["SecretList"]]
    values = [json.loads(secrets.get_secret_value(SecretId=n)["SecretString"]) for n in names]
    words = {v for value in values for k, v in value.items() if k in ("password", "token")}
    assert len(words) >= 3
    files = [f for f in recovered.folder.rglob("*") if f.is_file()] + [*recovered.out.rglob("report.*")]
    assert [f for f in files if any(word.encode() in f.read_bytes() for word in words)] == []


def test_dr_report_tells_of_the_same_run(recovered: Recovered) -> None:
    ended = recovered.dr("report", "--json", "--out", str(recovered.out / "again"))
    assert ended.code == 0, ended.err
    told = json.loads(ended.out)
    for part in ("scenario", "outcome", "steps", "journal", "promised"):
        assert told[part] == recovered.report[part]


def test_status_knows_that_the_standby_serves_now(recovered: Recovered) -> None:
    status = recovered.status()
    prod, standby = (next(s for s in status["sites"] if s["stack"] == n) for n in ("prod", "dr-aws"))
    assert (prod["state"], prod["serves"]) == ("unhealthy", "unknown")
    assert (standby["state"], standby["serves"], standby["web"]) == ("healthy", "yes", "2 of 2")
    assert "multi-AZ" in standby["database"]
    assert status["unfinished_runs"] == []
    region_loss = status["scenarios"][0]
    assert region_loss["verified"].endswith("✓")
    assert "dr-aws serves already" in region_loss["trouble"]


def test_a_site_that_serves_is_not_recovered_to_again(recovered: Recovered) -> None:
    ended = recovered.dr("plan", "region-loss", "--json")
    assert ended.code == 1
    assert any("serve" in why for why in ended.lines[0]["refusals"])


def test_kept_state_is_shown_although_a_region_is_silent(recovered: Recovered) -> None:
    ended = recovered.dr("state", "show", "--json")
    assert ended.code == 0
    assert ended.seconds < 20
    there = [r for r in ended.lines if GONE not in r["where"]]
    assert len(there) == 6
    assert all(r["at"] for r in there)
    silent = [r for r in ended.lines if GONE in r["where"]]
    assert silent
    assert all(r["at"] is None and r["trouble"] for r in silent)


def test_artefacts_are_listed_although_a_region_is_silent(recovered: Recovered) -> None:
    ended = recovered.dr("artefact", "list", "--json")
    assert ended.code == 1, "not all of it could be told"
    assert ended.seconds < 20
    assert {(r["site"], r["artefact"]) for r in ended.lines if "artefact" in r} == {
        ("dr-aws", "web"),
        ("dr-aws", "bundle"),
    }
    assert [r["site"] for r in ended.lines if r.get("trouble")] == ["prod"]
