"""Customers against a shop that really goes away and really forgets, and the observer beside them."""

from __future__ import annotations

import http.server
import json
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from nameworld import NameWorld, a

from rehearsal import pki
from rehearsal.customers import Customers, Habits
from rehearsal.measures import Request, outage
from rehearsal.observer import Observer
from tests.fakes.waiting import until

SERVICE = "app.customers.example"
HABITS = Habits(clients=2, every=0.05)


@pytest.fixture
def world(names_world: NameWorld) -> NameWorld:
    return names_world


class Shop:
    """Takes orders over HTTPS at one address, into rows that outlive it."""

    def __init__(self, world: NameWorld, address: str, rows: set[tuple[str, int]]) -> None:
        self.rows, self.holding, self.gone = rows, False, False
        self.reads_slowly = False
        shop = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                order = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                if shop.gone:  # a connection that was kept open
                    self.close_connection = True
                    return
                if not shop.holding:
                    shop.rows.add((order["client"], order["n"]))
                self._say(503 if shop.holding else 201, {})

            def do_GET(self) -> None:
                client = parse_qs(urlsplit(self.path).query)["client"][0]
                found = sorted(n for c, n in set(shop.rows) if c == client)
                if shop.reads_slowly:  # each customer has rows acknowledged before this answer arrives
                    enough = len(shop.rows) + 4 * HABITS.clients
                    until("orders were taken meanwhile", lambda: len(shop.rows) >= enough)
                self._say(200, {"client": client, "n": found})

            def _say(self, status: int, body: Any) -> None:
                text = json.dumps(body).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            def log_message(self, *_: Any) -> None:
                pass

        self.server = http.server.ThreadingHTTPServer((address, world.settings.port(443)), Handler)
        issued = pki.issue(world.settings.home, [SERVICE])
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(issued.cert, issued.key)
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


@contextmanager
def shop(world: NameWorld, address: str, rows: set[tuple[str, int]]) -> Iterator[Shop]:
    it = Shop(world, address, rows)
    try:
        yield it
    finally:
        it.gone = True
        it.server.shutdown()
        it.server.server_close()


@contextmanager
def writing(world: NameWorld, out: Path) -> Iterator[Customers]:
    customers = Customers(world.settings, SERVICE, out=out, habits=HABITS)
    customers.start()
    try:
        yield customers
    finally:
        customers.stop()


@pytest.fixture(scope="module")
def zone(names_world: NameWorld) -> str:
    return names_world.zone("customers.example")


def point(world: NameWorld, zone: str, address: str) -> None:
    world.insync(world.change(zone, a(SERVICE, address), action="UPSERT"))


def test_downtime_and_loss_are_what_happened(world: NameWorld, zone: str, tmp_path: Path) -> None:
    here, there = f"{world.settings.prefix}.1.210", f"{world.settings.prefix}.2.210"
    point(world, zone, here)
    rows: set[tuple[str, int]] = set()
    out, watched = tmp_path / "requests.jsonl", tmp_path / "dns.jsonl"
    observer = Observer(world.settings, service=SERVICE, failover_name=SERVICE, out=watched)
    with writing(world, out) as customers:
        with shop(world, here, rows):
            observer.start()
            assert customers.wait_until_served(patience=20)
            taken = set(rows)
        lost_at = time.time()
        until("customers notice", lambda: any(not r.ok for r in customers.requests()))
        surviving = set(taken)  # the backups reach to here
        with shop(world, there, surviving):
            switched_at = time.time()
            point(world, zone, there)
            until("all served again", lambda: (o := outage(customers.requests(), since=lost_at)) and o.ended)
            loss = customers.read_back()
            customers.stop()
            observer.stop()
    seen = outage(customers.requests(), since=lost_at)
    assert seen is not None
    assert seen.seconds is not None
    assert lost_at - 1 < seen.began < switched_at < seen.began + seen.seconds
    acknowledged = {(r.client, r.n) for r in customers.requests() if r.ok}
    assert {(r.client, r.n) for r in loss.rows} == acknowledged - surviving
    assert loss.unread == ()
    assert customers.acknowledged() == len(acknowledged)
    kept = [Request(**json.loads(line)) for line in out.read_text().splitlines()]
    assert kept == list(customers.requests())
    switches = observer.switched(world.settings.standby, since=switched_at)
    assert len(switches) == 6
    assert all(seconds is not None and 0 < seconds < 10 for seconds in switches.values())
    assert set(observer.switched(world.settings.primary, since=lost_at).values()) == {None}


def test_what_is_acknowledged_while_rows_are_read_back_is_not_lost(
    world: NameWorld, zone: str, tmp_path: Path
) -> None:
    address = f"{world.settings.prefix}.1.214"
    point(world, zone, address)
    with shop(world, address, set()) as slow, writing(world, tmp_path / "r") as customers:
        assert customers.wait_until_served(in_a_row=1, patience=20)
        slow.reads_slowly = True
        loss = customers.read_back()
    assert loss.unread == ()
    assert loss.rows == ()


def test_a_holding_page_is_no_service(world: NameWorld, zone: str, tmp_path: Path) -> None:
    address = f"{world.settings.prefix}.1.211"
    point(world, zone, address)
    with shop(world, address, set()) as closed, writing(world, tmp_path / "r") as customers:
        closed.holding = True
        until("a request failed", lambda: any(r.why == "503" for r in customers.requests()))
        assert not any(r.ok for r in customers.requests() if r.why == "503")


def test_a_site_that_cannot_prove_its_name_is_no_service(world: NameWorld, tmp_path: Path) -> None:
    zone = world.zone("impostor.example")
    address = f"{world.settings.prefix}.1.212"
    world.insync(world.change(zone, a("app.impostor.example", address)))
    with shop(world, address, set()):
        customers = Customers(world.settings, "app.impostor.example", out=tmp_path / "r", habits=HABITS)
        customers.start()
        until("a request failed", lambda: any("CERTIFICATE" in r.why for r in customers.requests()))
        customers.stop()
    assert customers.acknowledged() == 0


def test_rows_that_cannot_be_read_back_are_unknown_not_lost(
    world: NameWorld, zone: str, tmp_path: Path
) -> None:
    address = f"{world.settings.prefix}.1.213"
    point(world, zone, address)
    with writing(world, tmp_path / "r") as customers:
        with shop(world, address, set()):
            assert customers.wait_until_served(in_a_row=1, patience=20)
        customers.stop()
    loss = customers.read_back(patience=0.5)
    assert loss.rows == ()
    assert len(loss.unread) == HABITS.clients
