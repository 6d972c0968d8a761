"""Figures about backups: said when known, never guessed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from recovery.readiness.metrics import Figure, figures
from recovery.sites.ports import Backups, Instance

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
LONG_AGO = NOW - timedelta(days=14)


def instance(latest: datetime | None) -> Instance:
    return Instance("shop-db", "db-1", "arn", "available", "host", 5432, "17.6", True, 14, latest)


def backups(latest: datetime, *, database: str = "shop-db", region: str = "eu-central-1") -> Backups:
    return Backups("arn", database, region, LONG_AGO, latest, "replicating", 50, "17.6")


def test_a_database_that_stands_is_measured_here_and_where_its_backups_go() -> None:
    copies = [backups(NOW - timedelta(minutes=12)), backups(NOW - timedelta(days=1))]
    assert figures(instance(NOW - timedelta(minutes=5)), "eu-central-1", copies, NOW) == [
        Figure("RestorableAgeSeconds", "shop-db", 300),
        Figure("BackupReplicationLagSeconds", "shop-db", 720),
    ]


def test_backups_of_other_databases_say_nothing() -> None:
    others = [backups(NOW, database="other"), backups(NOW, region="us-east-1")]
    assert figures(instance(None), "eu-central-1", others, NOW) == []
