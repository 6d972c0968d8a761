"""The one error type: what happened, what it means for the recovery, what to do now."""

from __future__ import annotations

import errno
from enum import IntEnum

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EROFS}
_NOT_OURS = {errno.EACCES, errno.EPERM}
"""Of a file, when the error names one; ports and processes can be denied, too."""
_DISK_SAYS = ("disk is full", "readonly database", "unable to open database file", "disk I/O error")
"""What SQLite says of it."""


class ExitCode(IntEnum):
    """Exit codes of `dr`."""

    OK = 0
    FAILED = 1
    INPUT = 2
    WAITING = 3
    """A person has to decide or approve."""


class LifeboatError(Exception):
    """An error that a person at 3 a.m. can act on.

    `what` happened, what it `means` for the recovery, and the `cure`: what to do now.
    """

    exit_code = ExitCode.FAILED

    def __init__(self, what: str, *, means: str = "", cure: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.means = means
        self.cure = cure

    def parts(self) -> dict[str, str]:
        """As JSON has it: in journals, events and answers to `--json`."""
        return {"what": self.what, "means": self.means, "cure": self.cure}

    def __str__(self) -> str:
        lines = [self.what]
        if self.means:
            lines.append(f"  means: {self.means}")
        if self.cure:
            lines.append(f"  now:   {self.cure}")
        return "\n".join(lines)


class InputError(LifeboatError):
    """What was given is refused, with file, line and cure; nothing was touched."""

    exit_code = ExitCode.INPUT


class Refusal(LifeboatError):
    """A gate said no: going on would be unsafe or could not be verified. Nothing was touched."""

    exit_code = ExitCode.INPUT


class ActionFailed(LifeboatError):
    """An action could not do, or could not prove, what it promises. May be tried again."""


def of_the_disk(error: BaseException) -> Refusal | None:
    """The error as a person can act on it, when the disk is full, read-only or not ours; None otherwise."""
    said = str(getattr(error, "orig", "") or error)
    denied = isinstance(error, OSError) and error.errno in _NOT_OURS and error.filename is not None
    full = isinstance(error, OSError) and error.errno in _FULL
    if not full and not denied and not any(text in said for text in _DISK_SAYS):
        return None
    return Refusal(
        f"the state cannot be written: {said}",
        means="nothing more can be recorded, so nothing more is done; what is done is kept",
        cure="make room (df -h), or move the state folder and set LIFEBOAT_STATE; a run then goes on with: "
        "dr resume",
    )


class Unavailable(ActionFailed):
    """A service was silent, broken or asked too often: it says nothing about what was asked, and may pass."""


class OutOfTime(ActionFailed):
    """A deadline passed while waiting."""


class Cancelled(LifeboatError):
    """The run is being aborted; the step stopped where it could be taken up again."""
