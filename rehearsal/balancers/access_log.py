"""A line for each request, as an ALB logs it, in a file that the control process delivers.

Source: ELB User Guide, "Access logs for your Application Load Balancer", "Access log entries".
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from rehearsal.balancers.model import Action, Balancer, Redirect, Target
from rehearsal.balancers.rules import Request


def file_of(home: Path, arn: str) -> Path:
    """Where lines of a load balancer wait for delivery."""
    return home / "access-logs" / f"{arn.rpartition('/')[2]}.log"


@dataclass
class Visit:
    """One request on its way through a load balancer."""

    request: Request
    client: str
    user_agent: str
    began: float
    target: Target | None = None
    group: str = "-"
    asked: float = 0.0
    answered: float = 0.0
    target_status: str = "-"
    received: int = 0

    def line(self, balancer: Balancer, action: Action, status: int, sent: int) -> str:
        """The log entry, once it was answered."""
        now, request = time.time(), self.request
        target = f"{self.target.address}:{self.target.port}" if self.target else "-"
        before = f"{self.asked - self.began:.3f}" if self.target else "-1"
        during = f"{self.answered - self.asked:.3f}" if self.answered else "-1"
        after = f"{now - self.answered:.3f}" if self.answered else "-1"
        query = f"?{request.query}" if request.query else ""
        url = f"{request.scheme}://{request.host}:{request.port}{request.path}{query}"
        secure = request.scheme == "https"
        name = request.host if secure else "-"
        moved = '"redirect"' if isinstance(action, Redirect) else '"-"'
        fields = [
            request.scheme, _stamp(now), balancer.arn.partition(":loadbalancer/")[2], self.client, target,
            before, during, after, str(status), self.target_status, str(self.received), str(sent),
            f'"{request.method} {url} HTTP/1.1"', f'"{self.user_agent or "-"}"', "-",
            "TLSv1.3" if secure else "-", self.group, '"-"', f'"{name}"', '"-"', "0",
            _stamp(self.began), f'"{action.kind}"', moved, '"-"', f'"{target}"', f'"{self.target_status}"',
            '"-"', '"-"',
        ]  # fmt: skip
        return " ".join(fields)


def write(home: Path, balancer: Balancer, line: str) -> None:
    """Put a line where it is delivered from."""
    path = file_of(home, balancer.arn)
    path.parent.mkdir(exist_ok=True)
    with path.open("a") as out:
        out.write(line + "\n")


def _stamp(moment: float) -> str:
    return f"{datetime.fromtimestamp(moment, UTC):%Y-%m-%dT%H:%M:%S.%fZ}"
