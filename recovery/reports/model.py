"""The report of a run: `report.json`, schema 1. What nobody measured is null."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


class Measured(_Part):
    """What was seen, from outside where possible. Seconds of wall time here."""

    rto_s: float | None
    """First failed request of a customer to the first of several successes in a row."""
    rpo_s: float | None
    """How long before the loss the first acknowledged write was that is missing; 0 when none is."""
    acknowledged_writes: int | None
    lost_writes: int | None
    failed_requests: int | None
    critical_path_s: float | None
    overhead_ratio: float | None
    """Run recorded to cutover verified, over the sum of perform and verify on the measured critical path."""
    dns_switch_s: float | None
    """From the loss until the last name server and resolver answered with the site that takes over."""


class Forecast(_Part):
    """The same run with the cloud's waits at full length and data terms at the company's size."""

    rto_s: float | None
    rpo_s: float | None
    scale: float | None
    """The cloud's waits were divided by this here; 1 in a real cloud."""
    database_gb: float | None


class Promised(_Part):
    """What the plan promises."""

    rto_s: float
    rpo_s: float


class StepLine(_Part):
    """One step of the plan."""

    id: str
    uses: str
    owner: str
    class_: Literal["critical", "non-critical"] = Field(alias="class")
    status: Literal["ok", "failed", "skipped", "waiting"]
    started_at: str | None
    seconds: float | None
    attempts: int


class JournalLine(_Part):
    """The journal's size, its last hash, and whether its chain holds."""

    entries: int
    head: str
    verified: bool


class Report(_Part):
    """A run's report."""

    schema_: Literal[1] = Field(default=1, alias="schema")
    scenario: str
    outcome: Literal["recovered", "failed"]
    measured: Measured
    forecast: Forecast
    promised: Promised
    steps: tuple[StepLine, ...]
    journal: JournalLine
    wall_s: float
    """All of it, here: a run's from the order until it was over; an exercise's from its command on."""

    def kept(self) -> bool:
        """Whether the promises hold, here and in the forecast; what nobody measured breaks none."""
        pairs = [
            (self.measured.rto_s, self.promised.rto_s),
            (self.forecast.rto_s, self.promised.rto_s),
            (self.measured.rpo_s, self.promised.rpo_s),
            (self.forecast.rpo_s, self.promised.rpo_s),
        ]
        return all(value is None or value <= limit for value, limit in pairs)

    def as_json(self) -> str:
        """The text of `report.json`."""
        return self.model_dump_json(by_alias=True, indent=1) + "\n"
