"""Kept state, stack files, checks, permissions, the bundle: what actions stand on."""

from __future__ import annotations

import io
import json
import os
import platform
import tarfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from recovery import bundle, permissions, state
from recovery.actions import registry
from recovery.checks import Expect, HttpCheck, filled
from recovery.endpoints import Reply
from recovery.errors import InputError, Refusal
from recovery.pulumi_cli import stale_locks
from recovery.stack_files import Place, StackFiles
from recovery.stacks import Changes, explain
from tests.fakes import contracts
from tests.fakes.sites import FakeSites, FakeStores

NOW = datetime(2026, 11, 21, 14, 2, tzinfo=UTC)
ROOT = Path(__file__).resolve().parents[2]

# --- kept state --------------------------------------------------------------------------------------


def test_what_is_kept_is_found_when_this_machine_has_nothing(tmp_path: Path) -> None:
    store = FakeStores()
    state.keep("prod", {"export.json": b"{}"}, NOW, tmp_path / "one", {"s3": store})
    assert state.last_file(tmp_path / "two", [store], "prod", "export.json") == b"{}"


def test_the_newest_whole_copy_wins(tmp_path: Path) -> None:
    store = FakeStores()
    state.keep("prod", {"export.json": b"old"}, NOW, tmp_path, {})
    state.keep("prod", {"export.json": b"new"}, NOW + timedelta(hours=1), tmp_path / "other", {"s3": store})
    assert state.last_file(tmp_path, [store], "prod", "export.json") == b"new"


def test_a_copy_that_is_not_what_its_mark_says_is_never_used(tmp_path: Path) -> None:
    store = FakeStores()
    state.keep("prod", {"export.json": b"good"}, NOW, tmp_path / "gone", {"s3": store})
    store.objects["state", "stacks/prod/export.json"] = b"half"
    with pytest.raises(Refusal, match=r"no whole copy of prod's export\.json"):
        state.last_file(tmp_path, [store], "prod", "export.json")


def test_a_store_that_is_lost_does_not_keep_the_others_from_keeping(tmp_path: Path) -> None:
    dead, alive = FakeStores(down=True), FakeStores()
    copies = state.keep("prod", {"a": b"1"}, NOW, tmp_path, {"dead": dead, "alive": alive})
    assert [(c.where, bool(c.trouble)) for c in copies[1:]] == [("dead", True), ("alive", False)]
    assert state.kept_in(alive, "prod") is not None


def test_a_site_that_is_silent_is_known_before_anything_is_read_from_it() -> None:
    known = [contracts.site("prod"), contracts.site("dr-aws")]
    sites = FakeSites(known[0], known[1])
    silent = state.silent(sites, known)
    assert list(silent) == ["prod"]
    assert silent["prod"]


def test_a_state_without_a_secrets_provider_is_not_kept() -> None:
    with pytest.raises(Refusal, match="names no secrets provider"):
        state.export_bytes({"version": 3, "deployment": {"resources": [{"urn": "urn:a"}]}})


# --- stack files -------------------------------------------------------------------------------------

CONFIG = """# The standby.
config:
  aws:region: eu-west-1
  lifeboat:footprint: pilot # costs next to nothing
  lifeboat:jobs: "off"
  lifeboat:zones:
    - eu-west-1a
    - eu-west-1b
"""


def files(folder: Path, run: str = "run-1") -> StackFiles:
    project = folder / "project"
    project.mkdir(exist_ok=True)
    if not (project / "Pulumi.yaml").exists():
        (project / "Pulumi.yaml").write_text(
            "name: lifeboat\nmain: infra/\nruntime: {name: python, options: {virtualenv: .venv}}\n"
        )
        (project / "Pulumi.dr-aws.yaml").write_text(CONFIG)
    runs = folder / run
    runs.mkdir(exist_ok=True)
    return StackFiles("dr-aws", Place(project, folder / "state", runs, run, "step"))


def test_recovery_changes_a_copy_and_leaves_a_patch_of_just_that(tmp_path: Path) -> None:
    patch = files(tmp_path).configure(footprint="full", jobs="on").read_text()
    lines = [line for line in patch.splitlines() if line[0] in "+-" and line[:3] not in ("+++", "---")]
    assert [line.replace("  #", " #") for line in lines] == [
        "-  lifeboat:footprint: pilot # costs next to nothing",
        '-  lifeboat:jobs: "off"',
        "+  lifeboat:footprint: full # costs next to nothing",
        '+  lifeboat:jobs: "on"',
    ]
    assert (tmp_path / "project" / "Pulumi.dr-aws.yaml").read_text() == CONFIG


def test_the_next_run_still_has_what_nobody_has_committed(tmp_path: Path) -> None:
    files(tmp_path).configure(footprint="full")
    later = files(tmp_path, "run-2")
    later.configure(jobs="on")
    text = later.config_file.read_text()
    assert "lifeboat:footprint: full" in text and 'lifeboat:jobs: "on"' in text


def test_what_one_up_goes_without_stays_declared(tmp_path: Path) -> None:
    one = files(tmp_path)
    patch = one.configure(footprint="full", without="jobs").read_text()
    assert "lifeboat:jobs" not in one.config_file.read_text()
    assert one.overrides() == {"footprint": "full"} and one.declared("jobs") == "off"
    assert not [line for line in patch.splitlines() if line[0] in "+-" and "jobs" in line]
    later = files(tmp_path, "run-2")
    later.stage()
    assert "lifeboat:jobs" in later.config_file.read_text()


def test_a_preview_remembers_nothing(tmp_path: Path) -> None:
    one = files(tmp_path)
    one.stage(footprint="full")
    assert "footprint: full" in one.config_file.read_text()
    assert one.overrides() == {}


def test_the_copy_leads_to_the_projects_own_program(tmp_path: Path) -> None:
    one = files(tmp_path)
    one.stage()
    text = (one.config_file.parent / "Pulumi.yaml").read_text()
    assert f"main: {tmp_path / 'project' / 'infra'}" in text
    assert str(tmp_path / "project" / ".venv") in text


def test_a_stack_without_configuration_is_refused(tmp_path: Path) -> None:
    one = files(tmp_path)
    (tmp_path / "project" / "Pulumi.dr-aws.yaml").unlink()
    with pytest.raises(InputError, match=r"Pulumi\.dr-aws\.yaml is not there"):
        one.stage()


def test_a_wrong_passphrase_is_not_tried_again() -> None:
    for said in ("get stack secrets manager: incorrect passphrase", "passphrase must be set with PULUMI_…"):
        told = explain("dr-aws", RuntimeError(f"code: 255 stderr: error: {said}"), Changes())
        assert isinstance(told, Refusal) and "PULUMI_CONFIG_PASSPHRASE=" in told.cure


def test_what_a_killed_update_made_is_named_with_its_import() -> None:
    urn = "urn:pulumi:dr-aws::lifeboat::lifeboat:aws:BackupKey$aws:kms/replicaKey:ReplicaKey::backups"
    failed = Changes(errors=[f"creating {urn}: (AlreadyExistsException) mrk-1 already exists in us-east-1."])
    parent = "urn:pulumi:dr-aws::lifeboat::lifeboat:aws:BackupKey::backup-key"
    begun = {urn: {"urn": urn, "parent": parent, "inputs": {"region": "us-east-1"}}}
    told = explain("dr-aws", RuntimeError("code: 255"), failed, begun)
    assert f"--parent 'parent={parent}' aws:kms/replicaKey:ReplicaKey backups ID@us-east-1" in told.cure
    assert "backups ID, then dr resume" in explain("dr-aws", RuntimeError("code: 255"), failed).cure


def test_only_an_update_of_the_database_is_harmless() -> None:
    from recovery.actions.adopt_database import harmful

    urn = "urn:pulumi:dr::p::aws:rds/instance:Instance::database"
    changes = Changes(steps=[f"update {urn}", "replace urn:other", f"delete-replaced {urn}"])
    assert harmful(changes, urn) == [f"delete-replaced {urn}"]


@pytest.mark.parametrize(
    ("host", "pid", "stale"),
    [
        (platform.node(), 2**22 - 7, True),
        (platform.node(), os.getpid(), False),
        ("elsewhere", 2**22 - 7, False),
    ],
    ids=("gone", "alive", "elsewhere"),
)
def test_a_lock_is_stale_only_when_its_process_was_here_and_is_gone(host: str, pid: int, stale: bool) -> None:
    said = f"currently locked by 1 lock(s).\n  file:///x.json: created by root@{host} (pid {pid}) at now"
    assert stale_locks(said) is stale
    assert not stale_locks("the stack is currently locked")


# --- checks ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("reply", "wrong"),
    [
        (Reply(200, {}, "all good"), ""),
        (Reply(503, {}, "all good"), "answers 503, expected 200"),
        (Reply(200, {}, "bad"), "lacks `good`"),
    ],
)
def test_a_reply_is_judged_by_status_and_content(reply: Reply, wrong: str) -> None:
    from recovery.actions.verify_service import judge

    said = judge(HttpCheck(name="a", path="/", expect=Expect(contains="good")), reply)
    assert wrong in said and bool(wrong) == bool(said)


def test_the_runs_id_is_filled_in_everywhere() -> None:
    value: dict[str, Any] = {"a": ["x-${run}", {"b": "${run}"}], "n": 1}
    assert filled(value, "r1") == {"a": ["x-r1", {"b": "r1"}], "n": 1}


# --- permissions -------------------------------------------------------------------------------------


def test_the_recovery_roles_permissions_are_those_of_the_actions() -> None:
    """Cure when it fails: `dr permissions --write`."""
    kept = json.loads((ROOT / permissions.FILE).read_text())["actions"]
    ours = [
        name for name in registry.names() if not name.startswith(("note", "find", "use", "fixed", "half"))
    ]
    assert kept == list(permissions.needed(ours))


@pytest.mark.parametrize(
    ("service", "operation", "covered"),
    [("s3", "HeadObject", True), ("s3", "CreateBucket", False), ("rds", "DeleteDBCluster", False)],
)
def test_a_call_is_covered_by_the_permission_that_iam_asks_for(
    service: str, operation: str, covered: bool
) -> None:
    assert permissions.covers(["s3:GetObject", "rds:DeleteDBInstance"], service, operation) is covered


# --- artefacts ---------------------------------------------------------------------------------------


def _archive(path: Path, mode: int) -> Path:
    with tarfile.open(path, "w:gz") as archive:
        entry = tarfile.TarInfo("./start")
        entry.mode, entry.size = mode, 1
        archive.addfile(entry, io.BytesIO(b"#"))
    return path


def test_an_artefact_gets_a_manifest_with_its_hash(tmp_path: Path) -> None:
    made = bundle.load(_archive(tmp_path / "a.tar.gz", 0o755), "web", "v7", NOW)
    assert list(made.files) == ["web/v7/artefact.tar.gz", "web/v7/manifest.json"]
    assert json.loads(made.manifest)["version"] == "v7" and len(json.loads(made.manifest)["sha256"]) == 64


def test_an_artefact_that_cannot_start_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no executable `start`"):
        bundle.load(_archive(tmp_path / "a.tar.gz", 0o644), "web", "v7", NOW)


def test_contracts_to_keep_must_be_good(tmp_path: Path) -> None:
    contracts.keep(tmp_path)
    assert state.contract_bytes(tmp_path, "prod")
    (tmp_path / "contracts" / "prod.json").write_text("{")
    with pytest.raises(InputError, match="no good contract of stack prod"):
        state.contract_bytes(tmp_path, "prod")
