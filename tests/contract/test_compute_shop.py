"""The example company's shop runs from its own artefact on a machine and a database of the world."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
import webtier
from databases import Databases, no_proxies
from webtier import ROOT, Cloud

from rehearsal import launch
from tests.fakes.waiting import until

pytestmark = pytest.mark.world
APP = {"username": "shop_app", "password": "app-of-the-shop-1", "dbname": "shop", "port": 5432}


@dataclass
class Shop:
    cloud: Cloud
    databases: Databases
    database: dict[str, Any]
    instance: str
    url: str

    def get(self, path: str) -> httpx.Response | None:
        try:
            return httpx.get(self.url + path, trust_env=False, timeout=10)
        except httpx.HTTPError:
            return None

    def order(self, client: str, n: int) -> int:
        return httpx.post(f"{self.url}/orders", json={"client": client, "n": n}, trust_env=False).status_code

    def ready(self) -> bool:
        answer = self.get("/ready")
        return answer is not None and answer.status_code == 200

    def tell(self, **fields: Any) -> None:
        """Write the region's secret."""
        self.cloud.client("secretsmanager").put_secret_value(
            SecretId="shop/database-app", SecretString=json.dumps(APP | fields)
        )

    def master(self) -> psycopg.Connection[Any]:
        return self.databases.connect(self.database)


def build(out: Path, version: str) -> Path:
    spec = importlib.util.spec_from_file_location("shop_build", ROOT / "examples/shop/build.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    folder: Path = module.build(out, version)
    return folder


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    no_proxies()
    name = f"test-shop-{os.getpid()}"
    settings = launch.up(name, scale=600, dies_with_us=True)
    try:
        cloud = Cloud(settings, settings.primary)
        databases = Databases(settings)
        databases.create("shop")
        site = webtier.build(cloud, "shop")
        folder = build(tmp_path_factory.mktemp("artefact"), "v1")
        for file in folder.iterdir():
            cloud.client("s3").put_object(
                Bucket=site.bucket, Key=f"web/v1/{file.name}", Body=file.read_bytes()
            )
        cloud.client("secretsmanager").create_secret(
            Name="shop/database-app", SecretString=json.dumps(APP | {"host": ""})
        )
        data = webtier.user_data(
            ARTEFACT_BUCKET=site.bucket, ARTEFACT_NAME="web", ARTEFACT_VERSION="v1",
            SECRET_APP="shop/database-app", JOBS="on", MAIL="on", LISTEN_PORT="8080",
        )  # fmt: skip
        made = cloud.client("ec2").run_instances(
            LaunchTemplate={"LaunchTemplateId": webtier.template(site, "shop-app", data)},
            SubnetId=site.subnets[0], MinCount=1, MaxCount=1,
        )["Instances"][0]  # fmt: skip
        database = databases.reach("available", "shop")
        yield Shop(cloud, databases, database, made["InstanceId"], f"http://{made['PrivateIpAddress']}:8080")
    finally:
        launch.down(name)


def test_without_a_database_it_runs_and_says_that_it_is_not_ready(shop: Shop) -> None:
    until("the server", lambda: shop.get("/healthz"))
    answer = shop.get("/ready")
    assert answer is not None
    assert answer.status_code == 503
    assert shop.order("c", 1) == 503


def test_once_the_secret_names_a_database_it_makes_its_tables_and_takes_orders(shop: Shop) -> None:
    with shop.master() as master:
        master.execute(f"CREATE ROLE {APP['username']} LOGIN PASSWORD '{APP['password']}'")
        master.execute(f"GRANT USAGE, CREATE ON SCHEMA public TO {APP['username']}")
    shop.tell(host=shop.database["Endpoint"]["Address"])
    until("readiness", shop.ready)
    assert [shop.order("alice", n) for n in (1, 2, 3)] == [201, 201, 201]
    assert shop.order("alice", 2) == 201, "an order may be repeated"
    answer = shop.get("/orders?client=alice")
    assert answer is not None
    assert answer.json() == {"client": "alice", "n": [1, 2, 3]}
    assert answer.headers["x-served-by"].endswith(shop.instance)


def test_each_order_is_mailed_once_by_the_background_job(shop: Shop) -> None:
    def mailed() -> list[Any] | None:
        with shop.master() as master:
            master.execute("GRANT shop_app TO CURRENT_USER")
            rows = master.execute(
                "SELECT text, sent_by FROM outbox WHERE sent_at IS NOT NULL ORDER BY id"
            ).fetchall()
        return rows if len(rows) >= 3 else None

    rows = until("mail", mailed)
    assert [text for text, _ in rows] == [f"order {n} of alice" for n in (1, 2, 3)]
    assert {by for _, by in rows} == {f"eu-central-1/{shop.instance}"}


def test_a_changed_password_is_found_in_the_secret_without_a_restart(shop: Shop) -> None:
    with shop.master() as master:
        master.execute(f"ALTER ROLE {APP['username']} PASSWORD 'another-password-2'")
        master.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'shop_app'")
    shop.tell(host=shop.database["Endpoint"]["Address"], password="another-password-2")
    until("readiness", shop.ready)
    assert shop.order("alice", 4) == 201


def test_the_same_sources_give_the_same_artefact(tmp_path: Path) -> None:
    one, other = build(tmp_path / "one", "v1"), build(tmp_path / "other", "v1")
    assert (one / "artefact.tar.gz").read_bytes() == (other / "artefact.tar.gz").read_bytes()
    done = subprocess.run(
        [sys.executable, str(ROOT / "examples/shop/build.py")], capture_output=True, text=True, check=False
    )
    assert "usage" in done.stderr
