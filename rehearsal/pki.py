"""The world's own certificate authority: everything that speaks TLS in a world is signed by it.

Files live in `<home>/ca/`: `ca.pem` (what clients trust), `ca.key`, and one folder per certificate issued.
Keys are ECDSA P-256, made in microseconds; certificates last ten years, so that no world outlives them.
Safe across threads and processes: whoever is first makes a file, the others find it.
"""

from __future__ import annotations

import hashlib
import ipaddress
import os
import shutil
import tempfile
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

_LIFETIME = timedelta(days=3650)


class Issued(NamedTuple):
    """A certificate and its private key, as PEM files (the key's mode is 0600, its owner who made it)."""

    cert: Path
    key: Path


def ca_file(home: Path) -> Path:
    """The authority's certificate (PEM) of the world that lives in `home`; made at first use."""
    return _authority(home).cert


def issue(home: Path, names: Iterable[str], ips: Iterable[str] = ()) -> Issued:
    """A server certificate for these DNS names (wildcards too) and addresses; the same one each time.

    Raises ValueError when there is neither a name nor an address.
    """
    wanted, addresses = sorted(set(names)), sorted(set(ips))
    if not wanted and not addresses:
        raise ValueError("a certificate needs a name or an address")
    key = hashlib.sha256("\n".join([*wanted, *addresses]).encode()).hexdigest()[:20]
    return _issue_into(home, home / "ca" / "issued" / key, wanted, addresses)


def issue_for_certificate(home: Path, arn: str, names: Iterable[str]) -> Issued:
    """What ACM hands to load balancers for the certificate `arn`; kept, so that it is found by the arn."""
    return _issue_into(home, _folder_of(home, arn), list(dict.fromkeys(names)), [])


def for_certificate(home: Path, arn: str) -> Issued | None:
    """The certificate and key of an *issued* ACM certificate; None while ACM has not issued it."""
    folder = _folder_of(home, arn)
    return _files(folder) if folder.exists() else None


def _folder_of(home: Path, arn: str) -> Path:
    return home / "ca" / "acm" / hashlib.sha256(arn.encode()).hexdigest()[:20]


def _files(folder: Path) -> Issued:
    return Issued(folder / "cert.pem", folder / "key.pem")


def _authority(home: Path) -> Issued:
    issued = Issued(home / "ca" / "root" / "ca.pem", home / "ca" / "root" / "ca.key")
    if not issued.cert.exists():
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"Rehearsal world {home.name}")])
        builder = _builder(name, name, key.public_key()).add_extension(
            x509.BasicConstraints(ca=True, path_length=0), critical=True
        )
        builder = builder.add_extension(_usage(authority=True), critical=True)
        _place(issued.cert.parent, builder.sign(key, hashes.SHA256()), key, names=("ca.pem", "ca.key"))
    return issued


def _issue_into(home: Path, folder: Path, names: list[str], ips: list[str]) -> Issued:
    if folder.exists():
        return _files(folder)
    root = _authority(home)
    signer = serialization.load_pem_private_key(root.key.read_bytes(), None)
    if not isinstance(signer, ec.EllipticCurvePrivateKey):
        raise TypeError(f"{root.key} is not the key that this module makes")
    authority = x509.load_pem_x509_certificate(root.cert.read_bytes())
    key = ec.generate_private_key(ec.SECP256R1())
    common = [x509.NameAttribute(NameOID.COMMON_NAME, (names or ips)[0][:64])]
    builder = _builder(x509.Name(common), authority.subject, key.public_key())
    subjects: list[x509.GeneralName] = [x509.DNSName(name) for name in names]
    subjects += [x509.IPAddress(ipaddress.ip_address(ip)) for ip in ips]
    for extension, critical in (
        (x509.SubjectAlternativeName(subjects), False),
        (x509.BasicConstraints(ca=False, path_length=None), True),
        (_usage(authority=False), True),
        (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), False),
        (x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), False),
    ):
        builder = builder.add_extension(extension, critical=critical)
    _place(folder, builder.sign(signer, hashes.SHA256()), key, names=("cert.pem", "key.pem"))
    return _files(folder)


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + _LIFETIME)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def _usage(*, authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not authority,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=authority,
        crl_sign=authority,
        encipher_only=False,
        decipher_only=False,
    )


def _place(
    folder: Path, certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey, *, names: tuple[str, str]
) -> None:
    """Put both files into `folder` at once: a folder is renamed into place, or somebody else's is there."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    making = Path(tempfile.mkdtemp(prefix=".making-", dir=folder.parent))
    making.chmod(0o755)
    (making / names[0]).write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    with os.fdopen(os.open(making / names[1], os.O_WRONLY | os.O_CREAT, 0o600), "wb") as out:
        out.write(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
    try:
        making.rename(folder)
    except OSError:  # not empty: somebody was faster, and theirs is as good
        shutil.rmtree(making)
