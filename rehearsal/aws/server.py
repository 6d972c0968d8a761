"""The control process of a world: `python -m rehearsal.aws.server HOME [CLAIM [PARENT]]`.

It serves AWS's APIs until it is ended, and owns everything else of the world: PostgreSQL servers, machines
and the network process die with it.
"""

from __future__ import annotations

import fcntl
import importlib
import json
import os
import signal
import sys
import threading
from pathlib import Path
from socketserver import ThreadingMixIn
from typing import Any

from rehearsal import home as homes
from rehearsal.aws.faults import Faults
from rehearsal.aws.plane import Plane
from rehearsal.log import log, write_to
from rehearsal.processes import start_network
from rehearsal.steering import serve as steering
from rehearsal.world import World, WorldSettings

SLICES = ("rehearsal.aws.stores", "rehearsal.aws.names", "rehearsal.aws.rds", "rehearsal.aws.compute")
# Loading a service's model takes tenths of seconds; a recovery should not pay for it.
_WARM = ("sts", "iam", "ec2", "s3", "kms", "secretsmanager", "rds", "elbv2", "autoscaling", "route53", "acm")


def main(home: Path, parent: int | None = None) -> int:
    """Serve the world that lives in `home`; returns when it was asked to end.

    A world with a `parent` ends when that is gone, and clears up: nobody else will.
    """
    settings = WorldSettings.load(home)
    write_to(home / "world.log")
    os.environ.setdefault("MOTO_ALLOW_NONEXISTENT_REGION", "false")
    world = World(settings)
    world.faults = faults = Faults(settings.seed)
    server = _server(settings, Plane(world, _moto(), faults, own_api=steering(world, faults)))
    for name in SLICES:
        importlib.import_module(name).install(world)
    world.publish("regions", {"lost": []})
    network = start_network(settings)
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    threading.Thread(target=server.serve_forever, daemon=True, name="api").start()
    threading.Thread(target=_warm, daemon=True, name="warm").start()
    _ready(home)
    while not ended.wait(0.5) and not _orphaned(parent):
        if network.poll() is not None:
            log.error("the network process ended", code=network.returncode)
            return 1
    world.end()
    network.terminate()
    network.wait(5)
    if _orphaned(parent):
        homes.remove(home)
        homes.claim_file(settings.prefix).unlink(missing_ok=True)  # ours until this process is gone
    return 0


def _orphaned(parent: int | None) -> bool:
    return parent is not None and os.getppid() != parent


def _moto() -> Any:
    from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app

    def create(service: Any) -> Any:
        app = create_backend_app(service)
        # errors reach the plane, which shapes them as AWS does; Flask would answer with a page of HTML
        app.debug = False
        app.config["PROPAGATE_EXCEPTIONS"] = True
        return app

    return DomainDispatcherApplication(create)


def _server(settings: WorldSettings, app: Any) -> Any:
    from moto.moto_server.werkzeug_app import MotoRequestHandler
    from werkzeug.serving import BaseWSGIServer

    class Handler(MotoRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True
        wbufsize = -1  # one packet for status line, headers and body

        def handle_expect_100(self) -> bool:
            """Answer at once, and once: what is only buffered makes botocore wait a second."""
            self.send_response_only(100)
            self.end_headers()
            self.wfile.flush()
            del self.headers["Expect"]
            return True

        def log(self, type: str, message: str, *args: Any) -> None:
            """Calls are logged by the plane."""

    class Server(ThreadingMixIn, BaseWSGIServer):
        multithread = True
        daemon_threads = True
        request_queue_size = 512

    return Server(settings.api_address, settings.api_port, app, handler=Handler)


def _warm() -> None:
    from moto.core.routing import get_service_router
    from moto.core.utils import get_service_model

    for name in _WARM:
        try:
            get_service_model(name)
            if name in ("s3", "route53"):
                get_service_router(name)
        except Exception:
            log.exception("warming failed", service=name)


def _ready(home: Path) -> None:
    """Say that the world can be used: `control.json` appears at once and whole."""
    temporary = home / ".control"
    temporary.write_text(json.dumps({"version": 1, "pid": os.getpid()}))
    temporary.rename(home / "control.json")


def keep_claim(descriptor: int) -> None:
    """Hold the claim on the world's addresses (an open, locked file) for as long as this process lives."""
    fcntl.fcntl(descriptor, fcntl.F_SETFD, fcntl.FD_CLOEXEC)


if __name__ == "__main__":
    if len(sys.argv) > 2:
        keep_claim(int(sys.argv[2]))
    sys.exit(main(Path(sys.argv[1]), *map(int, sys.argv[3:])))
