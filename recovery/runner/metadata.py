"""The machine's own metadata, by IMDSv2 (a session token first)."""

from __future__ import annotations

import os

_DEFAULT = "http://169.254.169.254"


class Metadata:
    """Reads one path at a time; AWS_EC2_METADATA_SERVICE_ENDPOINT says where, as for every SDK."""

    def __init__(self) -> None:
        self._base = os.environ.get("AWS_EC2_METADATA_SERVICE_ENDPOINT", _DEFAULT).rstrip("/")

    def read(self, path: str) -> str:
        """The text at `/latest/meta-data/<path>`; RuntimeError when the service has none."""
        from botocore.awsrequest import AWSRequest
        from botocore.httpsession import URLLib3Session

        http = URLLib3Session(timeout=2)
        seconds = {"X-aws-ec2-metadata-token-ttl-seconds": "60"}
        ask = AWSRequest("PUT", f"{self._base}/latest/api/token", headers=seconds).prepare()
        pass_ = {"X-aws-ec2-metadata-token": http.send(ask).text}
        reply = http.send(AWSRequest("GET", f"{self._base}/latest/meta-data/{path}", headers=pass_).prepare())
        if reply.status_code != 200:
            raise RuntimeError(f"the metadata service answers {reply.status_code} for {path}")
        return str(reply.text)
