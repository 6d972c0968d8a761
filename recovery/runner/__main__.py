"""The runner's program: read the job, do it, write the result, end. Started by the bundle's `start`.

The machine's metadata say where the job is (tag `lifeboat-job`: `s3://bucket/folder`) and which region this
is; LIFEBOAT_JOB and AWS_REGION say it instead where there is no metadata service.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from recovery.endpoints import Endpoints
from recovery.runner.jobs import (
    JOB,
    PROGRESS,
    RESULT,
    AwaitSql,
    CheckSql,
    Envelope,
    GrantAccess,
    Progress,
    Result,
    envelope,
)
from recovery.runner.metadata import Metadata

PATIENCE = 3600.0
"""Seconds that a machine waits for a job before it ends."""


class Desk:
    """The objects of one job, in the site's jobs store."""

    def __init__(self, region: str, folder: str) -> None:
        import botocore.session
        from botocore.config import Config

        session = botocore.session.get_session()
        config = Config(
            connect_timeout=3, read_timeout=10, retries={"total_max_attempts": 5, "mode": "standard"}
        )
        self._s3: Any = session.create_client("s3", region_name=region, config=config)
        self._secrets: Any = session.create_client("secretsmanager", region_name=region, config=config)
        self._bucket, _, self._folder = folder.removeprefix("s3://").partition("/")
        self._told = ""

    def job(self) -> Envelope:
        """The job."""
        body = self._s3.get_object(Bucket=self._bucket, Key=f"{self._folder}/{JOB}")["Body"].read()
        return envelope(body)

    def secret(self, name: str, stage: str = "AWSCURRENT") -> Mapping[str, Any]:
        """A secret of the site, read anew each time: it may have just been changed.

        KeyError when the site has no such secret, or none of that stage.
        """
        try:
            text = self._secrets.get_secret_value(SecretId=name, VersionStage=stage)["SecretString"]
        except self._secrets.exceptions.ResourceNotFoundException as error:
            raise KeyError(f"{name} ({stage})") from error
        value: dict[str, Any] = json.loads(text)
        return value

    def tell(self, text: str, share: float | None = None) -> None:
        """Progress, written when it changes."""
        if text != self._told:
            self._told = text
            now = datetime.now(UTC).isoformat(timespec="milliseconds")
            self._put(PROGRESS, Progress(at=now, text=text, share=share).model_dump_json())

    def finish(self, result: Result) -> None:
        """The result: the last thing a machine writes."""
        self._put(RESULT, result.model_dump_json())

    def _put(self, name: str, text: str) -> None:
        self._s3.put_object(Bucket=self._bucket, Key=f"{self._folder}/{name}", Body=text.encode())


def await_job(desk: Desk, patience: float = PATIENCE) -> Envelope | None:
    """The job, once it is there: the machine may have been started ahead of it. None when none comes."""
    started = time.monotonic()
    while (work := desk.job()).job is None:
        waited = time.monotonic() - started
        if waited > patience:
            return None
        time.sleep(min(2.0, max(0.1, waited / 20)))
    return work


def carry_out(work: Envelope, desk: Desk, endpoints: Endpoints) -> Result:
    """Do the job; whatever goes wrong becomes its result, so that nobody waits for a machine that is gone."""
    from recovery.runner.sql import SqlJobs

    started = time.monotonic()
    jobs = SqlJobs(endpoints, desk.secret, desk.tell)
    try:
        match work.job:
            case AwaitSql():
                result = jobs.await_sql(work.job)
            case GrantAccess():
                result = jobs.grant_access(work.job)
            case CheckSql():
                result = jobs.check_sql(work.job)
            case None:
                result = Result(ok=False, what="there is no job")
    except Exception as error:
        result = Result(ok=False, what=f"{type(error).__name__}: {error}"[:1000])
    return result.model_copy(update={"seconds": round(time.monotonic() - started, 3)})


def main() -> int:
    """Exit code 0 when the job succeeded."""
    metadata = Metadata()
    region = os.environ.get("AWS_REGION") or metadata.read("placement/region")
    folder = os.environ.get("LIFEBOAT_JOB") or metadata.read("tags/instance/lifeboat-job")
    desk = Desk(region, folder)
    work = await_job(desk)
    if work is None:
        desk.finish(Result(ok=False, what=f"no job came in {PATIENCE:.0f}s"))
        return 1
    result = carry_out(work, desk, Endpoints.from_environment())
    desk.finish(result)
    return 0 if result.ok else 1


if __name__ == "__main__":
    sys.exit(main())
