"""All load balancers of a world: follows the feed, keeps ports open, probes targets, tells back."""

from __future__ import annotations

import asyncio
import itertools
from functools import partial
from pathlib import Path
from typing import Any

import httpx
from pydantic import ValidationError

from rehearsal.balancers.access_log import Visit, write
from rehearsal.balancers.listener import Port
from rehearsal.balancers.model import (
    Action,
    Balancer,
    Health,
    Listener,
    Network,
    Target,
    TargetGroup,
    TargetHealth,
)
from rehearsal.balancers.probes import Probe
from rehearsal.balancers.proxy import Front
from rehearsal.log import log
from rehearsal.world import WorldSettings, fetch, publish

_LOOK_EVERY_S = 0.05


class Service:
    """The load balancers' side of the network process."""

    def __init__(self, settings: WorldSettings) -> None:
        self._settings = settings
        self._feed = settings.home / "feed"
        self._seen: dict[str, Any] = {}
        self._lost: frozenset[str] = frozenset()
        self._network = Network()
        self._ports: dict[tuple[str, int], Port] = {}
        self._probes: dict[tuple[str, Target], tuple[Probe, asyncio.Task[None]]] = {}
        self._turn = itertools.count()
        self._dirty = True
        # the machine's proxies and certificates are none of a load balancer's business
        self._upstream = httpx.AsyncClient(
            trust_env=False,
            timeout=httpx.Timeout(60, connect=5),
            limits=httpx.Limits(max_connections=512, keepalive_expiry=2.0),
        )
        self._prober = httpx.AsyncClient(
            trust_env=False, verify=False, limits=httpx.Limits(max_keepalive_connections=0)
        )

    async def run(self) -> None:
        """Follow the feed for ever."""
        try:
            while True:
                await self._follow()
                if self._dirty:
                    self._dirty = False
                    self._report()
                await asyncio.sleep(_LOOK_EVERY_S)
        finally:
            self._end()

    async def _follow(self) -> None:
        regions, network = self._news("regions"), self._news("balancers")
        if regions is not None:
            self._lost = frozenset(regions["lost"])
        if network is not None:
            try:
                self._network = Network.model_validate(network)
            except ValidationError:
                log.exception("load balancers: the feed makes no sense")
                return
        if regions is not None or network is not None:
            await self._open_ports()
            self._watch_targets()

    def _news(self, section: str) -> Any:
        """The section, if it changed since it was last looked at."""
        path: Path = self._feed / f"{section}.json"
        try:
            stat = path.stat()
        except FileNotFoundError:
            return None
        mark = (stat.st_mtime_ns, stat.st_ino)
        if self._seen.get(section) == mark:
            return None
        self._seen[section] = mark
        return fetch(self._feed, section)

    # --- ports -------------------------------------------------------------------------------------------

    async def _open_ports(self) -> None:
        wanted = {
            (balancer.address, self._settings.port(listener.port)): (balancer, listener)
            for balancer in self._network.balancers
            for listener in balancer.listeners
            if balancer.state == "active" and (listener.protocol == "HTTP" or listener.certificates)
        }
        for key in self._ports.keys() - wanted.keys():
            self._ports.pop(key).close()
        for key, (balancer, listener) in wanted.items():
            try:
                await self._open(key, balancer, listener)
            except OSError as error:
                log.error("load balancer cannot listen", name=balancer.name, at=key, error=str(error))

    async def _open(self, key: tuple[str, int], balancer: Balancer, listener: Listener) -> None:
        port = self._ports.get(key)
        if port is None:
            front = Front(
                listener,
                region_lost=lambda: balancer.region in self._lost,
                pick=self._pick,
                client=self._upstream,
                real_port=self._settings.port,
                log=partial(self._log, balancer.arn),
            )
            port = self._ports[key] = Port(*key, front)
        port.front.listener = listener
        if balancer.region in self._lost:
            port.silence()
        else:
            await port.open()

    def _log(self, arn: str, visit: Visit, action: Action, status: int, sent: int) -> None:
        for balancer in self._network.balancers:
            if balancer.arn == arn and balancer.access_log:
                write(self._settings.home, balancer, visit.line(balancer, action, status, sent))

    # --- targets -----------------------------------------------------------------------------------------

    def _pick(self, group_arn: str) -> Target | None:
        """A healthy target in turn; when none is, any that is registered: load balancers fail open."""
        group = self._network.target_groups.get(group_arn)
        targets = [target for target in group.targets if target.address] if group else []
        states = {target: self._health(group_arn, target) for target in targets}
        chosen = [target for target in targets if states[target] == "healthy"]
        if not chosen:
            chosen = [target for target in targets if states[target] == "unhealthy"]
        return chosen[next(self._turn) % len(chosen)] if chosen else None

    def _health(self, group_arn: str, target: Target) -> str:
        known = self._probes.get((group_arn, target))
        return known[0].health.state if known else "initial"

    def _watch_targets(self) -> None:
        groups = [group for group in self._network.target_groups.values() if group.used]
        wanted = {
            (group.arn, target): group for group in groups for target in group.targets if target.address
        }
        for key in self._probes.keys() - wanted.keys():
            self._probes.pop(key)[1].cancel()
            self._dirty = True
        for key, group in wanted.items():
            if key in self._probes:
                self._probes[key][0].group = group
            else:
                self._probes[key] = self._probe(group, key[1])
                self._dirty = True

    def _probe(self, group: TargetGroup, target: Target) -> tuple[Probe, asyncio.Task[None]]:
        probe = Probe(group, target, scale=self._settings.scale, client=self._prober)

        def changed() -> None:
            self._dirty = True

        return probe, asyncio.create_task(probe.run(changed, lambda: group.region in self._lost))

    def _report(self) -> None:
        groups: dict[str, dict[str, Health]] = {}
        for (group, target), (probe, _) in self._probes.items():
            groups.setdefault(group, {})[f"{target.id}:{target.port}"] = probe.health
        publish(self._feed, "target-health", TargetHealth(groups=groups).model_dump())

    def _end(self) -> None:
        for _, task in self._probes.values():
            task.cancel()
        for port in self._ports.values():
            port.close()
