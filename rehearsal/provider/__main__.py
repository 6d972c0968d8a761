"""`pulumi-resource-aws`: serve until the engine ends us."""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
from concurrent import futures
from pathlib import Path

import grpc
from pulumi.runtime.proto import provider_pb2_grpc

from rehearsal.provider.server import Provider

LIMIT = [("grpc.max_receive_message_length", 64 << 20), ("grpc.max_send_message_length", 64 << 20)]


def main(folder: Path) -> None:
    """Serve from the plugin's folder (its log, its schemas). The first line of stdout is the port."""
    logging.basicConfig(
        filename=folder / "provider.log",
        level=logging.WARNING,
        format="%(asctime)s %(process)d %(levelname)s %(message)s",
    )
    server = grpc.server(futures.ThreadPoolExecutor(32), options=LIMIT)
    provider_pb2_grpc.add_ResourceProviderServicer_to_server(Provider(folder / "schemas.json"), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    print(port, flush=True)
    over = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: over.set())
    parent = os.getppid()
    while not over.wait(1) and os.getppid() == parent:
        pass
    server.stop(0)
    os._exit(0)


if __name__ == "__main__":
    main(Path(os.environ.get("LIFEBOAT_PLUGIN", sys.path[0])))
