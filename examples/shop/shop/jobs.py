"""Background jobs: a heartbeat, and mail for orders, each only where the environment says `on`."""

from __future__ import annotations

import threading
import time

from shop.database import Database, say
from shop.settings import Settings

_EVERY_S = 1.0


def start(settings: Settings, database: Database) -> None:
    """Run the jobs for as long as this server lives, if they are to run here."""
    if settings.jobs:
        threading.Thread(target=_run, args=(settings, database), daemon=True, name="jobs").start()


def _run(settings: Settings, database: Database) -> None:
    while True:
        try:
            beat(settings, database)
            if settings.mail:
                send(settings, database)
        except Exception as error:
            say(f"jobs: {error}")
        time.sleep(_EVERY_S)


def beat(settings: Settings, database: Database) -> None:
    """Say that this region's shop is alive."""
    with database.transaction() as connection:
        connection.execute(
            "INSERT INTO heartbeat (region) VALUES (%s)"
            " ON CONFLICT (region) DO UPDATE SET beat = heartbeat.beat + 1, at = clock_timestamp()",
            [settings.region],
        )


def send(settings: Settings, database: Database) -> int:
    """Send the mails that wait, each once whichever server takes it; answers how many."""
    with database.transaction() as connection:
        done = connection.execute(
            "UPDATE outbox SET sent_at = clock_timestamp(), sent_by = %s WHERE id IN"
            " (SELECT id FROM outbox WHERE sent_at IS NULL ORDER BY id LIMIT 100 FOR UPDATE SKIP LOCKED)",
            [f"{settings.region}/{settings.instance}"],
        )
        return done.rowcount
