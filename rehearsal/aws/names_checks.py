"""Route 53's health checks: what is declared goes to the checkers, and what they saw comes back.

The checkers themselves run in the network process (rehearsal.dns.checks).
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from moto.core.responses import ActionResult
from moto.route53.exceptions import NoSuchHealthCheck, Route53ClientError
from moto.route53.models import HealthCheck, Route53Backend, route53_backends
from moto.route53.responses import Route53

from rehearsal.aws import ACCOUNT
from rehearsal.aws.patch import around
from rehearsal.world import World

ENDPOINT_TYPES = ("HTTP", "HTTPS", "HTTP_STR_MATCH", "HTTPS_STR_MATCH", "TCP")


def install(world: World) -> None:
    """Patch moto's health checks."""
    publish(world)

    @around(Route53Backend, "create_health_check")
    def create(
        original: Any, self: Route53Backend, caller_reference: str, health_check_args: dict[str, Any]
    ) -> HealthCheck:
        if health_check_args["type"].startswith("HTTPS") and not health_check_args.get("port"):
            health_check_args["port"] = 443  # moto says 80
        _validate(self, health_check_args)
        twin = next((c for c in self.health_checks.values() if c.caller_reference == caller_reference), None)
        if twin is not None:
            return _same(twin, health_check_args)
        check: HealthCheck = original(self, caller_reference, health_check_args)
        publish(world)
        return check

    @around(Route53Backend, "update_health_check")
    def update(
        original: Any, self: Route53Backend, health_check_id: str, health_check_args: dict[str, Any]
    ) -> HealthCheck:
        # what an update leaves out stays; moto's response class says [] for it
        kept = {k: v for k, v in health_check_args.items() if v not in (None, [])}
        if unknown := set(kept.get("children", ())) - set(self.health_checks):
            raise Route53ClientError("InvalidInput", f"no such child health check: {sorted(unknown)}")
        check: HealthCheck = original(self, health_check_id, kept)
        check.health_check_version += 1
        publish(world)
        return check

    @around(Route53Backend, "delete_health_check")
    def delete(original: Any, self: Route53Backend, health_check_id: str) -> None:
        if health_check_id not in self.health_checks:
            raise NoSuchHealthCheck(health_check_id)
        original(self, health_check_id)
        publish(world)

    @around(Route53, "get_health_check_status")
    def status(_: Any, self: Route53) -> ActionResult:
        identifier = self._get_param("HealthCheckId")
        self.backend.get_health_check(identifier)
        return ActionResult({"HealthCheckObservations": observations(world, identifier)})


def observations(world: World, identifier: str) -> list[dict[str, Any]]:
    """What each checker last saw, in the API's shape; empty until the first one has reported."""
    seen = (world.fetch("check-status") or {}).get("checks", {}).get(identifier, {})
    return [
        {
            "Region": each["region"],
            "IPAddress": each["ip"],
            "StatusReport": {
                "Status": each["status"],
                "CheckedTime": datetime.fromtimestamp(each["at"], UTC),
            },
        }
        for each in seen.get("observations", ())
    ]


def publish(world: World) -> None:
    """Tell the checkers what to check."""
    checks = route53_backends[ACCOUNT]["aws"].health_checks
    world.publish("health-checks", {"checks": [_json(check) for check in list(checks.values())]})


def _json(check: HealthCheck) -> dict[str, Any]:
    return {
        "id": check.id,
        "type": check.type_,
        "fqdn": check.fqdn,
        "ip": check.ip_address,
        "port": int(check.port),
        "path": check.resource_path or "/",
        "search": check.search_string,
        "interval": int(check.request_interval),
        "threshold": int(check.failure_threshold),
        "inverted": bool(check.inverted),
        "disabled": bool(check.disabled),
        "sni": bool(check.enable_sni),
        "children": list(check.children or ()),
        "healthy_children": int(check.health_threshold or 0),
    }


def _validate(backend: Route53Backend, wanted: dict[str, Any]) -> None:
    kind = wanted["type"]
    if kind not in (*ENDPOINT_TYPES, "CALCULATED"):
        raise NotImplementedError(f"route53: health checks of type {kind} are not modelled")
    if kind == "CALCULATED":
        if unknown := set(wanted.get("children") or ()) - set(backend.health_checks):
            raise Route53ClientError("InvalidInput", f"no such child health check: {sorted(unknown)}")
        return
    if not wanted.get("fqdn") and not wanted.get("ip_address"):
        raise Route53ClientError(
            "InvalidInput", "Invalid parameter: an endpoint needs a domain name or an IP address"
        )
    if int(wanted.get("request_interval") or 30) not in (10, 30):
        raise Route53ClientError("InvalidInput", "Invalid parameter : Request Interval must be 10 or 30")
    if not 1 <= int(wanted.get("failure_threshold") or 3) <= 10:
        raise Route53ClientError(
            "InvalidInput", "Invalid parameter : Failure Threshold must be between 1 and 10"
        )
    if kind.endswith("STR_MATCH") and not wanted.get("search_string"):
        raise Route53ClientError("InvalidInput", "Invalid parameter : Search String is missing")


def _same(twin: HealthCheck, wanted: dict[str, Any]) -> HealthCheck:
    """The check that this caller reference made before, if it asked for the same; otherwise the error."""
    mine = HealthCheck(twin.id, twin.caller_reference, wanted)  # type: ignore[abstract]
    mine.set_children(wanted.get("children") or [])
    mine.set_regions(wanted.get("regions") or [])
    if mine.health_check_config != twin.health_check_config:
        raise Route53ClientError(
            "HealthCheckAlreadyExists",
            "A health check with this caller reference exists, with other settings.",
        )
    return twin
