"""The boot script itself, against a metadata service and a bucket that behave as AWS does on a bad day."""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
import shutil
import subprocess
import tarfile
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from infra.aws.boot import SCRIPT, render

KEYS = {"AccessKeyId": "ASIAEXAMPLE", "SecretAccessKey": "s/e+cret", "Token": "to/ken=="}
SKIPPED = ("accept", "authorization", "user-agent")
NOBODY = 65534
CUT = -1
"""A transfer that ends in the middle."""


def packed(start: str) -> bytes:
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w:gz") as archive:
        entry = tarfile.TarInfo("start")
        entry.size, entry.mode = len(start), 0o755
        archive.addfile(entry, io.BytesIO(start.encode()))
    return data.getvalue()


@dataclass
class Site:
    """What a machine meets; `trouble` is path -> what happens to the first requests for it."""

    files: dict[str, bytes]
    trouble: dict[str, list[int]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    badly_signed: list[str] = field(default_factory=list)
    url: str = ""


def signed_as_aws_would(handler: BaseHTTPRequestHandler, url: str) -> bool:
    """Compare the signature with botocore's over the same headers."""
    given = dict(re.findall(r"(\w+)=([^, ]+)", handler.headers["Authorization"]))
    names = given["SignedHeaders"].split(";")
    request = AWSRequest("GET", url + handler.path, {name: handler.headers[name] for name in names})
    request.context["timestamp"] = handler.headers["x-amz-date"]
    credentials = Credentials(KEYS["AccessKeyId"], KEYS["SecretAccessKey"], KEYS["Token"])
    auth = S3SigV4Auth(credentials, "s3", "eu-west-1")
    canonical = auth.canonical_request(request)
    wanted = auth.signature(auth.string_to_sign(request, canonical), request)
    needed = {"host", "x-amz-content-sha256", "x-amz-date", "x-amz-security-token"}
    return bool(given["Signature"] == wanted and needed <= set(names))


@pytest.fixture
def site() -> Iterator[Site]:
    artefact = packed('#!/bin/sh\necho "started in $AWS_REGION on $INSTANCE_ID at $LISTEN_ADDRESS as $FOR"\n')
    manifest = json.dumps({"version": "v1", "sha256": hashlib.sha256(artefact).hexdigest()}, indent=1)
    about = "/latest/meta-data/"
    made = Site(
        {
            f"{about}placement/region": b"eu-west-1",
            f"{about}instance-id": b"i-1",
            f"{about}local-ipv4": b"10.20.64.7",
            f"{about}iam/security-credentials/": b"web",
            f"{about}iam/security-credentials/web": json.dumps(KEYS, indent=1).encode(),
            "/store/web/v1/manifest.json": manifest.encode(),
            "/store/web/v1/artefact.tar.gz": artefact,
        }
    )

    class Handler(BaseHTTPRequestHandler):
        def do_PUT(self) -> None:
            self.answer(200, b"token")

        def do_GET(self) -> None:
            made.asked.append(self.path)
            if self.path.startswith("/store") and not signed_as_aws_would(self, made.url):
                made.badly_signed.append(self.path)
            elif self.path.startswith("/latest") and self.headers["X-aws-ec2-metadata-token"] != "token":
                return self.answer(401, b"")
            waiting = made.trouble.get(self.path)
            body = made.files.get(self.path)
            self.answer(waiting.pop(0) if waiting else 200 if body is not None else 404, body or b"")
            return None

        def answer(self, status: int, body: bytes) -> None:
            self.send_response(200 if status == CUT else status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body[: len(body) // 2] if status == CUT else body)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    made.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    yield made
    server.shutdown()
    server.server_close()


@pytest.fixture
def home() -> Iterator[Path]:
    """A home of an unprivileged user: as root the script would take the machine for its own."""
    folder = Path(tempfile.mkdtemp(prefix="boot-"))
    if os.geteuid() == 0:
        os.chown(folder, NOBODY, NOBODY)
    yield folder
    shutil.rmtree(folder)


def boot(site: Site, home: Path) -> subprocess.CompletedProcess[str]:
    variables = {"ARTEFACT_BUCKET": "store", "ARTEFACT_NAME": "web", "ARTEFACT_VERSION": "v1", "FOR": "a b"}
    script = render(SCRIPT.read_text(), variables).replace("--retry 8", "--retry 2")
    where = {"AWS_EC2_METADATA_SERVICE_ENDPOINT": site.url, "AWS_ENDPOINT_URL": site.url}
    user: dict[str, Any] = {"user": NOBODY, "group": NOBODY, "extra_groups": []} if os.geteuid() == 0 else {}
    return subprocess.run(
        ["bash", "-c", script],
        env={"PATH": os.environ["PATH"], "HOME": str(home), **where},
        cwd="/",
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        **user,
    )


def test_an_artefact_is_fetched_checked_and_started(site: Site, home: Path) -> None:
    done = boot(site, home)
    assert done.stdout == "started in eu-west-1 on i-1 at 10.20.64.7 as a b\n", done.stderr
    assert site.badly_signed == []
    assert "s/e+cret" not in done.stderr


ROLE = "/latest/meta-data/iam/security-credentials/"
ARTEFACT = "/store/web/v1/artefact.tar.gz"


@pytest.mark.parametrize(
    "trouble",
    [
        pytest.param({ROLE: [404]}, id="the role is not known to the machine yet"),
        pytest.param({"/store/web/v1/manifest.json": [403]}, id="the role may not read yet"),
        pytest.param({ARTEFACT: [503]}, id="the store is overloaded"),
        pytest.param({ARTEFACT: [CUT]}, id="transfers are torn"),
    ],
)
def test_trouble_that_passes_is_waited_out(site: Site, home: Path, trouble: dict[str, list[int]]) -> None:
    site.trouble = trouble
    done = boot(site, home)
    assert (done.returncode, done.stdout[:7]) == (0, "started"), done.stderr
    assert not any(trouble.values())


def test_what_is_not_as_its_manifest_says_is_never_started(site: Site, home: Path) -> None:
    site.files[ARTEFACT] = packed("#!/bin/sh\necho started\n")
    done = boot(site, home)
    assert (done.returncode, done.stdout) == (65, "")
    assert "is not what its manifest says" in done.stderr


def test_a_version_that_is_not_there_is_named_by_what_was_asked_for(site: Site, home: Path) -> None:
    del site.files["/store/web/v1/manifest.json"]
    done = boot(site, home)
    assert (done.returncode, done.stdout) == (22, "")
    assert "404" in done.stderr
    assert ARTEFACT not in site.asked
