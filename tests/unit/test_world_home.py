"""Claims on loopback, homes of worlds, and what is left of worlds that died."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from recovery.errors import InputError
from recovery.procfs import start_time
from rehearsal import home as homes
from rehearsal.processes import end_marked, end_process, end_recorded
from tests.fakes.waiting import until

PORT = 4566


@pytest.fixture(autouse=True)
def claims(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Claims of these tests meet nobody else's: another folder, and a range that no world uses."""
    folder = tmp_path / "claims"
    monkeypatch.setattr(homes, "CLAIMS", folder)
    monkeypatch.setattr(homes, "FIRST", 121)
    monkeypatch.setattr(homes, "LAST", 123)
    yield folder


def sleeper() -> subprocess.Popen[bytes]:
    return subprocess.Popen(["sleep", "60"], start_new_session=True)


def test_two_worlds_never_share_a_range(tmp_path: Path) -> None:
    first = homes.claim(tmp_path / "one", port=PORT)
    second = homes.claim(tmp_path / "two", port=PORT)
    assert first.prefix != second.prefix
    first.give_up()
    second.give_up()


def test_a_claim_outlives_the_process_that_made_it_while_an_heir_holds_it(tmp_path: Path) -> None:
    claim = homes.claim(tmp_path / "one", port=PORT)
    heir = subprocess.Popen(["sleep", "60"], pass_fds=(claim.descriptor,))
    claim.close()
    other = homes.claim(tmp_path / "two", port=PORT)
    assert other.prefix != claim.prefix
    heir.kill()
    heir.wait()
    third = homes.claim(tmp_path / "three", port=PORT)
    assert third.prefix == claim.prefix
    other.give_up()
    third.give_up()


def test_all_ranges_taken_is_one_sentence_with_a_cure(tmp_path: Path) -> None:
    taken = [homes.claim(tmp_path / str(n), port=PORT) for n in range(3)]
    with pytest.raises(InputError, match="are taken") as error:
        homes.claim(tmp_path / "late", port=PORT)
    assert "world down" in error.value.cure
    for claim in taken:
        claim.give_up()


def test_a_range_whose_port_is_taken_is_passed_over(tmp_path: Path) -> None:
    import socket

    with socket.create_server(("127.121.0.1", PORT)):
        claim = homes.claim(tmp_path / "one", port=PORT)
    assert claim.prefix == "127.122"
    claim.give_up()


def test_a_program_that_has_the_port_everywhere_is_named_as_the_reason(tmp_path: Path, claims: Path) -> None:
    import socket

    with contextlib.ExitStack() as stack:
        for n in (121, 122, 123):
            stack.enter_context(socket.create_server((f"127.{n}.0.1", PORT)))
        with pytest.raises(InputError, match=f"listens on port {PORT}") as error:
            homes.claim(tmp_path / "one", port=PORT)
    assert "ss -ltnp" in error.value.cure
    assert list(claims.iterdir()) == []


def test_what_a_dead_world_left_is_removed_by_whoever_takes_its_range(tmp_path: Path) -> None:
    left = tmp_path / f"lifeboat-{os.geteuid()}-dead"
    left.mkdir()
    (left / "world.json").write_text("{}")
    homes.claim(left, port=PORT).close()
    homes.claim(tmp_path / "next", port=PORT).give_up()
    assert not left.exists()


def test_a_stale_claim_never_costs_a_running_world_its_home(tmp_path: Path) -> None:
    left = tmp_path / f"lifeboat-{os.geteuid()}-alive"
    left.mkdir()
    (left / "world.json").write_text("{}")
    process = json.dumps({"pid": os.getpid(), "started": start_time(os.getpid())})
    (left / "process.json").write_text(process)
    homes.claim(left, port=PORT).close()
    homes.claim(tmp_path / "next", port=PORT).give_up()
    assert left.exists()


def test_releasing_leaves_claims_that_somebody_took_over(tmp_path: Path, claims: Path) -> None:
    mine = tmp_path / "mine"
    claim = homes.claim(mine, port=PORT)
    homes.release(mine)
    assert claim.file.exists()
    claim.close()
    homes.release(mine)
    assert not claim.file.exists()


@pytest.mark.parametrize("name", ["", "UPPER", "-dash", "a/b", "x" * 40])
def test_names_that_are_no_folder_names_are_refused(name: str) -> None:
    with pytest.raises(InputError):
        homes.folder(name)


def test_recorded_groups_are_ended_even_when_their_leader_is_gone(tmp_path: Path) -> None:
    leader = subprocess.Popen(
        [sys.executable, "-c", "import subprocess; print(subprocess.Popen(['sleep', '60']).pid, flush=True)"],
        stdout=subprocess.PIPE,
        start_new_session=True,
    )
    assert leader.stdout is not None
    started = start_time(leader.pid)
    child = int(leader.stdout.readline())
    leader.wait()
    record = tmp_path / "children.jsonl"
    record.write_text(json.dumps({"pid": leader.pid, "started": started}) + "\n")
    end_recorded(record)
    until("the child's end", lambda: start_time(child) is None)


def test_whatever_a_rehearsal_started_is_ended_wherever_it_put_itself() -> None:
    started = subprocess.Popen(["sleep", "60"], start_new_session=True, env={"MARK": "this-world"})
    other = subprocess.Popen(["sleep", "60"], start_new_session=True, env={"MARK": "this-world-too"})
    end_marked("MARK", "this-world")
    assert started.wait(10) != 0
    assert other.poll() is None
    other.kill()
    other.wait()


def test_a_process_that_took_over_a_recorded_id_is_left_alone(tmp_path: Path) -> None:
    other = sleeper()
    record = tmp_path / "children.jsonl"
    record.write_text(json.dumps({"pid": other.pid, "started": 1}) + "\n")
    end_recorded(record)
    assert not end_process(other.pid, 1, patience_s=0)
    assert other.poll() is None
    other.kill()
    other.wait()
