"""Jobs run again although the region that backups are copied to is lost as well."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from recovery.actions import release_jobs
from recovery.actions.base import Context
from recovery.actions.release_jobs import ReleaseJobs
from recovery.errors import OutOfTime, Refusal
from recovery.stack_files import Place, StackFiles
from recovery.stacks import Changes
from tests.unit.test_actions import Room

CONFIG = 'config:\n  aws:region: eu-west-1\n  lifeboat:backupRegion: us-east-1\n  lifeboat:jobs: "off"\n'
KEY = "urn:pulumi:dr-aws::lifeboat::aws:Site$aws:BackupKey$aws:kms/replicaKey:ReplicaKey::backups"


class Brought(StackFiles):
    """A stack whose `up` only notes its configuration."""

    known: tuple[str, ...] = ()
    trouble: Exception | None = None
    config = ""

    def ids(self) -> dict[str, str]:
        return dict.fromkeys(self.known, "id")

    def up(self, *_: Any) -> Changes:
        self.config = self.config_file.read_text()
        if self.trouble:
            raise self.trouble
        return Changes()

    def export(self) -> dict[str, Any]:
        raise Refusal("there is no engine here")


@pytest.fixture
def room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Room:
    monkeypatch.setenv("LIFEBOAT_STATE", str(tmp_path / "state"))
    (tmp_path / "Pulumi.yaml").write_text("name: lifeboat\nmain: infra/\nruntime: python\n")
    (tmp_path / "Pulumi.dr-aws.yaml").write_text(CONFIG)
    return Room(tmp_path)


@pytest.fixture
def stack(room: Room, monkeypatch: pytest.MonkeyPatch) -> Brought:
    made = Brought("dr-aws", Place(room.folder, room.folder / "state", room.folder, "run", "release-jobs"))
    monkeypatch.setattr(release_jobs, "stack_of", lambda _ctx, _name: made)
    return made


def context(room: Room, *lost: str, **with_: Any) -> Context:
    return replace(room.context("release-jobs", **with_), lost=frozenset({"eu-central-1", *lost}))


def regions(ctx: Context) -> set[str]:
    return {need.region for need in ReleaseJobs().needs(ctx)}


def test_the_region_that_backups_go_to_is_needed_unless_it_is_lost(room: Room) -> None:
    assert regions(context(room)) == {"eu-west-1", "us-east-1"}
    assert regions(context(room, "us-east-1")) == {"eu-west-1"}
    assert regions(context(room, copy_backups=False)) == {"eu-west-1"}


def test_jobs_do_not_wait_for_copies_of_backups_in_a_lost_region(room: Room, stack: Brought) -> None:
    fact = ReleaseJobs().perform(context(room, "us-east-1"))
    assert 'jobs: "on"' in stack.config and "backupRegion" not in stack.config
    assert "not copied to us-east-1" in fact.says() and "pulumi up --stack dr-aws" in fact.says()
    assert "backupRegion" not in "".join(
        line for line in Path(fact.patch).read_text().splitlines() if line[:1] in "+-"
    )


def test_copies_begin_with_the_jobs_while_their_region_is_there(room: Room, stack: Brought) -> None:
    fact = ReleaseJobs().perform(context(room))
    assert "backupRegion: us-east-1" in stack.config
    assert "not copied" not in fact.says()


def test_copies_that_are_there_are_not_ended_by_the_loss_of_their_region(room: Room, stack: Brought) -> None:
    stack.known = (KEY,)
    ReleaseJobs().perform(context(room, "us-east-1"))
    assert "backupRegion: us-east-1" in stack.config


def test_a_region_that_nobody_knew_to_be_lost_is_named_with_the_way_around_it(
    room: Room, stack: Brought
) -> None:
    stack.trouble = OutOfTime("pulumi was stopped", cure="then dr resume")
    with pytest.raises(OutOfTime) as told:
        ReleaseJobs().perform(context(room))
    assert "us-east-1" in told.value.cure and "release-jobs.copy_backups=false" in told.value.cure
