"""ACM."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from rehearsal.provider.kinds import Call, Context, Do, Kind
from rehearsal.provider.tables.tags import by_arn
from rehearsal.provider.wire import Props


def _options(ctx: Context) -> list[Props]:
    found = ctx.call("DescribeCertificate", {"CertificateArn": ctx.id})["Certificate"]
    return list(found.get("DomainValidationOptions") or [])


def _certificate_outputs(ctx: Context, live: Props) -> Props:
    options = [
        {
            "domainName": o["DomainName"],
            "resourceRecordName": o["ResourceRecord"]["Name"],
            "resourceRecordType": o["ResourceRecord"]["Type"],
            "resourceRecordValue": o["ResourceRecord"]["Value"],
        }
        for o in live.get("DomainValidationOptions") or []
        if o.get("ResourceRecord")
    ]
    return {"arn": ctx.id, "domainValidationOptions": options}


TAGS = by_arn(
    "AddTagsToCertificate",
    "",
    "CertificateArn",
    listing="ListTagsForCertificate",
    value=lambda ctx: ctx.id,
)


def _untag(ctx: Context, keys: list[str]) -> None:
    """ACM wants tags, not their keys."""
    request = {"CertificateArn": ctx.id, "Tags": [{"Key": key} for key in keys]}
    ctx.call("RemoveTagsFromCertificate", request)


CERTIFICATE = Kind(
    "aws:acm/certificate:Certificate",
    "acm",
    create=Call(
        "RequestCertificate",
        props=("domainName", "subjectAlternativeNames", "validationMethod", "keyAlgorithm"),
    ),
    id="CertificateArn",
    read=(Call("DescribeCertificate", {"CertificateArn": "$id"}, result="Certificate"),),
    delete=(Call("DeleteCertificate", {"CertificateArn": "$id"}),),
    settle=lambda ctx: ctx.poll(
        lambda: all(o.get("ResourceRecord") for o in _options(ctx)), f"validation records of {ctx.id}"
    ),
    replaces=frozenset(
        {
            "certificateAuthorityArn",
            "domainName",
            "keyAlgorithm",
            "subjectAlternativeNames",
            "validationMethod",
        }
    ),
    computed=frozenset({"subjectAlternativeNames", "validationMethod", "keyAlgorithm"}),
    opaque=frozenset({"subjectAlternativeNames", "validationMethod", "keyAlgorithm"}),
    tags=replace(TAGS, drop=_untag),
    imported=lambda _, live: {"validationMethod": live["DomainValidationOptions"][0].get("ValidationMethod")},
    outputs=_certificate_outputs,
)


def _await_issue(ctx: Context) -> Any:
    """Created when the certificate is issued; its id is the time of that."""
    arn = ctx.inputs["certificateArn"]

    def issued() -> bool:
        status = ctx.call("DescribeCertificate", {"CertificateArn": arn})["Certificate"]["Status"]
        if status in ("FAILED", "VALIDATION_TIMED_OUT", "REVOKED"):
            raise RuntimeError(f"certificate {arn} is {status}")
        return bool(status == "ISSUED")

    ctx.poll(issued, f"certificate {arn} to be issued")
    found = ctx.call("DescribeCertificate", {"CertificateArn": arn})["Certificate"]
    return {"id": str(found.get("IssuedAt") or found["CreatedAt"])}


VALIDATION = Kind(
    "aws:acm/certificateValidation:CertificateValidation",
    "acm",
    create=Do(_await_issue, props=("certificateArn", "validationRecordFqdns")),
    id="id",
    read=(
        Call(
            "DescribeCertificate",
            {"CertificateArn": "$certificateArn"},
            result="Certificate.Status=='ISSUED' && {CertificateArn: Certificate.CertificateArn} || null",
        ),
    ),
    replaces=frozenset({"certificateArn", "validationRecordFqdns"}),
)


KINDS = (CERTIFICATE, VALIDATION)
