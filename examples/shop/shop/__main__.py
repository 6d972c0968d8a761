"""The shop's server.

GET  /healthz          this server runs; asks nothing else
GET  /ready            the database answers
POST /orders           {"client": "...", "n": 7} -> 201 {"id": ...} once it is committed; may be repeated
GET  /orders?client=c  {"client": "c", "n": [1, 2, ...]}
"""

from __future__ import annotations

import json
import threading
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from shop import jobs
from shop.database import Database, say
from shop.secrets import Unavailable
from shop.settings import Settings


class Shop(ThreadingHTTPServer):
    """Listens; one thread for each connection."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, settings: Settings, database: Database) -> None:
        super().__init__((settings.address, settings.port), Handler)
        self.settings = settings
        self.database = database


class Handler(BaseHTTPRequestHandler):
    """Answers."""

    server: Shop
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1
    timeout = 75

    def do_GET(self) -> None:
        """Pages and queries."""
        url = urlsplit(self.path)
        match url.path:
            case "/":
                self._answer(HTTPStatus.OK, {"shop": self.server.settings.version})
            case "/healthz":
                who = self.server.settings
                self._answer(HTTPStatus.OK, {"version": who.version, "jobs": who.jobs, "mail": who.mail})
            case "/ready":
                self._with_database(self._ready)
            case "/orders":
                client = parse_qs(url.query).get("client", [""])[0]
                self._with_database(lambda: self._orders(client))
            case _:
                self._answer(HTTPStatus.NOT_FOUND, {"error": "there is no such page"})

    def do_POST(self) -> None:
        """Orders."""
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if urlsplit(self.path).path != "/orders":
            self._answer(HTTPStatus.NOT_FOUND, {"error": "there is no such page"})
            return
        try:
            order = json.loads(body)
            client, n = str(order["client"]), int(order["n"])
        except (ValueError, KeyError, TypeError):
            self._answer(HTTPStatus.BAD_REQUEST, {"error": 'an order is {"client": text, "n": number}'})
            return
        self._with_database(lambda: self._place(client, n))

    def _ready(self) -> None:
        with self.server.database.transaction() as connection:
            connection.execute("SELECT 1 FROM orders LIMIT 1")
        self._answer(HTTPStatus.OK, {"ready": True})

    def _orders(self, client: str) -> None:
        with self.server.database.transaction() as connection:
            rows = connection.execute(
                "SELECT n FROM orders WHERE client = %s ORDER BY n", [client]
            ).fetchall()
        self._answer(HTTPStatus.OK, {"client": client, "n": [n for (n,) in rows]})

    def _place(self, client: str, n: int) -> None:
        with self.server.database.transaction() as connection:
            row = connection.execute(
                "INSERT INTO orders (client, n) VALUES (%s, %s)"
                " ON CONFLICT (client, n) DO UPDATE SET n = excluded.n RETURNING id, xmax = 0",
                [client, n],
            ).fetchone()
            order, new = row if row else (None, False)
            if new:
                connection.execute(
                    "INSERT INTO outbox (order_id, text) VALUES (%s, %s)", [order, f"order {n} of {client}"]
                )
        # committed: only now may the customer be told
        self._answer(HTTPStatus.CREATED, {"id": order})

    def _with_database(self, do: Any) -> None:
        try:
            do()
        except Unavailable as error:
            self._answer(HTTPStatus.SERVICE_UNAVAILABLE, {"error": str(error)})
        except ConnectionError:
            self.close_connection = True
        except Exception as error:
            say(f"{self.command} {self.path}: {error!r}")
            self._answer(HTTPStatus.INTERNAL_SERVER_ERROR, {"error": type(error).__name__})

    def _answer(self, status: HTTPStatus, value: dict[str, Any]) -> None:
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("X-Served-By", f"{self.server.settings.region}/{self.server.settings.instance}")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """The load balancer keeps the access log."""


def main() -> None:
    """Serve for ever."""
    settings = Settings.from_environment()
    database = Database(settings)
    server = Shop(settings, database)
    say(f"shop {settings.version} at {settings.address}:{settings.port}")

    def prepare() -> None:
        database.prepare()
        say("shop: database ready")
        jobs.start(settings, database)

    threading.Thread(target=prepare, daemon=True, name="prepare").start()
    server.serve_forever()


if __name__ == "__main__":
    main()
