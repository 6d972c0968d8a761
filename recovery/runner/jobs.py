"""What a runner is told and what it answers: versioned JSON objects in the site's jobs store.

No secret is in either: jobs name secrets, and the machine reads them in the site with its own role.
"""

from __future__ import annotations

import hashlib
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

JOB, PROGRESS, RESULT = "job.json", "progress.json", "result.json"
NO_PASSWORD_OPENS = "no known password opens it"
"""How the progress of a GrantAccess begins while the database answers and refuses all of them."""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Target(_Part):
    """The database a job speaks to. User and password come from the named secrets, in the site."""

    host: str
    port: int
    database: str
    master_secret: str
    app_secret: str


class AwaitSql(_Part):
    """Wait until the server answers the start-up handshake: the restore is over as far as SQL is concerned.

    Any answer of PostgreSQL's other than "starting up" counts, refused passwords too: the restored database
    knows only those of the recovery point.
    """

    kind: Literal["await-sql"] = "await-sql"
    target: Target
    seconds: float


class GrantAccess(_Part):
    """Log in as master and make both roles' passwords what the site's own secrets say.

    Tried in turn, until one opens: the site's own secret, then the current and the previous value of each of
    `former_secrets` (replicas of the secrets of the site that the data came from). With a former one the
    master's password is set by SQL, which needs no RDS API and so no `available` instance.
    """

    kind: Literal["grant-access"] = "grant-access"
    target: Target
    seconds: float
    former_secrets: tuple[str, ...] = ()


class SqlCheck(_Part):
    """One statement whose first value must equal `expect` (None: must merely run)."""

    name: str
    query: str
    expect: str | None = None


class CheckSql(_Part):
    """Is the database whole and does it take writes?"""

    kind: Literal["check-sql"] = "check-sql"
    target: Target
    run: str
    seconds: float
    checks: tuple[SqlCheck, ...] = ()
    watermark: str | None = None
    """Query for the moment of the last row that counts."""


Job = Annotated[AwaitSql | GrantAccess | CheckSql, Field(discriminator="kind")]


class Envelope(_Part):
    """`job.json`. `generation` grows when a job is started again, which changes the client token."""

    schema_version: Literal[1] = 1
    key: str
    generation: int = 1
    job: Job | None
    """None: the machine boots ahead of its job, and waits for it to be written here."""

    def token(self, salt: str = "") -> str:
        """Client token of the machine for it: the same for the same job, at most 64 characters."""
        return hashlib.sha256(f"{self.key}\n{self.generation}\n{salt}".encode()).hexdigest()[:48]


class Progress(_Part):
    """`progress.json`."""

    schema_version: Literal[1] = 1
    at: str
    text: str
    share: float | None = None


class Verdict(_Part):
    """What one check found."""

    name: str
    ok: bool
    detail: str = ""


class Result(_Part):
    """`result.json`, written last: the machine's commit mark."""

    schema_version: Literal[1] = 1
    ok: bool
    what: str = ""
    """What went wrong, when not ok."""
    seconds: float = 0.0
    verdicts: tuple[Verdict, ...] = ()
    values: dict[str, Any] = Field(default_factory=dict)
    """Facts found: `server_version`, `watermark`, ..."""


_ENVELOPE: TypeAdapter[Envelope] = TypeAdapter(Envelope)


def envelope(body: bytes) -> Envelope:
    """Read `job.json`; pydantic.ValidationError when it is none of this version."""
    return _ENVELOPE.validate_json(body)
