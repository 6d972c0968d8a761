"""The action contract: what every recovery action promises the engine (docs/architecture.md).

An action is a class, constructed without arguments, found by `uses: <name>` in a plan. Its methods are
blocking; the engine runs them in threads. Facts are frozen models that one step gives and later steps take.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar, Literal, TypeVar

from pydantic import BaseModel, ConfigDict

if TYPE_CHECKING:
    from pathlib import Path

    from infra.outputs import EdgeContract, SiteContract
    from recovery.clock import Clock
    from recovery.continuity import Continuity
    from recovery.sites.ports import Sites

T = TypeVar("T")


class Fact(BaseModel):
    """Something a step found out or made, handed to later steps through the run's record (JSON).

    Refuses field names that smell of secrets, so that none gets into a journal.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        for name in cls.__annotations__:
            if any(word in name.lower() for word in ("password", "token", "credential", "private_key")):
                raise TypeError(f"{cls.__name__}.{name}: facts are journaled and never carry secrets")

    def says(self) -> str:
        """One line for people: what was found or made. Shown beside the step, and kept in the journal."""
        return ""


class With(BaseModel):
    """The typed `with:` of a step; its JSON Schema drives completion in plans."""

    model_config = ConfigDict(frozen=True, extra="forbid")


@dataclass(frozen=True)
class Need:
    """A control or data plane that a step depends on: `rds` at `eu-west-1`; Route 53's control plane, IAM and
    CreateBucket are at `us-east-1` whatever the region."""

    service: str
    region: str
    plane: Literal["control", "data"] = "control"

    def __str__(self) -> str:
        return f"{self.service}@{self.region}"


@dataclass(frozen=True)
class Change:
    """One change a step would make, as `dr plan` prints it."""

    sign: Literal["+", "~", "-"]
    what: str


@dataclass(frozen=True)
class Preview:
    """What `perform` would do, found by reading only."""

    changes: tuple[Change, ...] = ()
    expected_seconds: float | None = None
    refusals: tuple[str, ...] = ()
    """Reasons why the step cannot succeed as things stand."""
    notes: tuple[str, ...] = ()
    loss_s: float | None = None
    """Seconds of writes that would be lost now, from the step that chooses the recovery point."""


@dataclass(frozen=True)
class Context:
    """What an action may use. Built by the engine for each attempt of a step."""

    run: str
    step: str
    attempt: int
    with_: With
    lost: frozenset[str]
    """Regions that the scenario has taken away; nothing may lean on them."""
    target: SiteContract
    """The site that takes over (last known contract)."""
    source: SiteContract
    """The site that is lost (last known contract)."""
    edge: EdgeContract
    continuity: Continuity
    sites: Sites
    clock: Clock
    folder: Path
    """The run's own folder; recovery writes no file outside of it but the state folder."""
    project: Path
    deadline: datetime
    cancelled: Callable[[], bool]
    progress: Callable[[str, float | None], None]
    """Say how far it is: a short sentence and, where known, a share between 0 and 1."""
    facts: Mapping[type[Fact], Fact] = field(default_factory=dict)
    since: datetime | None = None
    """When the outage began, as far as known: nobody wrote after it."""
    promised_rpo: float | None = None
    """Seconds of writes that the plan promises to lose at most."""

    @property
    def key(self) -> str:
        """The idempotency key: the same for every attempt of the step in this run."""
        return f"{self.run}/{self.step}"

    def fact(self, kind: type[T]) -> T:
        """The fact of that type given by an earlier step; KeyError when no step gave it."""
        found: T = self.facts[kind]  # type: ignore[index, assignment]
        return found

    def poll(self, what: str, probe: Callable[[], T | None]) -> T:
        """Call `probe` until it returns something, at a twentieth of the time already waited (0.1 to 10 s).

        Raises OutOfTime at the step's deadline, and Cancelled when the run is aborted.
        """
        from recovery.actions.polling import poll

        return poll(self, what, probe)


class Action(ABC):
    """Base of all actions. Class constants are read without constructing one."""

    name: ClassVar[str]
    """What plans say in `uses:`; equals the module's name with dashes."""
    summary: ClassVar[str]
    With: ClassVar[type[With]] = With
    takes: ClassVar[tuple[type[Fact], ...]] = ()
    gives: ClassVar[type[Fact] | None] = None
    permissions: ClassVar[tuple[str, ...]] = ()
    """IAM actions (`rds:DescribeDBInstances`) that the recovery role needs for it."""
    irreversible: ClassVar[str] = ""
    """Why it cannot be undone; empty when `undo` works."""

    @abstractmethod
    def needs(self, ctx: Context) -> tuple[Need, ...]:
        """Regions and control planes it depends on."""

    @abstractmethod
    def preview(self, ctx: Context) -> Preview:
        """Read only: what would change, expected duration, refusals. Works in a lost region's absence."""

    @abstractmethod
    def perform(self, ctx: Context) -> Fact | None:
        """Find or create, then poll with the deadline. Idempotent on `ctx.key`. Returns what it gives."""

    @abstractmethod
    def verify(self, ctx: Context, fact: Fact | None) -> None:
        """Did it really? Asked of the world, not of the call's answer. Raises ActionFailed when not."""

    def undo(self, ctx: Context, fact: Fact | None) -> None:
        """Take it back; Refusal with the reason when that cannot be. Idempotent.

        `fact` is None when the step began and did not end: then what it may have made is looked for. Actions
        that cannot be undone say why in `irreversible`.
        """
        from recovery.errors import Refusal

        raise Refusal(f"{self.name} cannot be undone: {self.irreversible or 'it changes nothing'}")

    @abstractmethod
    def by_hand(self, ctx: Context) -> str:
        """The commands for someone with a shell and no Lifeboat."""
