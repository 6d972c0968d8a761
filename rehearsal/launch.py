"""Starts and ends worlds: `up` answers once everything of the world listens, `down` once nothing is left."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from recovery.errors import InputError, LifeboatError
from recovery.procfs import start_time
from rehearsal import home as homes
from rehearsal import runtime
from rehearsal.environment import CHILD
from rehearsal.processes import end_marked, end_process
from rehearsal.world import WorldSettings

DEFAULT_NAME = "world"
DEFAULT_SCALE = 120.0
"""Why: docs/adr/0006-scale.md."""
REGIONS = ("eu-central-1", "eu-west-1", "us-east-1")
_START_WITHIN_S = 60.0
_NEEDS_BYTES = 1_000_000_000


@dataclass(frozen=True)
class Running:
    """A world that is up."""

    settings: WorldSettings
    pid: int
    started: int


def find(name: str = DEFAULT_NAME) -> Running | None:
    """The running world of that name, if there is one."""
    home = homes.folder(name)
    try:
        settings = WorldSettings.load(home)
        control = json.loads((home / "process.json").read_text())
    except (OSError, ValueError, KeyError, TypeError):
        return None
    if not homes.running(home) or not (home / "control.json").exists():
        return None
    return Running(settings, control["pid"], control["started"])


def up(
    name: str = DEFAULT_NAME, *, scale: float = DEFAULT_SCALE, seed: int = 1, dies_with_us: bool = False
) -> WorldSettings:
    """Start a world; the one of that name that already runs is answered as it is.

    With `dies_with_us` it ends, and clears up, when this thread ends, however that happens. Raises InputError
    when the machine cannot hold a world (no loopback range, no address free, disk full), LifeboatError when
    it did not start.
    """
    _needs_programs()
    home = homes.folder(name)
    if homes.running(home):  # perhaps somebody else is just starting it
        _wait_until_ready(home)
    if running := find(name):
        return running.settings
    homes.remove(home)
    _needs_space(home.parent)
    claim = homes.claim(home, port=WorldSettings.api_port)
    try:
        settings = _prepare(home, name, claim.prefix, scale=scale, seed=seed)
        _start(settings, claim, dies_with_us=dies_with_us)
    except BaseException as error:
        _end_started(home)
        claim.give_up()
        homes.remove(home)
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise _disk_full(home.parent) from error
        raise
    claim.close()
    return settings


def _needs_programs() -> None:
    missing = [program for program in ("setpriv", "curl", "bash") if shutil.which(program) is None]
    if missing:
        raise InputError(
            f"not installed: {', '.join(missing)}",
            means="the rehearsal's machines boot by bash and curl, and its servers are started by setpriv",
            cure="install bash, curl and util-linux (apt install bash curl util-linux)",
        )


def _needs_space(folder: Path) -> None:
    """Without it databases and stacks fail in the middle, each in words of its own."""
    if shutil.disk_usage(folder).free < _NEEDS_BYTES:
        raise _disk_full(folder)


def _disk_full(folder: Path) -> InputError:
    return InputError(
        f"the disk under {folder} is full, or nearly so",
        means=f"a rehearsal world needs {_NEEDS_BYTES / 1e9:g} GB there",
        cure="free some space, or set TMPDIR to a folder on another disk",
    )


def _prepare(home: Path, name: str, prefix: str, *, scale: float, seed: int) -> WorldSettings:
    uid = runtime.unprivileged_uid()
    home.mkdir(mode=0o755)
    home.chmod(0o755)
    settings = WorldSettings(
        name=name,
        home=home,
        prefix=prefix,
        scale=scale,
        regions=REGIONS,
        primary=REGIONS[0],
        standby=REGIONS[1],
        seed=seed,
        uid=uid,
        python=runtime.python(uid),
        postgres=runtime.postgres(uid),
    )
    settings.save()
    return settings


def _start(settings: WorldSettings, claim: homes.Claim, *, dies_with_us: bool) -> None:
    home = settings.home
    prefix = ["setpriv", "--pdeathsig", "TERM"] if dies_with_us else []
    parent = [str(os.getpid())] if dies_with_us else []
    server = [sys.executable, "-m", "rehearsal.aws.server"]
    os.set_inheritable(claim.descriptor, True)
    with (home / "server.out").open("ab") as out:
        process = subprocess.Popen(
            [*prefix, *server, str(home), str(claim.descriptor), *parent],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            start_new_session=True,
            pass_fds=(claim.descriptor,),
            env=_environment_of_servers(),
            cwd="/",
        )
    (home / "process.json").write_text(
        json.dumps({"version": 1, "pid": process.pid, "started": start_time(process.pid)})
    )
    if not _wait_until_ready(home):
        said = (home / "server.out").read_text(errors="replace") + _last_errors(home)
        raise LifeboatError(
            "the rehearsal world did not start",
            means=said[-3000:].strip() or f"its control process ended with {process.poll()}",
            cure="if an address is taken, end the program that holds it; otherwise report this output",
        )


def _wait_until_ready(home: Path) -> bool:
    until = time.monotonic() + _START_WITHIN_S
    while not ((home / "control.json").exists() and (home / "network.ready").exists()):
        if not homes.running(home) or time.monotonic() > until:
            return False
        time.sleep(0.02)
    return True


def _last_errors(home: Path) -> str:
    text = ""
    for name in ("world.log", "network.log", "network.out"):
        with contextlib.suppress(OSError):
            text += "\n".join((home / name).read_text(errors="replace").splitlines()[-3:]) + "\n"
    return text


def _environment_of_servers() -> dict[str, str]:
    """Ours, without what could lead the servers to the user's own clouds or proxies."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("AWS_", "PULUMI_", "PG", "MOTO_", "LIFEBOAT_"))
        and not name.lower().endswith("_proxy")
    }
    kept.pop("PYTHONDONTWRITEBYTECODE", None)
    kept["PYTHONPATH"] = os.pathsep.join(
        [str(Path(__file__).parent.parent), *filter(None, [kept.get("PYTHONPATH")])]
    )
    return kept


def end_clients(name: str) -> None:
    """End what works on the world of that name but is no part of it: `pulumi`, `dr`, and what they started.

    For a command that was interrupted; the stacks' locks of such a `pulumi` go with it.
    """
    home = homes.folder(name)
    end_marked(CHILD, str(home))
    shutil.rmtree(home / "state" / ".pulumi" / "locks", ignore_errors=True)


def down(name: str = DEFAULT_NAME) -> bool:
    """End the world of that name and everything it left; False when there was none."""
    home = homes.folder(name)
    there = home.exists()
    _end_started(home)
    homes.remove(home)
    homes.release(home)
    return there


def _end_started(home: Path) -> None:
    try:
        control = json.loads((home / "process.json").read_text())
    except (OSError, ValueError):
        return
    end_process(control["pid"], control["started"], patience_s=5)


@contextmanager
def world(name: str, *, scale: float = DEFAULT_SCALE, seed: int = 1) -> Iterator[WorldSettings]:
    """A world for the length of a `with`; never outlives this thread."""
    settings = up(name, scale=scale, seed=seed, dies_with_us=True)
    try:
        yield settings
    finally:
        down(name)
