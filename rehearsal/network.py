"""The network process of a world: load balancers, name servers, resolvers and health checkers, on one loop.

`python -m rehearsal.network HOME`; started by the control process, and ends with it.
"""

from __future__ import annotations

import asyncio
import importlib
import signal
import sys
from pathlib import Path

from rehearsal.log import log, write_to
from rehearsal.world import WorldSettings

SERVICES = ("rehearsal.balancers", "rehearsal.dns", "rehearsal.dns.checks", "rehearsal.front")

_START_S = 0.2


async def serve(settings: WorldSettings) -> None:
    """Run every service of the network; the first one that ends, ends them all."""
    services = [importlib.import_module(name).serve for name in SERVICES]
    tasks = [
        asyncio.create_task(run(settings), name=name) for name, run in zip(SERVICES, services, strict=True)
    ]
    ended = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    # whoever cannot start (an address is taken) says so at once
    failed, _ = await asyncio.wait(tasks, timeout=_START_S, return_when=asyncio.FIRST_COMPLETED)
    if not failed:
        (settings.home / "network.ready").touch()
    waiting = asyncio.create_task(ended.wait())
    done, rest = await asyncio.wait([waiting, *tasks], return_when=asyncio.FIRST_COMPLETED)
    for task in rest:
        task.cancel()
    for task in done - {waiting}:
        task.result()
        raise RuntimeError(f"{task.get_name()} ended by itself")


def main(home: Path) -> int:
    """Serve the network of the world in `home` until ended."""
    write_to(home / "network.log")
    try:
        asyncio.run(serve(WorldSettings.load(home)))
    except Exception:
        log.exception("the network process failed")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
