"""The world's certificate authority."""

from __future__ import annotations

import socket
import ssl
import threading
from pathlib import Path

import pytest

from rehearsal import pki


def _handshake(home: Path, issued: pki.Issued, name: str) -> None:
    """Serve one TLS connection with `issued` and connect to it as `name`, trusting only the world's CA."""
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(issued.cert, issued.key)
    client = ssl.create_default_context(cafile=str(pki.ca_file(home)))
    client.verify_flags |= ssl.VERIFY_X509_STRICT  # Python 3.13's default
    ours, theirs = socket.socketpair()
    ours.settimeout(5)
    theirs.settimeout(5)

    def serve() -> None:
        try:
            server.wrap_socket(theirs, server_side=True).close()
        except OSError:
            theirs.close()

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        client.wrap_socket(ours, server_hostname=name).close()
    finally:
        ours.close()
        thread.join()


def test_a_client_that_trusts_the_world_accepts_its_names_and_addresses(tmp_path: Path) -> None:
    issued = pki.issue(tmp_path, ["app.shop.example", "*.origin.shop.example"], ["127.99.1.10"])
    for name in ("app.shop.example", "prod.origin.shop.example", "127.99.1.10"):
        _handshake(tmp_path, issued, name)


def test_a_name_that_was_not_asked_for_is_refused_by_clients(tmp_path: Path) -> None:
    issued = pki.issue(tmp_path, ["app.shop.example"])
    with pytest.raises(ssl.SSLCertVerificationError):
        _handshake(tmp_path, issued, "www.shop.example")


def test_the_same_names_get_the_same_certificate_and_threads_do_not_quarrel(tmp_path: Path) -> None:
    found: list[bytes] = []
    threads = [
        threading.Thread(target=lambda: found.append(pki.issue(tmp_path, ["a.example"]).cert.read_bytes()))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    assert len(set(found)) == 1
    assert not list(tmp_path.glob("ca/**/.making-*"))


def test_an_acm_certificate_is_found_by_its_arn_once_issued(tmp_path: Path) -> None:
    arn = "arn:aws:acm:eu-west-1:123456789012:certificate/1"
    assert pki.for_certificate(tmp_path, arn) is None
    issued = pki.issue_for_certificate(tmp_path, arn, ["app.shop.example"])
    assert pki.for_certificate(tmp_path, arn) == issued
    assert issued.key.stat().st_mode & 0o077 == 0


def test_a_certificate_for_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="name or an address"):
        pki.issue(tmp_path, [])
