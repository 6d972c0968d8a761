"""The story that these tests look at: a platform stands, its region is lost and recovered from, it returns.

The part in between is a program of its own (`python -m tests.integration.region_story WORLD OUT`), since it
points its process at the world. It rotates the master password a moment before the loss: what is restored
knows the one before.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from recovery import reports
from recovery.engine.record import runs_folder
from rehearsal import company, launch
from rehearsal.company import PRIMARY, Platform
from rehearsal.findings import Findings
from rehearsal.rehearsal import Rehearsal
from rehearsal.steering import Steering
from rehearsal.story import Story

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Ended:
    """A command that ended."""

    code: int
    out: str
    err: str
    seconds: float

    @property
    def lines(self) -> list[dict[str, Any]]:
        """Its output as JSON objects, one a line."""
        return [json.loads(line) for line in self.out.splitlines()]


@dataclass(frozen=True)
class Stage:
    """The world, and what can be asked of it."""

    platform: Platform

    def dr(self, *words: str, timeout: float = 120) -> Ended:
        return self.run([sys.executable, "-m", "recovery.cli", *words], timeout=timeout)

    def run(self, command: Sequence[str], timeout: float = 120, **more: str) -> Ended:
        began = time.monotonic()
        done = subprocess.run(
            command,
            cwd=self.platform.project,
            env=dict(self.platform.environment) | more,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=timeout,
        )
        return Ended(done.returncode, done.stdout, done.stderr, time.monotonic() - began)

    def status(self) -> dict[str, Any]:
        ended = self.dr("status", "--json")
        assert ended.code == 0, ended.err
        return ended.lines[0]

    def site_status(self, stack: str) -> dict[str, Any]:
        return next(site for site in self.status()["sites"] if site["stack"] == stack)

    def calls(self) -> list[dict[str, Any]]:
        text = (self.platform.settings.home / "calls.jsonl").read_text()
        return [json.loads(line) for line in text.splitlines()]


@dataclass(frozen=True)
class Recovered(Stage):
    """The same after the loss and the way back."""

    out: Path
    said: dict[str, Any]

    @property
    def run_id(self) -> str:
        return str(self.said["run"])

    @property
    def folder(self) -> Path:
        return runs_folder(self.platform.state) / self.run_id

    @cached_property
    def report(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.out / "report.json").read_text())
        return found

    @cached_property
    def journal(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in (self.folder / "journal.jsonl").read_text().splitlines()]

    def fact(self, step: str) -> dict[str, Any]:
        found = [e for e in self.journal if e["step"] == step and e["event"] == "ok"]
        assert len(found) == 1, f"{step} is on record as done {len(found)} times"
        fact: dict[str, Any] = found[0]["data"]["fact"]
        return fact

    def database(self) -> dict[str, Any]:
        """The one database of the standby's region."""
        rds = self.platform.client("rds", self.platform.settings.standby)
        found: list[dict[str, Any]] = rds.describe_db_instances()["DBInstances"]
        assert len(found) == 1
        return found[0]

    def made(self) -> list[str]:
        """Whatever of the standby's region a recovery makes: databases and machines, by id."""
        ec2 = self.platform.client("ec2", self.platform.settings.standby)
        groups = ec2.describe_instances()["Reservations"]
        machines = [i["InstanceId"] for g in groups for i in g["Instances"]]
        return sorted([self.database()["DbiResourceId"], *machines])


class WithRotation(Rehearsal):
    """A rehearsal in which somebody rotates the master password just before the region goes away."""

    rotated_at = 0.0

    def _lose(self) -> Findings:
        self.rotated_at = time.time()
        rotate(self._platform)
        return super()._lose()


def rotate(platform: Platform) -> None:
    """Secret and database get a new password; returns once the database takes it."""
    import psycopg

    region, site = platform.settings.primary, platform.site(PRIMARY)
    secrets, rds = platform.client("secretsmanager", region), platform.client("rds", region)
    name, identifier = site.secrets.database_master, site.database.identifier
    login = json.loads(secrets.get_secret_value(SecretId=name)["SecretString"])
    login["password"] = f"rotated-{os.urandom(12).hex()}"
    secrets.put_secret_value(SecretId=name, SecretString=json.dumps(login))
    rds.modify_db_instance(
        DBInstanceIdentifier=identifier, MasterUserPassword=login["password"], ApplyImmediately=True
    )
    address = rds.describe_db_instances(DBInstanceIdentifier=identifier)["DBInstances"][0]["Endpoint"]
    until = time.monotonic() + 15
    while True:
        try:
            psycopg.connect(
                host=address["Address"], port=address["Port"], dbname="postgres", sslmode="require",
                user=login["username"], password=login["password"], connect_timeout=3,
            ).close()  # fmt: skip
        except psycopg.OperationalError:
            if time.monotonic() > until:
                raise
            time.sleep(0.1)
        else:
            return


def main(world: str, out: Path) -> None:
    """Lose the region and come back; writes the report, and prints what was found."""
    running = launch.find(world)
    assert running is not None
    platform = company.reach(running.settings)
    began, out = time.monotonic(), out.resolve()
    rehearsal = WithRotation(platform, Story(out=sys.stderr), scenario="region-loss", out=out)
    report, readable, found = rehearsal.carry_out(began)
    reports.write(out, report, readable)
    said = {
        "run": found.run,
        "exit": found.exit_code,
        "problems": found.problems,
        "notes": found.notes,
        "lost_at": found.lost_at,
        "rotated_at": rehearsal.rotated_at,
        "unread": found.loss.unread if found.loss else None,
        "kept": report.kept(),
    }
    print(json.dumps(said))


def back(stage: Stage) -> None:
    """The lost region returns, with what it had on its disks, and its site serves on its own address."""
    settings = stage.platform.settings
    Steering(settings).give_back(settings.primary)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
