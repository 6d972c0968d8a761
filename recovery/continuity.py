"""`continuity.yaml`: the company in one file. Who owns the plan, decides, does what; what is promised.

The project's root is the folder of the nearest `continuity.yaml`; run state lives in `.lifeboat/` beside it,
or where LIFEBOAT_STATE says.
"""

from __future__ import annotations

import os
from datetime import date, timedelta
from pathlib import Path
from typing import Literal

from pydantic import Field, model_validator

from recovery.documents import Document, read_source, validated
from recovery.errors import InputError
from recovery.units import Duration, Gigabytes

FILE = "continuity.yaml"


class Person(Document):
    """Someone with a part in recovery. `roles` are what approvals and the line of succession name."""

    id: str
    name: str
    roles: tuple[str, ...] = ()
    email: str = ""
    phone: str = ""
    deputy: str | None = None


class Team(Document):
    """A team owns steps; its leader tells the others."""

    leader: str
    members: tuple[str, ...] = ()
    owns: str = ""


class Criterion(Document):
    """When the plan is activated (D4): out for longer than `after`, or what `when` says, as people judge."""

    when: str
    after: Duration | None = None


class Promise(Document):
    """What customers were promised for a scenario: seconds until service is back, seconds of writes lost."""

    rto: Duration
    rpo: Duration


class Site(Document):
    """A place where the service can stand; the key in `sites` is its Pulumi stack."""

    provider: Literal["aws", "gcp"] = "aws"
    region: str
    role: Literal["primary", "standby"]


class Continuity(Document):
    """The whole file. Everything is checked against everything else: nobody is named who is not listed."""

    version: Literal[1]
    company: str
    owner: str
    """Role or person that answers for the plan."""
    reviewed: date
    review_every: Duration = Field(default=365 * 86400.0)
    people: tuple[Person, ...]
    succession: tuple[str, ...]
    """Roles, in the order in which authority passes on."""
    teams: dict[str, Team]
    criteria: tuple[Criterion, ...] = ()
    promises: dict[str, Promise]
    """Scenario -> promise."""
    sites: dict[str, Site]
    edge: str = "edge"
    """The stack with the names."""
    database_size: Gigabytes
    """Size of the production database: forecasts and promises are held against it."""
    backup_window: tuple[str, str] = ("02:00", "05:00")
    notify: tuple[str, ...] = ()
    """Apprise URLs, or `env:NAME` for one that holds a secret."""

    @property
    def database_gb(self) -> float:
        """Size of the production database in gigabytes."""
        return self.database_size

    @property
    def next_review(self) -> date:
        """The day by which the plan must have been reviewed again."""
        return self.reviewed + timedelta(seconds=self.review_every)

    def stack(self, role: str) -> str:
        """The first site's stack with that role; InputError when there is none."""
        for name, site in self.sites.items():
            if site.role == role:
                return name
        raise InputError(
            f"{FILE}: no site has the role {role}", cure=f"add one under `sites:` with `role: {role}`"
        )

    def holders(self, role: str) -> tuple[Person, ...]:
        """People with that role or id, in the file's order."""
        return tuple(person for person in self.people if role in (person.id, *person.roles))

    def promise(self, scenario: str) -> Promise | None:
        """The promise for the scenario, if one is made."""
        return self.promises.get(scenario)

    @model_validator(mode="after")
    def _names_are_known(self) -> Continuity:
        known = {person.id for person in self.people} | {
            role for person in self.people for role in person.roles
        }
        named = {"owner": [self.owner], "succession": list(self.succession)}
        for name, team in self.teams.items():
            named[f"teams.{name}"] = [team.leader, *team.members]
        for person in self.people:
            named[f"people.{person.id}.deputy"] = [person.deputy] if person.deputy else []
        for where, names in named.items():
            for name in names:
                if name not in known:
                    raise ValueError(
                        f"{where} names `{name}`, who is not among `people` (neither id nor role)"
                    )
        if not any(site.role == "primary" for site in self.sites.values()):
            raise ValueError("`sites` has no primary")
        return self


def load(path: Path) -> Continuity:
    """Read and check the file; InputError with file, line and column."""
    return validated(read_source(path), Continuity)


def project_root(start: Path | None = None) -> Path:
    """The nearest folder upwards with a `continuity.yaml`; InputError when there is none."""
    here = (start or Path.cwd()).resolve()
    for folder in (here, *here.parents):
        if (folder / FILE).is_file():
            return folder
    raise InputError(
        f"no {FILE} in {here} or any folder above it", cure="go to your project's folder and try again"
    )


def state_folder(project: Path) -> Path:
    """Where runs, journals and last known contracts live: LIFEBOAT_STATE, or `.lifeboat` in the project."""
    named = os.environ.get("LIFEBOAT_STATE")
    folder = Path(named) if named else project / ".lifeboat"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            f"the state folder {folder} cannot be made: {error.strerror}",
            means="runs, journals and last known contracts are kept there; nothing was touched",
            cure="name another one in LIFEBOAT_STATE, or give yourself the right to write there",
        ) from error
    return folder


def contract_file(project: Path, stack: str) -> Path:
    """Where the last known contract of a stack is kept on this machine."""
    return state_folder(project) / "contracts" / f"{stack}.json"
