"""Contracts as they were last known, and connections to sites: what actions work with."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from pathlib import Path

from pydantic import ValidationError

from infra import outputs
from infra.outputs import EdgeContract, SiteContract
from recovery.actions.base import Context
from recovery.clock import Clock, SystemClock
from recovery.continuity import contract_file
from recovery.engine.attempts import Moment
from recovery.engine.record import Account, RunRecord, runs_folder
from recovery.errors import InputError, LifeboatError, Refusal, Unavailable


class Clouds:
    """The real surroundings: contracts from the state folder, sites by `recovery.sites.connect`."""

    def __init__(self, project: Path, state: Path, clock: Clock | None = None) -> None:
        self._project = project
        self._state = state
        self._clock = clock or SystemClock()

    def context(self, record: RunRecord, moment: Moment) -> Context:
        """See Surroundings. Contracts are read anew each time: a step may have brought a stack up."""
        from recovery import sites

        people = record.people()
        return Context(
            run=moment.run,
            step=moment.step,
            attempt=moment.attempt,
            with_=moment.with_,
            lost=frozenset(record.lost),
            target=site(self._project, record.target),
            source=site(self._project, record.source),
            edge=edge(self._project, people.edge),
            continuity=people,
            sites=sites.connect(f"lifeboat/{moment.run}/{moment.step}"),
            clock=self._clock,
            folder=runs_folder(self._state) / record.id,
            project=self._project,
            deadline=moment.deadline,
            cancelled=moment.cancelled,
            progress=moment.progress,
            facts=moment.facts,
            since=record.since,
            promised_rpo=record.bound().plan.promise.rpo,
        )

    def alert(self, record: RunRecord, step: str, title: str, body: str) -> str:
        """See Surroundings."""
        said = [f"nobody has taken the message in {_PATIENCE:.0f}s"]

        def send() -> None:
            said[0] = _alert(self._project, record, step, title, body)

        _soon(send)
        return said[0]

    def over(self, record: RunRecord) -> None:
        """See Surroundings. A claim that stays is another operator's to go over, with a reason."""
        _soon(lambda: _leave(self._project, record))


_PATIENCE = 15.0
"""Seconds that a message may take: nobody waits for a channel that does not answer."""


def _soon(do: Callable[[], None]) -> None:
    """In a thread that nobody waits for longer than that."""
    thread = threading.Thread(target=do, daemon=True)
    thread.start()
    thread.join(_PATIENCE)


def _leave(project: Path, record: RunRecord) -> None:
    from recovery import claims, sites

    with contextlib.suppress(LifeboatError):
        target = site(project, record.target)
        claims.leave(sites.connect(f"lifeboat/{record.id}/over").of(target).stores, target.stack, record.id)


def _alert(project: Path, record: RunRecord, step: str, title: str, body: str) -> str:
    from recovery import messages, sites

    people = record.people()
    try:
        target = sites.connect(f"lifeboat/{record.id}/{step}").of(site(project, record.target))
        found = messages.send(target, people.notify, f"{people.company}: {title}", body)
    except Exception as error:  # a message never ends a run
        return f"nobody was told: {error}"
    missed = f"; not by {'; '.join(found.failed)}" if found.failed else ""
    return (f"told by {', '.join(found.sent)}" if found.sent else "nobody was told") + missed


def site(project: Path, stack: str) -> SiteContract:
    """The last known contract of a site; InputError when there is none that can be read."""
    found = _contract(project, stack)
    if not isinstance(found, SiteContract):
        raise InputError(f"stack {stack} is no site (its contract is of kind {found.kind})")
    return found


def edge(project: Path, stack: str) -> EdgeContract:
    """The last known contract of the names; InputError when there is none that can be read."""
    found = _contract(project, stack)
    if not isinstance(found, EdgeContract):
        raise InputError(f"stack {stack} holds no names (its contract is of kind {found.kind})")
    return found


def engine_version(project: Path, stack: str) -> str | None:
    """The database's version at that site, as last known; None when nothing is known of it."""
    try:
        return site(project, stack).database.settings.engine_version
    except InputError:
        return None


def accounts(target: SiteContract) -> tuple[Account, ...]:
    """Whose account at which endpoint calls go to now; Refusal when that is not the contract's account.

    Asked in the target's region only: the source may be gone.
    """
    from recovery import sites

    try:
        who = sites.connect("lifeboat/identity", brief=True).of(target).identity()
    except Unavailable as error:
        raise Refusal(
            error.what,
            means="nobody can tell whether the site that is to take over stands; nothing was touched",
            cure=f"check the network from here and AWS's health dashboard for {target.region}, "
            "then try again; or name another site: --target",
        ) from error
    if who.account != target.account:
        raise Refusal(
            f"these credentials are of account {who.account}, and {target.stack} stands in {target.account}",
            means="recovery would build in the wrong place",
            cure="use the credentials of the recovery role there",
        )
    return (Account(provider=who.provider, account=who.account, endpoint=who.endpoint),)


def _contract(project: Path, stack: str) -> SiteContract | EdgeContract:
    path = contract_file(project, stack)
    try:
        return outputs.read(path)
    except OSError as error:
        raise InputError(
            f"there is no contract of stack {stack} ({path})",
            means="nothing is known of what stands there",
            cure=f"bring the stack up (`pulumi up --stack {stack}`), or fetch the last one: dr state show",
        ) from error
    except ValidationError as error:
        raise InputError(f"{path} is no contract of this version: {error.errors()[0]['msg']}") from error
