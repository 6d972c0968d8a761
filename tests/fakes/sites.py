"""Sites in memory: they keep what recovery asked of them, and count every effect."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from infra.outputs import DatabaseSettings, EdgeContract, SiteContract
from recovery.endpoints import Answer, Endpoints, Reply
from recovery.errors import ActionFailed, Refusal
from recovery.runner.jobs import GrantAccess, Job, Result
from recovery.sites.values import Backups, Finding, Group, Health, Identity, Instance, Targets

NOW = datetime(2026, 11, 21, 14, 2, 0, tzinfo=UTC)


@dataclass
class FakeDatabase:
    """RDS: restores take two looks until they have an endpoint; modifying is refused `busy` times."""

    effects: Counter[str]
    region: str
    known: dict[str, Instance] = field(default_factory=dict)
    replicated: list[Backups] = field(default_factory=list)
    busy: int = 0
    passwords: dict[str, str] = field(default_factory=dict)
    key: str | None = None

    def backups(self) -> Sequence[Backups]:
        return tuple(self.replicated)

    def find(self, identifier: str) -> Instance | None:
        found = self.known.get(identifier)
        if found is not None and found.host is None:
            self.known[identifier] = replace(found, host="10.20.1.7", status="backing-up")
        return found

    def restore(
        self, backups: Backups, to: datetime | None, identifier: str, settings: DatabaseSettings,
        tags: Mapping[str, str],
    ) -> Instance:  # fmt: skip
        if identifier not in self.known:
            self.effects[f"restore {identifier}"] += 1
            self.known[identifier] = Instance(
                identifier, "db-1", f"arn:aws:rds:{self.region}:1:db:{identifier}", "creating", None,
                settings.port, settings.engine_version, False, settings.backup_retention_days, None,
                dict(tags),
            )  # fmt: skip
        return self.known[identifier]

    def set_master_password(self, identifier: str, password: str) -> bool:
        if self.busy:
            self.busy -= 1
            return False
        self.passwords[identifier] = password
        return True

    def change(
        self, identifier: str, *, multi_az: bool | None = None, backup_retention_days: int | None = None
    ) -> bool:
        if self.busy:
            self.busy -= 1
            return False
        now = self.known[identifier]
        self.known[identifier] = replace(
            now,
            status="available",
            multi_az=now.multi_az if multi_az is None else multi_az,
            backup_retention_days=backup_retention_days or now.backup_retention_days,
        )
        return True

    def delete(self, identifier: str) -> None:
        if identifier in self.known and "lifeboat-run" not in self.known[identifier].tags:
            raise Refusal(f"{identifier} is not a recovery's")
        if self.known.pop(identifier, None):
            self.effects[f"delete {identifier}"] += 1

    def key_trouble(self, settings: DatabaseSettings) -> str | None:
        return self.key


@dataclass
class FakeWeb:
    """A group that grows at once, up to its maximum."""

    effects: Counter[str]
    now: Group = field(default_factory=lambda: Group(0, 0, 6, 0, False))
    held: bool = True
    troubles: tuple[str, ...] = ()

    def group(self) -> Group:
        return self.now

    def targets(self) -> Targets:
        return Targets(self.now.desired, self.now.desired)

    def scale(self, servers: int) -> None:
        if servers > self.now.maximum:
            raise ActionFailed(f"{servers} are more than {self.now.maximum}")
        if servers > self.now.desired:
            self.effects["scale"] += 1
            self.now = replace(self.now, desired=servers, in_service=servers)

    def stop(self) -> None:
        self.now = Group(0, 0, 0, 0, False)

    def rest(self) -> None:
        self.now = replace(self.now, minimum=0, desired=0, in_service=0)

    def failures(self, since: datetime) -> Sequence[str]:
        return self.troubles

    def holding_page(self) -> bool:
        return self.held

    def serve(self) -> str:
        before = [{"Type": "fixed-response" if self.held else "forward"}]
        self.effects["serve"] += int(self.held)
        self.held = False
        return json.dumps(before)

    def hold(self, actions: str) -> None:
        self.held = not actions or "fixed-response" in actions


@dataclass
class FakeStores:
    """Buckets as dicts."""

    objects: dict[tuple[str, str], bytes] = field(default_factory=dict)
    down: bool = False

    def read(self, store: str, key: str) -> bytes | None:
        self._reach()
        return self.objects.get((store, key))

    def write(self, store: str, key: str, body: bytes) -> None:
        self._reach()
        self.objects[store, key] = body

    def put_new(self, store: str, key: str, body: bytes) -> bool:
        self._reach()
        return self.objects.setdefault((store, key), body) is body

    def delete(self, store: str, key: str) -> None:
        self._reach()
        self.objects.pop((store, key), None)

    def keys(self, store: str, prefix: str) -> Sequence[str]:
        self._reach()
        return tuple(sorted(key for where, key in self.objects if where == store and key.startswith(prefix)))

    def _reach(self) -> None:
        if self.down:
            raise ActionFailed("the store does not answer")


@dataclass
class FakeSecrets:
    """Secrets as dicts."""

    values: dict[str, dict[str, Any]]

    def read(self, name: str) -> Mapping[str, Any]:
        return self.values[name]

    def update(self, name: str, **values: str | int) -> bool:
        changed = {**self.values[name], **values} != self.values[name]
        self.values[name] |= values
        return changed


@dataclass
class FakeRunner:
    """Machines that answer at the second look; `fail` names jobs that fail the first time."""

    effects: Counter[str]
    jobs: dict[str, Job] = field(default_factory=dict)
    results: dict[str, Result] = field(default_factory=dict)
    fail: set[str] = field(default_factory=set)
    values: dict[str, Any] = field(default_factory=dict)

    def prepare(self, key: str, tags: Mapping[str, str]) -> None:
        self.effects[f"machine {key}"] = 1

    def start(self, key: str, job: Job, tags: Mapping[str, str]) -> str:
        self.effects[f"machine {key}"] = 1
        if key not in self.jobs:
            self.effects[f"job {key}"] += 1
            self.jobs[key] = job
        return "i-1"

    def progress(self, key: str) -> str | None:
        return "working"

    def result(self, key: str) -> Result | None:
        if key not in self.jobs:
            return None
        if key not in self.results:
            bad = self.jobs[key].kind in self.fail
            self.fail.discard(self.jobs[key].kind)
            extra = {"app_role": "shop"} if isinstance(self.jobs[key], GrantAccess) else {}
            self.results[key] = Result(
                ok=not bad, what="it failed" if bad else "", values={**self.values, **extra}
            )
            return None
        return self.results[key]

    def retry(self, key: str) -> None:
        self.jobs.pop(key, None)
        self.results.pop(key, None)


@dataclass
class FakeFence:
    """Quarantine as a flag."""

    quarantined: bool = False

    def quarantine(self) -> Sequence[str]:
        done = () if self.quarantined else ("2 servers stopped",)
        self.quarantined = True
        return done

    def release(self) -> None:
        self.quarantined = False

    def is_quarantined(self) -> bool:
        return self.quarantined


class FakeSite:
    """All parts of one site."""

    def __init__(self, contract: SiteContract, effects: Counter[str], *, lost: bool) -> None:
        self.contract = contract
        self.lost = lost
        self.messages: list[str] = []
        self.gone: list[str] = []
        self.database = FakeDatabase(effects, contract.region)
        self.web = FakeWeb(effects)
        self.stores = FakeStores()
        login = {
            "username": "shopadmin",
            "password": "standby-master",
            "host": "",
            "port": 5432,
            "dbname": "",
        }
        self.secrets = FakeSecrets(
            {
                contract.secrets.database_master: dict(login),
                contract.secrets.database_app: {**login, "username": "shop", "password": "standby-app"},
                contract.secrets.verify_token: {"token": "t0k3n"},
            }
        )
        self.runner = FakeRunner(effects)
        self.fence = FakeFence()

    def announce(self, title: str, body: str) -> None:
        self.messages.append(f"{title}: {body}")

    def measure(self, metric: str, database: str, seconds: float) -> None:
        self.messages.append(f"{metric} {database} {seconds}")

    def identity(self) -> Identity:
        return Identity("aws", self.contract.account, "fake")

    def lacking(self) -> Sequence[str]:
        return tuple(self.gone)

    def probe(self) -> Sequence[Finding]:
        health = Health.UNHEALTHY if self.lost else Health.HEALTHY
        return (Finding(f"rds@{self.contract.region}", health, "fake"),)


@dataclass
class FakeLatch:
    """The latch as a flag; None while it cannot be read."""

    effects: Counter[str]
    there: bool | None = False
    said: str = "somebody else's run: lost"

    def engage(self, reason: str) -> None:
        self.effects["latch"] += int(not self.there)
        self.there, self.said = True, reason

    def release(self) -> None:
        self.there = False

    def engaged(self) -> bool | None:
        return self.there

    def reason(self) -> str | None:
        return self.said if self.there else None


@dataclass(frozen=True)
class FakeEndpoints(Endpoints):
    """Answers by functions: no connection is ever opened."""

    answer: Callable[[str, str, str | None], Reply] = lambda _method, _path, _to: Reply(200, {}, "ok 1")
    lead: Callable[[str], str] = lambda _server: "dr-aws.origin.shop.example"

    def resolve(self, name: str, *, timeout: float = 2.0) -> tuple[str, ...]:
        return (f"10.0.0.{len(name)}",)

    def ask(self, server: str, name: str, *, recursive: bool, timeout: float = 1.0) -> Answer:
        origin = self.lead(server)
        return Answer(server, "NOERROR", ("app.origin.shop.example", origin), ("10.0.0.1",))

    def https(
        self, method: str, host: str, path: str, *, connect_to: str | None = None,
        headers: Mapping[str, str] | None = None, json: Any = None, timeout: float = 5.0,
    ) -> Reply:  # fmt: skip
        return self.answer(method, path, connect_to)


class FakeSites:
    """Both sites of a company whose primary is lost, and its names."""

    def __init__(self, source: SiteContract, target: SiteContract) -> None:
        self.effects: Counter[str] = Counter()
        self.sites = {
            source.stack: FakeSite(source, self.effects, lost=True),
            target.stack: FakeSite(target, self.effects, lost=False),
        }
        self.the_latch = FakeLatch(self.effects)
        self.endpoints: Endpoints = FakeEndpoints(answer=_gone_primary)
        self.check = Health.UNHEALTHY
        standby = self.sites[target.stack]
        standby.database.replicated.append(
            Backups(
                id="arn:backups",
                database=source.database.identifier,
                source_region=source.region,
                earliest=NOW - timedelta(days=14),
                latest=NOW - timedelta(seconds=90),
                status="replicating",
                storage_gb=50,
                engine_version="17.6",
            )
        )
        version, content = source.web.artefact_version, b"a build"
        stated = {"version": version, "sha256": hashlib.sha256(content).hexdigest()}
        standby.stores.write("artefacts", f"web/{version}/manifest.json", json.dumps(stated).encode())
        standby.stores.write("artefacts", f"web/{version}/artefact.tar.gz", content)

    def of(self, contract: SiteContract) -> FakeSite:
        return self.sites[contract.stack]

    def latch(self, edge: EdgeContract) -> FakeLatch:
        return self.the_latch

    def check_status(self, edge: EdgeContract, check: str) -> Finding:
        return Finding(f"check {check}", self.check, "fake")


def _gone_primary(method: str, path: str, to: str | None) -> Reply:
    if to == "prod.origin.shop.example":
        raise ActionFailed("https://prod.origin.shop.example: ConnectTimeout")
    return Reply(201 if method == "POST" else 200, {}, "ok 1")
