"""ACM: certificates are issued by DNS, and are real."""

from __future__ import annotations

import ssl
from typing import Any

import pytest
from cryptography import x509
from nameworld import NameWorld, cname, refused

from rehearsal import pki
from tests.fakes.waiting import until


@pytest.fixture
def world(names_world: NameWorld) -> NameWorld:
    return names_world


def request(world: NameWorld, *names: str, region: str = "eu-west-1") -> str:
    made = world.client("acm", region).request_certificate(
        DomainName=names[0],
        SubjectAlternativeNames=list(names),
        ValidationMethod="DNS",
        Tags=[{"Key": "class", "Value": "critical"}],
    )
    return str(made["CertificateArn"])


def described(world: NameWorld, arn: str) -> dict[str, Any]:
    region = arn.split(":")[3]
    return dict(world.client("acm", region).describe_certificate(CertificateArn=arn)["Certificate"])


def record(option: dict[str, Any]) -> tuple[str, str]:
    return option["ResourceRecord"]["Name"], option["ResourceRecord"]["Value"]


def test_a_certificate_is_issued_once_its_record_is_in_the_zone_and_not_before(world: NameWorld) -> None:
    zone = world.zone("cert.example")
    arn = request(world, "app.cert.example")
    pending = described(world, arn)
    assert pending["Status"] == "PENDING_VALIDATION"
    assert "IssuedAt" not in pending
    assert pki.for_certificate(world.settings.home, arn) is None
    with refused("RequestInProgressException"):
        world.client("acm").get_certificate(CertificateArn=arn)
    name, value = record(pending["DomainValidationOptions"][0])
    world.insync(world.change(zone, cname(name, "_wrong.acm-validations.aws.")))
    assert described(world, arn)["Status"] == "PENDING_VALIDATION"
    world.change(zone, cname(name, value), action="UPSERT")
    until("issued", lambda: described(world, arn)["Status"] == "ISSUED")
    issued = pki.for_certificate(world.settings.home, arn)
    assert issued is not None
    context = ssl.create_default_context(cafile=str(pki.ca_file(world.settings.home)))
    context.load_cert_chain(issued.cert, issued.key)  # the key is the certificate's
    certificate = x509.load_pem_x509_certificate(issued.cert.read_bytes())
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["app.cert.example"]


def test_both_regions_ask_for_the_same_record(world: NameWorld) -> None:
    zone = world.zone("both.example")
    arns = [request(world, "app.both.example", region=r) for r in ("eu-central-1", "eu-west-1")]
    records = {record(described(world, arn)["DomainValidationOptions"][0]) for arn in arns}
    assert len(records) == 1
    world.change(zone, cname(*records.pop()))
    for arn in arns:
        until("issued", lambda arn=arn: described(world, arn)["Status"] == "ISSUED")


def test_every_name_of_a_certificate_must_be_proved(world: NameWorld) -> None:
    zone = world.zone("many.example")
    arn = request(world, "app.many.example", "*.origin.many.example")
    app, origin = (record(option) for option in described(world, arn)["DomainValidationOptions"])
    assert origin[0].endswith(".origin.many.example.")  # without the asterisk
    world.insync(world.change(zone, cname(*app)))
    assert described(world, arn)["Status"] == "PENDING_VALIDATION"
    world.change(zone, cname(*origin))
    until("issued", lambda: described(world, arn)["Status"] == "ISSUED")
