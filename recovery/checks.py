"""The company's own tests of its service (`checks/*.yaml`): HTTP from outside, SQL by a runner."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from recovery.documents import Document, read_source, validated

FOLDER = "checks"


class Expect(Document):
    """What must come back."""

    status: int = 200
    contains: str | None = None


class HttpCheck(Document):
    """One request. `${run}` in path and body becomes the run's id, so that test data can be told apart."""

    name: str
    method: Literal["GET", "POST", "PUT", "DELETE", "HEAD"] = "GET"
    path: str
    body: Any = None
    """Sent as JSON."""
    headers: dict[str, str] = Field(default_factory=dict)
    expect: Expect = Field(default_factory=Expect)


class SqlCheck(Document):
    """One statement, run as the application's role; the first value of its first row must equal `expect`."""

    name: str
    query: str
    expect: str | None = None


class Checks(Document):
    """One file of `checks/`."""

    version: Literal[1]
    http: tuple[HttpCheck, ...] = ()
    sql: tuple[SqlCheck, ...] = ()
    watermark: str | None = None
    """Query for the moment of the last row that counts: it goes into the report."""


def load(project: Path) -> Checks:
    """All files of the project's `checks/`, as one; InputError with file, line and column."""
    files = [validated(read_source(path), Checks) for path in sorted((project / FOLDER).glob("*.yaml"))]
    return Checks(
        version=1,
        http=tuple(check for one in files for check in one.http),
        sql=tuple(check for one in files for check in one.sql),
        watermark=next((one.watermark for one in files if one.watermark), None),
    )


def filled(value: Any, run: str) -> Any:
    """The value with `${run}` replaced in every text of it."""
    if isinstance(value, str):
        return value.replace("${run}", run)
    if isinstance(value, dict):
        return {key: filled(one, run) for key, one in value.items()}
    if isinstance(value, list):
        return [filled(one, run) for one in value]
    return value
