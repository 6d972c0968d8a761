"""Where a world lives: a folder of its own, and a /16 of loopback claimed by a locked file.

The lock (flock) is held by the world's control process and dies with it, so a stale claim is one that
nobody holds: it is taken over, and what its world left behind is removed.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
import shutil
import socket
import tempfile
from dataclasses import dataclass
from pathlib import Path

from recovery.errors import InputError
from recovery.procfs import start_time
from rehearsal.environment import CHILD
from rehearsal.processes import end_marked, end_recorded

FIRST, LAST = 20, 119
CLAIMS = Path("/tmp/lifeboat-claims")
"""One folder for all users of the machine: they share its loopback addresses."""
_NAME = re.compile(r"^[a-z0-9][a-z0-9-]{0,30}$")


@dataclass(frozen=True)
class Claim:
    """A /16 that is ours for as long as `descriptor` is open somewhere."""

    prefix: str
    descriptor: int
    file: Path

    def close(self) -> None:
        """Let go of it in this process; another one that inherited it still holds it."""
        with contextlib.suppress(OSError):
            os.close(self.descriptor)

    def give_up(self) -> None:
        """Free the addresses."""
        with contextlib.suppress(OSError):
            self.file.unlink()
        self.close()


def folder(name: str) -> Path:
    """Home of the world of that name; InputError when it cannot be one."""
    if not _NAME.match(name):
        raise InputError(
            f"{name!r} is no name for a world",
            cure="use lower-case letters, digits and dashes, at most 31",
        )
    return _parent() / f"lifeboat-{os.geteuid()}-{name}"


def _parent() -> Path:
    """$TMPDIR when the unprivileged user can reach it, /tmp otherwise."""
    wanted = Path(tempfile.gettempdir()).resolve()
    reachable = all(part.stat().st_mode & 0o001 for part in [wanted, *wanted.parents])
    return wanted if reachable or os.geteuid() != 0 else Path("/tmp")


def claim(home: Path, *, port: int) -> Claim:
    """The first free /16 of 127.20 .. 127.119, on which `port` of its first address is free too.

    InputError when the machine has no loopback range (not Linux), or when all are taken.
    """
    _loopback()
    with contextlib.suppress(FileExistsError):
        CLAIMS.mkdir()
        CLAIMS.chmod(0o1777)
    in_the_way = False
    for second in range(FIRST, LAST + 1):
        prefix = f"127.{second}"
        descriptor = _lock(claim_file(prefix))
        if descriptor is None:
            continue
        taken = Claim(prefix, descriptor, claim_file(prefix))
        _clean_after(taken, but=home)
        if not _free(f"{prefix}.0.1", port):
            taken.give_up()
            in_the_way = True
            continue
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, json.dumps({"version": 1, "home": str(home)}).encode(), 0)
        return taken
    if in_the_way:
        raise InputError(
            f"another program listens on port {port} of every address that is left",
            means="no rehearsal world can start beside it: the clouds answer there (LocalStack's do too)",
            cure=f"end that program; `ss -ltnp sport = :{port}` names it",
        )
    raise InputError(
        f"all address ranges 127.{FIRST}.0.0 to 127.{LAST}.0.0 are taken",
        means="no rehearsal world can start on this machine",
        cure=f"end one with `./dr world down`; who holds them is in {CLAIMS}",
    )


def claim_file(prefix: str) -> Path:
    """The file whose lock is the claim on those addresses."""
    return CLAIMS / f"{prefix}.lock"


def _lock(file: Path) -> int | None:
    """The file, open and locked; None when somebody else holds it."""
    try:
        descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except PermissionError:  # another user's (fs.protected_regular)
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # its last holder may have unlinked it between our open and our lock
        if file.stat().st_ino == os.fstat(descriptor).st_ino:
            return descriptor
    except OSError:
        pass
    os.close(descriptor)
    return None


def _clean_after(claim: Claim, *, but: Path) -> None:
    """Remove what the world that last held these addresses left behind."""
    try:
        left = Path(json.loads(os.pread(claim.descriptor, 65536, 0))["home"])
    except (ValueError, KeyError, TypeError):
        return
    # only ever a world of ours, at the place where worlds are
    ours = left.name.startswith(f"lifeboat-{os.geteuid()}-") and (left / "world.json").exists()
    if left != but and ours and not running(left):
        remove(left)


def running(home: Path) -> bool:
    """Whether the control process of the world in `home` is there."""
    try:
        control = json.loads((home / "process.json").read_text())
        return control["started"] is not None and start_time(control["pid"]) == control["started"]
    except (OSError, ValueError, KeyError, TypeError):
        return False


def release(home: Path) -> None:
    """Remove the claims that a world which has ended left behind.

    Only under the lock: another world may have taken one over, and not have said so yet.
    """
    for file in CLAIMS.glob("127.*.lock"):
        if _home_in(file) != home or (descriptor := _lock(file)) is None:
            continue
        if _home_in(file) == home:
            file.unlink()
        os.close(descriptor)


def _home_in(file: Path) -> Path | None:
    try:
        return Path(json.loads(file.read_text())["home"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def remove(home: Path) -> None:
    """End what a dead world left running, and delete its folder."""
    end_recorded(home / "children.jsonl")
    end_marked(CHILD, str(home))
    for _ in range(5):
        shutil.rmtree(home, ignore_errors=True)
        if not home.exists():
            return


def _loopback() -> None:
    try:
        with socket.socket() as probe:
            probe.bind((f"127.{FIRST}.0.1", 0))
    except OSError as error:
        raise InputError(
            f"addresses of 127.0.0.0/8 cannot be bound on this machine ({error.strerror})",
            means="a rehearsal world needs a loopback address for each of its servers",
            cure="run it on Linux, where all of 127.0.0.0/8 is loopback",
        ) from error


def _free(address: str, port: int) -> bool:
    try:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((address, port))
    except OSError:
        return False
    return True
