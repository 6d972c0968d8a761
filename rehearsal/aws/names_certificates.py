"""ACM: a certificate is issued once the world's name servers carry its validation records, and not before.

The record to make depends on account and domain only, so that the same one serves every region's
certificate for that domain (ACM User Guide, DNS validation). Issued certificates are real, by the world's
authority; load balancers find them with `rehearsal.pki.for_certificate(home, arn)`.
"""

from __future__ import annotations

import hashlib
from typing import Any

from moto.acm.models import AWSCertificateManagerBackend, CertBundle, acm_backends, datetime_to_epoch
from moto.acm.responses import AWSCertificateManagerResponse
from moto.acm.utils import make_arn_for_certificate
from moto.core.exceptions import AWSError
from moto.core.utils import utcnow
from moto.elbv2.models import elbv2_backends

from rehearsal import pki
from rehearsal.aws import ACCOUNT, calls
from rehearsal.aws.names_zones import Propagation
from rehearsal.aws.patch import around
from rehearsal.world import World

_LOOK_EVERY_S = 0.2


def validation_record(domain: str) -> tuple[str, str]:
    """Name and value of the CNAME that proves the domain is ours."""
    base = domain.removeprefix("*.").lower()
    digest = hashlib.sha256(f"{ACCOUNT}/{base}".encode()).hexdigest()
    return f"_{digest[:32]}.{base}.", f"_{digest[32:]}.mhbtsbpdnt.acm-validations.aws."


class Authority:
    """Issues what has been validated."""

    def __init__(self, world: World, propagation: Propagation) -> None:
        self._world, self._propagation = world, propagation
        self._causes: dict[str, str] = {}
        self._issuing: set[str] = set()
        # what was being issued in a region that went away is considered anew
        world.on_return(lambda _: self._issuing.clear())

    def requested(self, arn: str) -> None:
        """Note who asked, so that the wait can be told to a run's step."""
        self._causes[arn] = calls.cause()

    def look(self) -> None:
        """Start issuing every pending certificate whose records are all there."""
        for region, backend in list(acm_backends[ACCOUNT].items()):
            if region not in self._world.regions or self._world.is_lost(region):
                continue
            for bundle in list(backend._certificates.values()):
                if bundle.status == "PENDING_VALIDATION" and bundle.arn not in self._issuing:
                    self._consider(region, bundle)

    def _consider(self, region: str, bundle: CertBundle) -> None:
        there = {
            (record["name"], value.rstrip(".") + ".")
            for zone in self._propagation.served()
            for record in zone["records"]
            if record["type"] == "CNAME"
            for value in record["values"]
        }
        if not all(validation_record(domain) in there for domain in _domains(bundle)):
            return
        self._issuing.add(bundle.arn)

        def issue() -> None:
            pki.issue_for_certificate(self._world.settings.home, bundle.arn, _domains(bundle))
            bundle.issued_at = utcnow()  # type: ignore[attr-defined]
            bundle.status = "ISSUED"

        self._world.after("acm.issue", region, issue, cause=self._causes.get(bundle.arn, ""))


def install(world: World, propagation: Propagation) -> None:
    """Patch moto's ACM and start the authority."""
    authority = Authority(world, propagation)
    world.every(_LOOK_EVERY_S, authority.look, name="acm")
    _patch_requests(world, authority)
    _patch_reads()


def _patch_requests(world: World, authority: Authority) -> None:
    @around(CertBundle, "generate_cert")
    def generate(
        _: Any, domain_name: str, account_id: str, region: str, sans: Any = None, **rest: Any
    ) -> CertBundle:
        if rest.get("cert_authority_arn"):
            raise NotImplementedError("acm: certificates of a private authority are not modelled")
        names = list(dict.fromkeys([domain_name, *(sans or ())]))
        arn = make_arn_for_certificate(account_id, region)
        made = pki.issue(world.settings.home, names)
        bundle = CertBundle(
            account_id,
            made.cert.read_bytes(),
            made.key.read_bytes(),
            region=region,
            arn=arn,
            cert_type="AMAZON_ISSUED",
            cert_status="PENDING_VALIDATION",
        )
        bundle.common_name, bundle.sans = domain_name, names
        return bundle

    @around(AWSCertificateManagerBackend, "request_certificate")
    def request(original: Any, self: AWSCertificateManagerBackend, *args: Any, **kwargs: Any) -> str:
        arn: str = original(self, *args, **kwargs)
        authority.requested(arn)
        return arn

    @around(AWSCertificateManagerBackend, "delete_certificate")
    def delete(original: Any, self: AWSCertificateManagerBackend, arn: str) -> None:
        if users := _users(self, arn):
            raise AWSError(f"Certificate {arn} is in use by {users}", exception_type="ResourceInUseException")
        original(self, arn)


def _patch_reads() -> None:
    @around(CertBundle, "check")
    def check(original: Any, self: CertBundle) -> None:
        if self.status != "PENDING_VALIDATION":  # moto would issue it after a minute, records or not
            original(self)

    @around(CertBundle, "describe")
    def describe(original: Any, self: CertBundle) -> dict[str, Any]:
        found: dict[str, Any] = original(self)
        if self.type != "AMAZON_ISSUED":
            return found
        certificate = found["Certificate"]
        certificate["KeyAlgorithm"] = "RSA-2048"  # ACM's default; ours are of a kind that costs less time
        certificate["RenewalEligibility"] = "ELIGIBLE" if self.status == "ISSUED" else "INELIGIBLE"
        certificate["DomainValidationOptions"] = [_option(self, domain) for domain in _domains(self)]
        certificate.pop("IssuedAt", None)
        if self.status == "ISSUED":
            certificate["IssuedAt"] = datetime_to_epoch(getattr(self, "issued_at", self.created_at))
        else:
            for key in ("NotBefore", "NotAfter", "Serial", "Issuer"):
                certificate.pop(key, None)
        return found

    @around(AWSCertificateManagerResponse, "get_certificate")
    def get(original: Any, self: AWSCertificateManagerResponse) -> Any:
        arn = self._get_param("CertificateArn")
        if arn and self.acm_backend.get_certificate(arn).status == "PENDING_VALIDATION":
            raise AWSError(
                f"Certificate {arn} is not issued yet", exception_type="RequestInProgressException"
            )
        return original(self)


def _domains(bundle: CertBundle) -> list[str]:
    return list(dict.fromkeys([str(bundle.common_name), *bundle.sans]))


def _option(bundle: CertBundle, domain: str) -> dict[str, Any]:
    name, value = validation_record(domain)
    return {
        "DomainName": domain,
        "ValidationDomain": domain,
        "ValidationStatus": "SUCCESS" if bundle.status == "ISSUED" else "PENDING_VALIDATION",
        "ValidationMethod": "DNS",
        "ResourceRecord": {"Name": name, "Type": "CNAME", "Value": value},
    }


def _users(backend: AWSCertificateManagerBackend, arn: str) -> list[str]:
    """ARNs of the load balancers whose listeners present the certificate, as things stand."""
    users = []
    for balancer in list(elbv2_backends[ACCOUNT][backend.region_name].load_balancers.values()):
        if any(arn in (listener.certificates or ()) for listener in balancer.listeners.values()):
            users.append(balancer.arn)
    return users
