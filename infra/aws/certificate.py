"""The region's own certificate for the service name and the site's origin name, validated by DNS.

ACM asks every site of an account for the same validation record of a name. Sites therefore write it over each
other (equal content) and none takes it away, or destroying one site would end the other's renewals.
"""

from __future__ import annotations

from dataclasses import dataclass

import pulumi
from pulumi_aws import acm, route53

from infra.component import Component, Labels

VALIDATION_TTL = 300


@dataclass(frozen=True)
class CertificateArgs:
    """Inputs of `Certificate`: name -> id of the zone that its validation record goes into."""

    zones: dict[str, str]


class Certificate(Component):
    """`arn` is known only once the certificate is issued, so listeners never meet an unissued one."""

    def __init__(self, name: str, args: CertificateArgs, labels: Labels) -> None:
        super().__init__("aws:Certificate", name, labels)
        first, *others = args.zones
        certificate = acm.Certificate(
            "service",
            domain_name=first,
            subject_alternative_names=others,
            validation_method="DNS",
            tags=self.tags("service"),
            # Listeners hold the old one until they have the new one.
            opts=self.child(delete_before_replace=False),
        )
        records = [self._record(certificate, domain, zone) for domain, zone in args.zones.items()]
        validation = acm.CertificateValidation(
            "service",
            certificate_arn=certificate.arn,
            validation_record_fqdns=[record.fqdn for record in records],
            opts=self.child(),
        )
        self.arn: pulumi.Output[str] = validation.certificate_arn
        self.register_outputs({"arn": self.arn})

    def _record(self, certificate: acm.Certificate, domain: str, zone_id: str) -> route53.Record:
        # The list comes back in no particular order.
        option = certificate.domain_validation_options.apply(
            lambda options: next(o for o in options if o.domain_name == domain)
        )
        return route53.Record(
            f"validate-{domain}",
            zone_id=zone_id,
            name=option.resource_record_name,
            type=option.resource_record_type,
            records=[option.resource_record_value],
            ttl=VALIDATION_TTL,
            allow_overwrite=True,
            opts=self.child(retain_on_delete=True),
        )
