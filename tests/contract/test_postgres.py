"""The servers behind the rehearsal's databases: killed, recovered and read as the real ones are."""

from __future__ import annotations

import shutil
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from rehearsal import pki, runtime
from rehearsal.postgres import wal
from rehearsal.postgres.archive import Archive, ceil_ms, floor_ms
from rehearsal.postgres.cluster import SUPERUSER, Cluster, Recovery, Shape, make_template
from rehearsal.postgres.programs import PostgresError, Programs
from rehearsal.processes import Spawner
from rehearsal.world import WorldSettings
from tests.fakes.waiting import until


@dataclass
class Workshop:
    """A place to make servers in, without a world."""

    home: Path
    template: Path
    programs: Programs
    made: list[Cluster]

    def cluster(self, name: str) -> Cluster:
        cluster = Cluster(self.programs, self.home / name, self.home / "s" / name)
        self.made.append(cluster)
        return cluster

    def archive(self, name: str) -> Archive:
        return Archive(self.programs, self.home / f"{name}-archive")

    def shape(self, archive: Archive) -> Shape:
        tls = pki.issue(self.home, ["test"])
        command = f"cp %p {archive.wal}/%f.part && mv {archive.wal}/%f.part {archive.wal}/%f"
        return Shape(command, 1, tls.cert, tls.key, force_tls=True)

    def started(self, name: str) -> tuple[Cluster, Archive]:
        cluster, archive = self.cluster(name), self.archive(name)
        cluster.make_new(self.template)
        cluster.configure(self.shape(archive))
        cluster.start(None, 5432)
        cluster.sql("CREATE TABLE t (n int)")
        return cluster, archive


@pytest.fixture(scope="module")
def place() -> Iterator[Path]:
    home = Path(tempfile.mkdtemp(prefix="lifeboat-test-", dir="/tmp"))
    home.chmod(0o755)
    try:
        yield home
    finally:
        shutil.rmtree(home, ignore_errors=True)


@pytest.fixture
def workshop(place: Path) -> Iterator[Workshop]:
    uid = runtime.unprivileged_uid()
    home, regions = Path(tempfile.mkdtemp(dir=place)), ("eu-central-1", "eu-west-1")
    home.chmod(0o755)
    settings = WorldSettings(
        "t", home, "127.19", 60, regions, *regions, 1, uid, Path(), runtime.postgres(uid)
    )
    programs = Programs(settings, Spawner(uid).spawn)
    shop = Workshop(home, make_template(programs, place / "template", "SELECT 1;\n\n"), programs, [])
    try:
        yield shop
    finally:
        for cluster in shop.made:
            cluster.kill()


def archived(cluster: Cluster, archive: Archive) -> None:
    """Hand the present segment to the archive, and wait until it is there."""
    rows = cluster.sql("SELECT pg_walfile_name(pg_switch_wal())")
    _wait_for(archive.wal / str(rows[0][0]))


def _wait_for(path: Path) -> None:
    until(f"{path}", path.exists)


def test_a_killed_server_comes_back_with_every_commit_and_leaves_no_segment_behind(
    workshop: Workshop,
) -> None:
    cluster, _ = workshop.started("one")
    cluster.sql("INSERT INTO t SELECT generate_series(1, 1000)")
    segment = (cluster.data / "postmaster.pid").read_text().splitlines()[6].split()[1]
    cluster.kill()
    lines = Path("/proc/sysvipc/shm").read_text().splitlines()[1:]
    assert segment not in [line.split()[1] for line in lines]
    cluster.start(None, 5432)
    assert cluster.sql("SELECT count(*) FROM t") == [(1000,)]


def test_a_restore_to_the_last_commit_stops_there_whatever_is_archived_meanwhile(workshop: Workshop) -> None:
    cluster, archive = workshop.started("one")
    archive.take_base(cluster.sockets, SUPERUSER)
    cluster.sql("INSERT INTO t VALUES (1)")
    archived(cluster, archive)
    moment = archive.last_commit()
    assert moment is not None
    recovery = Recovery.until(archive, moment.at)
    cluster.sql("INSERT INTO t VALUES (2)")
    archived(cluster, archive)
    restored = workshop.cluster("two")
    restored.make_from(archive.base_for(moment.at), recovery, workshop.shape(workshop.archive("two")))
    restored.start(None, 5432)
    assert restored.sql("SELECT n FROM t") == [(1,)]


def test_a_restore_to_a_moment_between_two_commits_has_the_first_and_not_the_second(
    workshop: Workshop,
) -> None:
    cluster, archive = workshop.started("one")
    archive.take_base(cluster.sockets, SUPERUSER)
    cluster.sql("INSERT INTO t VALUES (1)")
    moment = cluster.sql("SELECT clock_timestamp()")[0][0]
    cluster.sql("INSERT INTO t VALUES (2)")
    archived(cluster, archive)
    restored = workshop.cluster("two")
    base = archive.base_for(moment)
    restored.make_from(base, Recovery.until(archive, moment), workshop.shape(workshop.archive("two")))
    restored.start(None, 5432)
    assert restored.sql("SELECT n FROM t") == [(1,)]
    assert restored.sql("SELECT pg_is_in_recovery()") == [(False,)]


def test_commits_are_read_from_the_log_with_their_transaction_and_time(workshop: Workshop) -> None:
    cluster, archive = workshop.started("one")
    expected = []
    for n in range(3):
        with cluster.connect() as connection, connection.transaction():
            row = connection.execute("SELECT pg_current_xact_id()::text").fetchone()
            connection.execute("INSERT INTO t VALUES (%s)", (n,))
            assert row is not None
            expected.append(int(row[0]))
    with cluster.connect() as connection, connection.transaction(force_rollback=True):
        connection.execute("INSERT INTO t VALUES (99)")
    archived(cluster, archive)
    found = list(wal.commits(workshop.programs.bin, *_ends(wal.segments(archive.wal))))
    assert [each.xid for each in found][-3:] == expected
    assert [each.at for each in found] == sorted(each.at for each in found)
    assert wal.last_commit(workshop.programs.bin, archive.wal) == found[-1]


def _ends(segments: list[Path]) -> tuple[Path, Path]:
    return segments[0], segments[-1]


def test_a_restarted_server_archives_what_it_writes_in_time(workshop: Workshop) -> None:
    cluster, archive = workshop.started("one")
    for _ in range(3):  # whether a checkpointer looks before recovery is over is a race
        cluster.stop()
        cluster.start(None, 5432)
        for _ in range(2):  # the very first record after a start does not count as new to PostgreSQL
            cluster.sql("SELECT pg_current_xact_id()")
        rows = cluster.sql("SELECT pg_walfile_name(pg_current_wal_insert_lsn())")
        _wait_for(archive.wal / str(rows[0][0]))


def test_an_archive_without_a_backup_restores_nothing(workshop: Workshop) -> None:
    cluster, archive = workshop.started("one")
    archived(cluster, archive)
    assert archive.window() is None
    with pytest.raises(LookupError):
        archive.base_for(datetime.now(UTC))


def test_the_window_of_an_archive_is_in_whole_milliseconds_that_can_be_reached(workshop: Workshop) -> None:
    cluster, archive = workshop.started("one")
    base = archive.take_base(cluster.sockets, SUPERUSER)
    cluster.sql("INSERT INTO t VALUES (1)")
    archived(cluster, archive)
    window, last = archive.window(), archive.last_commit()
    assert window is not None
    assert last is not None
    assert window.earliest == ceil_ms(base.finished) >= base.finished
    assert window.latest == floor_ms(last.at) <= last.at


def test_backups_can_be_listed_while_one_is_being_marked_as_whole(workshop: Workshop) -> None:
    archive, now = workshop.archive("listed"), datetime.now(UTC)
    done = threading.Event()

    def mark() -> None:
        for _ in range(300):
            part = archive.folder / "base" / "00001.part"
            part.mkdir()
            archive.add_base(part, now, now)
        done.set()

    thread = threading.Thread(target=mark)
    thread.start()
    while not done.is_set():
        assert len(archive.bases()) <= 1  # a marker that was half written could not be read at all
    thread.join()
    assert len(archive.bases()) == 1


def test_a_server_that_cannot_start_says_why(workshop: Workshop) -> None:
    cluster, _ = workshop.started("one")
    cluster.stop()
    cluster.configure(
        Shape("true", 1, *pki.issue(workshop.home, ["test"]), force_tls=True, parameters={"work_mem": "lots"})
    )
    with pytest.raises(PostgresError, match="work_mem"):
        cluster.start(None, 5432)
