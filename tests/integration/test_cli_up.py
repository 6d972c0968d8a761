"""The project's stacks by the `pulumi` program itself, as a person types it, in a rehearsal world.

One world for all of it, in the order of the file: what a later test finds, an earlier one left.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from infra.policies.rules.whole import COMPANIONS
from rehearsal.environment import environment
from rehearsal.launch import world
from rehearsal.project import prepare

ROOT = Path(__file__).resolve().parents[2]
INSTANCE = "aws:rds/instance:Instance"


def cli() -> Path:
    """The Pulumi CLI that `./dr` uses."""
    found = os.environ.get("LIFEBOAT_PULUMI")
    if found:
        return Path(found)
    installer = [sys.executable, str(ROOT / "tools" / "pulumi" / "install.py")]
    return Path(subprocess.run(installer, check=True, capture_output=True, text=True).stdout.strip()).parent


@dataclass
class Shell:
    """`pulumi` in a copy of the project."""

    project: Path
    environment: dict[str, str]

    def pulumi(self, *words: str, fails: bool = False) -> str:
        done = subprocess.run(
            ["pulumi", "--non-interactive", "--color", "never", *words],
            cwd=self.project,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )
        said = done.stdout + done.stderr
        assert (done.returncode != 0) is fails, said[-4000:]
        return said

    def up(self, stack: str) -> dict[str, int]:
        pack = str(self.project / "infra" / "policies")
        return counts(self.pulumi("up", "--yes", "--skip-preview", "--stack", stack, "--policy-pack", pack))

    def resources(self, stack: str) -> list[dict[str, object]]:
        found: list[dict[str, object]] = json.loads(self.pulumi("stack", "export", "--stack", stack))[
            "deployment"
        ]["resources"]
        return found


def counts(said: str) -> dict[str, int]:
    """`3 created`, `146 unchanged` of the summary."""
    summary = said.rsplit("Resources:", 1)[-1]
    return {
        word: int(number)
        for number, word in re.findall(r"(\d+) (created|updated|deleted|replaced|unchanged)", summary)
    }


@pytest.fixture(scope="module")
def shell() -> Iterator[Shell]:
    with world(f"test-cli-{os.getpid()}", scale=600) as settings:
        project = prepare(settings, ROOT)
        link = project / "infra"  # a program of our own to change
        link.unlink()
        shutil.copytree(ROOT / "infra", link, ignore=shutil.ignore_patterns("__pycache__"))
        head = project / "Pulumi.yaml"
        head.write_text(re.sub(r"^main: .*$", "main: infra/", head.read_text(), flags=re.MULTILINE))
        variables = environment(settings, pulumi=cli()) | {
            "LIFEBOAT_PYTHON": sys.executable,
            "PYTHONPATH": str(project),  # the copy's infra, not the checkout's
        }
        yield Shell(project, variables)


def database(shell: Shell) -> dict[str, object]:
    return next(r for r in shell.resources("prod") if r["type"] == INSTANCE)


@pytest.mark.parametrize("stack", ["edge", "dr-aws", "prod"])
def test_every_stack_comes_up_with_the_policy_pack_on(shell: Shell, stack: str) -> None:
    shell.pulumi("stack", "init", stack, "--no-select")
    assert set(shell.up(stack)) == {"created"}


@pytest.mark.parametrize("stack", ["edge", "dr-aws", "prod"])
def test_a_second_up_changes_nothing(shell: Shell, stack: str) -> None:
    assert set(shell.up(stack)) == {"unchanged"}


@pytest.mark.parametrize("stack", ["edge", "dr-aws", "prod"])
def test_a_refresh_finds_no_drift(shell: Shell, stack: str) -> None:
    said = shell.pulumi("refresh", "--yes", "--skip-preview", "--stack", stack, "--expect-no-changes")
    assert set(counts(said)) == {"unchanged"}


def test_the_tracked_files_are_as_they_were(shell: Shell) -> None:
    for file in ROOT.glob("Pulumi*.yaml"):
        assert "encryptionsalt" not in file.read_text()
    assert "encryptionsalt" in (shell.project / "Pulumi.prod.yaml").read_text()


def test_secrets_are_not_readable_in_the_state(shell: Shell) -> None:
    inputs = database(shell)["inputs"]
    assert isinstance(inputs, dict)
    assert "ciphertext" in inputs["password"]


@pytest.mark.parametrize("stack", ["edge", "dr-aws", "prod"])
def test_what_guards_a_protected_bucket_is_protected_like_it(shell: Shell, stack: str) -> None:
    resources = shell.resources(stack)
    kept = {r["id"] for r in resources if r["type"] == "aws:s3/bucket:Bucket" and r.get("protect")}
    guards = [r for r in resources if str(r["type"]).removeprefix("aws:") in COMPANIONS and r["id"] in kept]
    assert len(guards) == len(kept) * len(COMPANIONS) > 0
    assert all(guard.get("protect") for guard in guards)


def test_no_machine_starts_before_its_role_may_do_what_a_boot_does(shell: Shell) -> None:
    profiles = [r for r in shell.resources("prod") if "InstanceProfile" in str(r["type"])]
    assert len(profiles) == 2
    for profile in profiles:
        assert "iam/rolePolicy" in str(profile["dependencies"])


def test_the_policy_pack_stops_what_it_must(shell: Shell) -> None:
    file = shell.project / "infra" / "aws" / "database.py"
    text = file.read_text()
    assert "storage_encrypted=True" in text
    bare = "\n\nfrom pulumi_aws import s3\n\ns3.Bucket('bare')\n"
    file.write_text(text.replace("storage_encrypted=True", "storage_encrypted=False") + bare)
    try:
        pack = str(shell.project / "infra" / "policies")
        said = shell.pulumi("preview", "--stack", "prod", "--policy-pack", pack, fails=True)
    finally:
        file.write_text(text)
    assert "mandatory" in said.lower()
    assert "storageEncrypted must be true" in said
    assert "bare: has no BucketPublicAccessBlock" in said


def test_other_retention_ends_the_copying_of_backups_before_it_begins_again(shell: Shell) -> None:
    file = shell.project / "Pulumi.prod.yaml"
    text = file.read_text()
    file.write_text(re.sub(r"(backupRetentionDays:) \S+", r'\1 "15"', text))
    try:
        said = shell.pulumi("preview", "--stack", "prod", "--json", "--show-replacement-steps")
        steps = json.JSONDecoder().raw_decode(said[said.index("{") :])[0]["steps"]
    finally:
        file.write_text(text)
    ops = [s["op"] for s in steps if "AutomatedBackupsReplication" in s["urn"]]
    assert ops.index("delete-replaced") < ops.index("create-replacement"), ops
    assert [s["op"] for s in steps if s["urn"].endswith(f"{INSTANCE}::database")] == ["update"]


def test_a_renamed_component_keeps_the_database(shell: Shell) -> None:
    before = database(shell)
    file = shell.project / "infra" / "aws" / "platform.py"
    text = file.read_text()
    ends = "            self.labels,\n        )\n        if database.instance is None:"
    renamed, times = re.subn(r'(Database\(\s*)"database"', r'\1"orders"', text)
    assert times == 1, "platform.py no longer makes the database component by this name"
    assert text.count(ends) == 1, "platform.py no longer ends the component so"
    renamed = renamed.replace(ends, ends.replace("labels,", 'labels,\n            formerly=("database",),'))
    file.write_text(renamed)
    try:
        said = shell.pulumi("up", "--yes", "--skip-preview", "--stack", "prod")
    finally:
        file.write_text(text)
    assert "replaced" not in counts(said)
    assert database(shell)["id"] == before["id"]
    shell.up("prod")
    assert database(shell)["id"] == before["id"]


def test_destroy_respects_protection(shell: Shell) -> None:
    before = database(shell)
    said = shell.pulumi("destroy", "--yes", "--skip-preview", "--stack", "prod", fails=True)
    assert "protect" in said
    assert database(shell)["id"] == before["id"]
