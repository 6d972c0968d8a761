"""Target health: targets of used groups are asked at the group's interval and believed by its thresholds.

A new target needs one success to be healthy, later `healthy` in a row; `unhealthy` failures in a row make it
unhealthy. Source: ELB User Guide, "Health checks for Application Load Balancer target groups".
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

import httpx

from rehearsal.balancers.model import Health, HealthCheck, Target, TargetGroup

# Intervals are the cloud's and are scaled; how long a machine takes to answer is real and is not.
_SHORTEST_INTERVAL_S = 0.2
_SHORTEST_TIMEOUT_S = 2.0
_REGISTERING = Health(
    state="initial", reason="Elb.RegistrationInProgress", description="Target registration is in progress"
)


class Probe:
    """Watches one target for as long as its task runs."""

    def __init__(
        self, group: TargetGroup, target: Target, *, scale: float, client: httpx.AsyncClient
    ) -> None:
        self.group, self.target = group, target
        self.health = _REGISTERING
        self._scale, self._client = scale, client
        self._successes = self._failures = 0

    async def run(self, changed: Callable[[], None], paused: Callable[[], bool]) -> None:
        """Probe for ever; `changed` is called when the target's health did."""
        while True:
            started = time.monotonic()
            if not paused():
                wrong = await self._ask()
                if not paused() and self._judge(wrong):
                    changed()
            interval = max(self.group.check.interval / self._scale, _SHORTEST_INTERVAL_S)
            await asyncio.sleep(max(0.02, started + interval - time.monotonic()))

    async def _ask(self) -> Health | None:
        """None when the target answered as it should."""
        check = self.group.check
        port = self.target.port if check.port == "traffic-port" else int(check.port)
        url = f"{check.protocol.lower()}://{self.target.address}:{port}{check.path}"
        timeout = max(check.timeout / self._scale, _SHORTEST_TIMEOUT_S)
        try:
            answer = await self._client.get(
                url, timeout=timeout, headers={"user-agent": "ELB-HealthChecker/2.0", "connection": "close"}
            )
        except httpx.TimeoutException:
            return Health(state="unhealthy", reason="Target.Timeout", description="Request timed out")
        except httpx.HTTPError:
            return Health(
                state="unhealthy", reason="Target.FailedHealthChecks", description="Health checks failed"
            )
        if matches(check, answer.status_code):
            return None
        return Health(
            state="unhealthy",
            reason="Target.ResponseCodeMismatch",
            description=f"Health checks failed with these codes: [{answer.status_code}]",
        )

    def _judge(self, wrong: Health | None) -> bool:
        before, check = self.health, self.group.check
        if wrong is None:
            self._successes, self._failures = self._successes + 1, 0
            needed = 1 if before.state == "initial" else check.healthy
            if before.state != "healthy" and self._successes >= needed:
                self.health = Health(state="healthy")
        else:
            self._successes, self._failures = 0, self._failures + 1
            if self._failures >= check.unhealthy:
                self.health = wrong
        return self.health != before


def matches(check: HealthCheck, status: int) -> bool:
    """Whether a status is among the codes (`200`, `200,202`, `200-299`) that the check wants."""
    for part in check.codes.split(","):
        low, _, high = part.partition("-")
        if int(low) <= status <= int(high or low):
            return True
    return False
