"""Names: the failover set keeps its promises."""

from __future__ import annotations

from collections.abc import Iterator

from infra.policies.rule import Resource, listed, rule, truthy

LONGEST_TTL = 60


@rule(
    "failover-sound", "Failover sets switch soon, and their last rung always answers", "route53/record:Record"
)
def failover_sound(resource: Resource) -> Iterator[str]:
    """An unhealthy secondary makes Route 53 answer with the primary: it must have no check."""
    props = resource.props
    for alias in listed(props.get("aliases")):
        if truthy(alias.get("evaluateTargetHealth")):
            yield "evaluateTargetHealth must be false: health is decided by the calculated check alone"
    kinds = {routing.get("type") for routing in listed(props.get("failoverRoutingPolicies"))}
    if not kinds:
        return
    if (props.get("ttl") or 0) > LONGEST_TTL:
        yield f"ttl is {int(props['ttl'])}: must be at most {LONGEST_TTL}"
    checked = bool(props.get("healthCheckId"))
    if "PRIMARY" in kinds and not checked:
        yield "the primary must have a health check"
    if "SECONDARY" in kinds and checked:
        yield "the secondary must have no health check"


@rule("certificate-by-dns", "Certificates are validated by DNS", "acm/certificate:Certificate")
def certificate_by_dns(resource: Resource) -> Iterator[str]:
    """Renewal by mail needs a person, on a day nobody chose."""
    if resource.props.get("validationMethod") != "DNS":
        yield "validationMethod must be DNS"


@rule("check-asks", "Health checks ask", "route53/healthCheck:HealthCheck")
def check_asks(resource: Resource) -> Iterator[str]:
    """Route 53 takes a check that is switched off for healthy, whatever it would find."""
    if truthy(resource.props.get("disabled")):
        yield "disabled must not be true: the check would say healthy for ever"


RULES = (failover_sound, certificate_by_dns, check_asks)
