"""What a rehearsal waits for: a service that answers, backups that reach far enough."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from recovery.errors import LifeboatError

if TYPE_CHECKING:
    from rehearsal.company import Platform

_SERVES_WITHIN_S = 60.0
_BACKUPS_WITHIN_S = 90.0


def wait_for_service(platform: Platform) -> None:
    """Until the service answers under its public name, from its database."""
    from recovery.endpoints import Endpoints
    from recovery.errors import ActionFailed

    endpoints = Endpoints.from_environment(platform.environment)
    name, said = platform.edge().service_name, ""
    until = time.monotonic() + _SERVES_WITHIN_S
    while time.monotonic() < until:
        try:
            reply = endpoints.https("GET", name, "/ready", timeout=2)
        except ActionFailed as error:
            said = str(error)
        else:
            if reply.status == 200:
                return
            said = f"{reply.status} {reply.text[:200]}"
        time.sleep(0.1)
    raise LifeboatError(f"https://{name}/ready does not answer after {_SERVES_WITHIN_S:.0f}s", means=said)


def wait_for_backups(platform: Platform, moment: float) -> None:
    """Until the standby's replicated backups reach past it (epoch seconds); LifeboatError if they do not."""
    rds = platform.client("rds", platform.settings.standby)
    until = time.monotonic() + _BACKUPS_WITHIN_S
    while time.monotonic() < until:
        found = rds.describe_db_instance_automated_backups()["DBInstanceAutomatedBackups"]
        windows = [backup.get("RestoreWindow", {}) for backup in found]
        if any("LatestTime" in w and w["LatestTime"].timestamp() > moment for w in windows):
            return
        time.sleep(0.2)
    raise LifeboatError(
        "the standby's replicated backups do not get younger", means=f"restore windows: {windows}"
    )
