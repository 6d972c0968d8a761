"""What the control process tells the load balancers (feed section `balancers`), and what they tell back
(`target-health`). Times are the cloud's own, in seconds, unscaled."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict


class Part(BaseModel):
    """A part of the feed."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Forward(Part):
    """Hand the request to one of these target groups, by weight."""

    kind: Literal["forward"] = "forward"
    groups: tuple[tuple[str, int], ...]


class Fixed(Part):
    """Answer it here."""

    kind: Literal["fixed-response"] = "fixed-response"
    status: int
    content_type: str = "text/plain"
    body: str = ""


class Redirect(Part):
    """Send the client elsewhere; `#{host}` and its like stand for parts of the request."""

    kind: Literal["redirect"] = "redirect"
    status: int
    protocol: str = "#{protocol}"
    host: str = "#{host}"
    port: str = "#{port}"
    path: str = "/#{path}"
    query: str = "#{query}"


Action = Forward | Fixed | Redirect


class Condition(Part):
    """Holds when any of its values matches (`*` and `?` are wildcards)."""

    field: Literal["path-pattern", "host-header", "http-header", "http-request-method", "query-string"]
    values: tuple[str, ...]
    """For `query-string`: `key=value`, or `value` for any key."""
    header: str = ""


class Rule(Part):
    """All conditions hold: the action is taken. Rules come in order of priority."""

    conditions: tuple[Condition, ...]
    action: Action


class Certificate(Part):
    """PEM files of a certificate and its key."""

    cert: str
    key: str


class Listener(Part):
    """A port of a load balancer."""

    port: int
    """The cloud's port, before the world's offset."""
    protocol: Literal["HTTP", "HTTPS"]
    certificates: tuple[Certificate, ...] = ()
    """The first is the default; the others are chosen by the name that the client asks for."""
    default: Action
    rules: tuple[Rule, ...] = ()


class Balancer(Part):
    """A load balancer and where it answers."""

    arn: str
    name: str
    region: str
    dns_name: str
    zone_id: str
    address: str
    state: str
    access_log: bool = False
    listeners: tuple[Listener, ...] = ()


class Target(Part):
    """A registered target. An empty address: it has none, for the instance is gone or stopped."""

    id: str
    address: str
    port: int


class HealthCheck(Part):
    """How targets are probed."""

    protocol: Literal["HTTP", "HTTPS"]
    port: str
    """A number, or `traffic-port`."""
    path: str
    codes: str
    interval: float
    timeout: float
    healthy: int
    unhealthy: int


class TargetGroup(Part):
    """Targets and how they are watched."""

    arn: str
    region: str
    used: bool
    """Whether a listener forwards to it; an unused group is not probed."""
    targets: tuple[Target, ...]
    check: HealthCheck


class Network(Part):
    """The section `balancers`."""

    balancers: tuple[Balancer, ...] = ()
    target_groups: dict[str, TargetGroup] = {}


class Health(Part):
    """What probing a target found."""

    state: Literal["initial", "healthy", "unhealthy"]
    reason: str = ""
    description: str = ""


class TargetHealth(Part):
    """The section `target-health`: target group -> target -> health."""

    groups: dict[str, dict[str, Health]] = {}
