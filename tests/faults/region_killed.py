"""Loses a world's region and recovers it by a `dr run` that is killed with -9 at every step, twice.

A program of its own: it points its process at the world. Prints what was left, as JSON.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from recovery.engine import record as records
from recovery.engine import standing
from rehearsal import company, launch, ready
from rehearsal.company import STANDBY, Platform
from rehearsal.steering import Steering
from rehearsal.story import Story

PATIENCE_S = 700.0


@dataclass
class Killer:
    """Kills in each step, a moment after it began, and as soon as it is done; each of these places once."""

    places: set[tuple[str, str]] = field(default_factory=set)
    kills: int = 0

    def carry(self, platform: Platform, command: list[str]) -> int | None:
        """Run a `dr` command and kill it at the next place; its exit code, or None when it was killed."""
        child = subprocess.Popen(
            [sys.executable, "-m", "recovery.cli", *command],
            cwd=platform.project,
            env=dict(platform.environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert child.stdout is not None
        soon: threading.Timer | None = None
        for line in child.stdout:
            print(line.rstrip(), file=sys.stderr, flush=True)
            place = self._place(line)
            if place is None or place in self.places:
                continue
            self.places.add(place)
            if soon is not None or place[1] == "ok":  # steps side by side come to places at once
                child.kill()
            else:
                soon = threading.Timer(0.15 * (len(self.places) % 5), child.kill)
                soon.start()
        if soon is not None:
            soon.cancel()
        code = child.wait()
        self.kills += code == -signal.SIGKILL
        return None if code == -signal.SIGKILL else code

    @staticmethod
    def _place(line: str) -> tuple[str, str] | None:
        event = json.loads(line) if line.startswith('{"at"') else {}
        return (event["step"], event["event"]) if event.get("event") in ("started", "ok") else None


def recover(platform: Platform) -> tuple[int, Killer]:
    """Carry the plan out to its end; exit code, and who killed it on the way."""
    killer, began = Killer(), time.monotonic()
    command = ["run", "region-loss", "--confirm=region-loss", "--by=ada", "--approve=cutover=ada"]
    while time.monotonic() - began < PATIENCE_S:
        code = killer.carry(platform, [*command, "--no-wait", "--json"])
        if code is not None:
            return code, killer
        if records.names(platform.state):
            command = ["resume", "latest", "--by", "ada"]
    raise TimeoutError(f"not recovered after {PATIENCE_S:.0f}s and {killer.kills} kills")


def left(platform: Platform, run: str) -> dict[str, Any]:
    """What the run made, counted by its tags."""
    region = platform.settings.standby
    mine = {"Name": "tag:lifeboat-run", "Values": [run]}
    reservations = platform.client("ec2", region).describe_instances(Filters=[mine])["Reservations"]
    jobs: Counter[str] = Counter()
    for instance in (i for r in reservations for i in r["Instances"]):
        tags = {tag["Key"]: tag["Value"] for tag in instance["Tags"]}
        jobs[f"{tags['lifeboat-step']} {tags.get('lifeboat-job', '')}"] += 1
    databases = platform.client("rds", region).describe_db_instances()["DBInstances"]
    journal = standing.entries(platform.state, run)
    return {
        "databases": len(databases),  # adoption gives it the stack's tags; the standby had none before
        "jobs": dict(jobs),
        "outcome": standing.outcome(journal),
        "steps": {e.step: 0 for e in journal if e.step}
        | Counter(e.step for e in journal if e.event == "ok" and e.step),
        "events": [(e.step, e.event, e.attempt) for e in journal],
    }


def main(name: str) -> None:
    """Bring a platform up, lose its region, recover it under fire, tell, take the world down."""
    settings = launch.up(name, scale=120, dies_with_us=True)
    try:
        platform = company.reach(settings)
        company.bring_up(platform, Story(out=sys.stderr))
        ready.wait_for_backups(platform, time.time())
        Steering(settings).lose(settings.primary)
        code, killer = recover(platform)
        run = records.names(platform.state)[-1]
        runs = len(records.names(platform.state))
        serving = platform.site(STANDBY).web.origin_name
        told = {
            "exit": code,
            "kills": killer.kills,
            "places": len(killer.places),
            "runs": runs,
            "site": serving,
        }
        print(json.dumps(told | left(platform, run)))
    finally:
        launch.down(name)


if __name__ == "__main__":
    main(sys.argv[1])
