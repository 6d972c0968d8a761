"""The rehearsal world: regions that can be lost, on a /16 of loopback of their own.

One *control process* per world holds the clouds' control planes and drives everything that is real:
PostgreSQL servers and machines (child processes), and, through the feed, one *network process* with load
balancers, name servers and health checkers. `World` is what each part of the control process is handed.
"""

from __future__ import annotations

import json
import os
import random
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rehearsal.durations import CLOUD_SECONDS
from rehearsal.processes import Child, Spawner

if TYPE_CHECKING:
    from rehearsal.aws.faults import Faults


class RegionLostError(Exception):
    """The region went away while something in it was under way."""


@dataclass(frozen=True)
class WorldSettings:
    """What a world is made of; written to `world.json` in its home, and read by every process of it."""

    name: str
    home: Path
    prefix: str
    """First two octets of its addresses, e.g. `127.21`."""
    scale: float
    regions: tuple[str, ...]
    primary: str
    standby: str
    seed: int
    uid: int | None
    """The unprivileged user that PostgreSQL and machines run as; None when we are not root."""
    python: Path
    """A Python that this user can execute."""
    postgres: Path
    """Folder of PostgreSQL's programs that this user can execute."""
    api_port: int = 4566

    @property
    def port_offset(self) -> int:
        """Added to ports below 1024, which only root may bind."""
        return 0 if os.geteuid() == 0 else 20_000

    def port(self, port: int) -> int:
        """The real port for a cloud's port."""
        return port + self.port_offset if port < 1024 else port

    @property
    def api_address(self) -> str:
        """Where the clouds' APIs listen."""
        return f"{self.prefix}.0.1"

    @property
    def api_url(self) -> str:
        """AWS_ENDPOINT_URL."""
        return f"http://{self.api_address}:{self.api_port}"

    def name_server_addresses(self) -> tuple[str, ...]:
        """Route 53's four name servers."""
        return tuple(f"{self.prefix}.0.{n}" for n in (53, 54, 55, 56))

    def resolver_addresses(self) -> tuple[str, ...]:
        """Two caching resolvers, as customers' providers run them."""
        return tuple(f"{self.prefix}.0.{n}" for n in (153, 154))

    def region_of(self, address: str) -> str:
        """The region that an address given out by `World.address` lies in; empty when in none."""
        octets = address.split(".")
        inside = address.startswith(f"{self.prefix}.") and len(octets) == 4
        index = int(octets[2]) % 16 - 1 if inside else -1
        return self.regions[index] if 0 <= index < len(self.regions) else ""

    def summary(self) -> str:
        """One line for people."""
        where = f"{', '.join(self.regions)} on {self.prefix}.0.0/16"
        return f"{where} · cloud waits divided by {self.scale:g}"

    def save(self) -> None:
        """Write `world.json`."""
        data = {k: str(v) if isinstance(v, Path) else v for k, v in asdict(self).items()}
        (self.home / "world.json").write_text(json.dumps({"version": 1, **data}, indent=1))

    @classmethod
    def load(cls, home: Path) -> WorldSettings:
        """Read `world.json`; FileNotFoundError when no world lives there."""
        data: dict[str, Any] = json.loads((home / "world.json").read_text())
        data.pop("version")
        for key in ("home", "python", "postgres"):
            data[key] = Path(data[key])
        data["regions"] = tuple(data["regions"])
        return cls(**data)


@dataclass
class Region:
    """A region's liveness."""

    name: str
    number: int
    lost: threading.Event = field(default_factory=threading.Event)


class World:
    """Handed to every part of the control process. Thread-safe."""

    def __init__(self, settings: WorldSettings) -> None:
        self.settings = settings
        self.regions = {name: Region(name, i + 1) for i, name in enumerate(settings.regions)}
        self.spawner = Spawner(settings.uid, settings.home / "children.jsonl")
        self.faults: Faults | None = None
        """The fault plane, for what a cloud does by itself (launches inside an Auto Scaling group)."""
        self._random = random.Random(settings.seed)
        self._lock = threading.RLock()
        self._addresses: dict[str, str] = {}
        self._on_loss: list[Callable[[str], None]] = []
        self._on_return: list[Callable[[str], None]] = []
        self._on_end: list[Callable[[], None]] = []
        self.feed = settings.home / "feed"
        self.feed.mkdir(parents=True, exist_ok=True)
        self._waits = (settings.home / "waits.jsonl").open("a", buffering=1)

    # --- addresses -------------------------------------------------------------------------------------

    def address(self, region: str, owner: str) -> str:
        """An address in the region for `owner` (any unique text); the same one each time it is asked."""
        with self._lock:
            key = f"{region}/{owner}"
            if key not in self._addresses:
                n = sum(1 for k in self._addresses if k.startswith(f"{region}/")) + 10
                self._addresses[key] = (
                    f"{self.settings.prefix}.{self.regions[region].number + n // 250 * 16}.{n % 250}"
                )
            return self._addresses[key]

    # --- the cloud's own waits ---------------------------------------------------------------------------

    def cloud_seconds(self, what: str) -> float:
        """How long AWS takes for `what` (rehearsal/durations.py), unscaled."""
        return CLOUD_SECONDS[what]

    def wait(self, what: str, region: str, *, cause: str = "") -> None:
        """Sleep through a wait that the cloud imposes, divided by the scale, and record it.

        `cause` is the user agent of the call that started it, so that waits can be told to a run's step.
        Raises RegionLostError when the region goes away meanwhile.
        """
        seconds = self.cloud_seconds(what)
        started = time.time()
        gone = self.regions[region].lost.wait(seconds / self.settings.scale)
        self.record_wait(what, region, started, seconds, cause=cause)
        if gone:
            raise RegionLostError(region)

    def record_wait(
        self, what: str, region: str, started: float, cloud_seconds: float, *, cause: str = ""
    ) -> None:
        """Note a wait in `waits.jsonl`: wall times here, and `cloud_s`, what AWS would take."""
        row = {
            "what": what,
            "region": region,
            "started": started,
            "ended": time.time(),
            "cloud_s": cloud_seconds,
            "cause": cause,
        }
        self._waits.write(json.dumps(row) + "\n")

    def after(
        self, what: str, region: str, then: Callable[[], None], *, cause: str = "", resumes: bool = False
    ) -> None:
        """Run `then` in a thread of its own once the cloud's wait is over; never when the region is lost.

        With `resumes`, for what no controller takes up again: a whole wait after the region is back.
        """

        def run() -> None:
            while True:
                try:
                    self.wait(what, region, cause=cause)
                except RegionLostError:
                    if not resumes:
                        return
                    while self.is_lost(region):
                        time.sleep(0.2)
                else:
                    then()
                    return

        threading.Thread(target=run, daemon=True, name=f"after-{what}").start()

    def every(self, seconds: float, do: Callable[[], None], *, name: str) -> None:
        """A controller: run `do` every `seconds` of wall time, for ever; errors go to the world's log."""
        from rehearsal.log import log

        def run() -> None:
            while True:
                try:
                    do()
                except Exception:
                    log.exception("controller failed", controller=name)
                time.sleep(seconds)

        threading.Thread(target=run, daemon=True, name=name).start()

    # --- regions -----------------------------------------------------------------------------------------

    def is_lost(self, region: str) -> bool:
        """Whether the region is gone."""
        return region in self.regions and self.regions[region].lost.is_set()

    def lost_regions(self) -> tuple[str, ...]:
        """Names of the regions that are gone."""
        return tuple(name for name, region in self.regions.items() if region.lost.is_set())

    def on_loss(self, do: Callable[[str], None]) -> None:
        """Call `do(region)` when a region is lost (kill its processes without mercy)."""
        self._on_loss.append(do)

    def on_return(self, do: Callable[[str], None]) -> None:
        """Call `do(region)` when a lost region comes back."""
        self._on_return.append(do)

    def on_end(self, do: Callable[[], None]) -> None:
        """Call `do()` when the world ends, before its children are killed."""
        self._on_end.append(do)

    def lose(self, region: str) -> None:
        """The region is gone: its processes end and its APIs time out. One that is gone stays as it is."""
        with self._lock:
            if self.is_lost(region):
                return
            self.regions[region].lost.set()
        self._tell(self._on_loss, region)
        self.publish("regions", {"lost": list(self.lost_regions())})

    def give_back(self, region: str) -> None:
        """The region is back, with what it had on its disks. In one that is there nothing starts twice."""
        with self._lock:
            if not self.is_lost(region):
                return
            self.regions[region].lost.clear()
        self._tell(self._on_return, region)
        self.publish("regions", {"lost": list(self.lost_regions())})

    def _tell(self, whom: Iterable[Callable[[str], None]], region: str) -> None:
        threads = [threading.Thread(target=do, args=(region,), daemon=True) for do in whom]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(10)

    # --- the feed between the control process and the network process ------------------------------------

    def publish(self, section: str, value: Any) -> None:
        """Hand `value` (JSON) to the network process; a section is replaced as a whole, atomically."""
        publish(self.feed, section, value)

    def fetch(self, section: str) -> Any:
        """The last value that the network process published under `section`, or None."""
        return fetch(self.feed, section)

    # --- processes ---------------------------------------------------------------------------------------

    def spawn(self, argv: list[str], *, cwd: Path, env: dict[str, str], log: Path) -> Child:
        """Start an unprivileged child that dies with the world (see rehearsal/processes.py)."""
        return self.spawner.spawn(argv, cwd=cwd, env=env, log=log)

    def end(self) -> None:
        """The world ends: so do its children."""
        for do in self._on_end:
            do()
        self.spawner.end()


def publish(feed: Path, section: str, value: Any) -> None:
    """Write a feed section atomically, if it differs from what is there."""
    path = feed / f"{section}.json"
    text = json.dumps(value, sort_keys=True)
    try:
        if path.read_text() == text:
            return
    except OSError:
        pass
    temporary = path.with_suffix(f".{os.getpid()}.{threading.get_ident()}")
    temporary.write_text(text)
    temporary.replace(path)


def fetch(feed: Path, section: str) -> Any:
    """Read a feed section; None when there is none yet."""
    try:
        return json.loads((feed / f"{section}.json").read_text())
    except (OSError, ValueError):
        return None
