"""The Pulumi CLI, where none is installed: `python tools/pulumi/install.py [CACHE]` prints its path.

Order: a `pulumi` on PATH with its Python host; our own build from the cache; `go build` (minutes, once); else
Pulumi's official installer. Run it with the Python of the project's virtual environment, as `dr` does.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TextIO

from recovery.terminal import redraws

HERE = Path(__file__).resolve().parent
VERSION = "3.259.0"
SCRATCH = ".making-"
"""How folders of the cache begin in which a CLI is being made."""
OLDEST = (3, 208)
"""PULUMI_OPTION_* came with 3.208."""
HOST = """#!/bin/sh
# Pulumi's Python language host (tools/pulumi/language_host.py) on the project's virtual environment.
python="$LIFEBOAT_PYTHON"
if [ -z "$python" ] && [ -n "$VIRTUAL_ENV" ]; then python="$VIRTUAL_ENV/bin/python"; fi
folder="$PWD"
while [ -z "$python" ] && [ "$folder" != / ]; do
  if [ -x "$folder/.venv/bin/python" ]; then python="$folder/.venv/bin/python"; fi
  folder=$(dirname "$folder")
done
unset PYTHONDONTWRITEBYTECODE
exec "${python:-python3}" "$(dirname "$0")/../language_host.py" "$@"
"""

Progress = Callable[[str, float | None], None]
"""Hears what is being done, and how much of it is done, 0 to 1; None: nobody knows."""


class CannotInstallError(Exception):
    """No CLI can be had here: why, what it means, and what to do."""

    def __init__(self, what: str, *, means: str, cure: str) -> None:
        super().__init__(f"error: {what}\n  means: {means}\n  now:   {cure}")


class Teller:
    """Shows progress: one line that fills up on a terminal; elsewhere a line a part and a fifth."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._redraws = redraws(out)
        self._told = ("", -1)
        self._began = time.monotonic()

    def __call__(self, doing: str, share: float | None) -> None:
        """Show how far it is."""
        part = (re.sub(r"\d+", "", doing), int((share or 0) * 5))
        if self._redraws:
            full = round((share or 0) * 10)
            bar = "" if share is None else f"{'█' * full}{'░' * (10 - full)} {share:4.0%}  "
            # a line that is longer than the terminal could not be overwritten
            line = f"pulumi {VERSION} {bar}{doing}"[: _columns(self._out) - 1]
            self._out.write(f"\r{line}\x1b[K")
        elif part != self._told:
            self._out.write(f"pulumi {VERSION}: {doing} ..." + ("\n" if share is None else f" {share:.0%}\n"))
        self._told = part
        self._out.flush()

    def over(self, *, good: bool) -> None:
        """End the line, if one was begun."""
        if self._told[1] < 0:
            return
        if self._redraws:
            self._out.write("\r\x1b[K")
        sign = "✓" if good else "✗"
        self._out.write(f"pulumi {VERSION} {sign} {time.monotonic() - self._began:.0f}s\n")


def _columns(terminal: TextIO) -> int:
    try:
        return os.get_terminal_size(terminal.fileno()).columns or 80
    except (OSError, ValueError):
        return 80


def ensure_cli(cache: Path, progress: Progress) -> Path:
    """A usable `pulumi`; raises CannotInstallError, or OSError when the cache cannot be written."""
    found = on_path()
    if found:
        return found
    sums = hashlib.sha256((HERE / "go.sum").read_bytes()).hexdigest()[:12]
    folder = cache / f"pulumi-{VERSION}-{sums}"
    program = folder / "bin" / "pulumi"
    older = cache / f"pulumi-{VERSION}" / "bin" / "pulumi"
    if not program.exists() and older.exists():
        folder, program = older.parents[1], older
    if not program.exists():
        with _only_one(cache, progress):
            if not program.exists():
                (_build if shutil.which("go") else _download)(folder, progress)
    if (folder / "official").exists():
        return program
    add_host(folder)
    return program


@contextlib.contextmanager
def _only_one(cache: Path, progress: Progress) -> Iterator[None]:
    """Keep a second set-up waiting, which would take as long; the lock dies with its holder."""
    cache.mkdir(parents=True, exist_ok=True)
    lock = os.open(cache, os.O_RDONLY)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            progress("another set-up is getting it; waiting for that one", None)
            fcntl.flock(lock, fcntl.LOCK_EX)
        for left in cache.glob(f"{SCRATCH}*"):  # of one that was killed
            shutil.rmtree(left, ignore_errors=True)
        yield
    finally:
        os.close(lock)


def on_path() -> Path | None:
    """`pulumi` of PATH, if it is recent enough and has its Python host beside it."""
    found = shutil.which("pulumi")
    if not found or not shutil.which("pulumi-language-python", path=str(Path(found).resolve().parent)):
        return None
    version = subprocess.run([found, "version"], capture_output=True, text=True, check=False).stdout
    numbers = re.match(r"v?(\d+)\.(\d+)", version)
    if not numbers or (int(numbers[1]), int(numbers[2])) < OLDEST or int(numbers[1]) > OLDEST[0]:
        return None
    return Path(found)


def add_host(folder: Path) -> None:
    """Put the language host beside a CLI that we built; the same bytes are written no second time."""
    for target, text, mode in (
        (folder / "language_host.py", (HERE / "language_host.py").read_text(), 0o644),
        (folder / "bin" / "pulumi-language-python", HOST, 0o755),
    ):
        if not target.exists() or target.read_text() != text:
            temporary = target.with_suffix(f".{os.getpid()}")
            temporary.write_text(text)
            temporary.chmod(mode)
            temporary.replace(target)


def _build(folder: Path, progress: Progress) -> None:
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=SCRATCH) as scratch:
        flag = f"-s -w -X github.com/pulumi/pulumi/sdk/v3/go/common/version.Version=v{VERSION}"
        argv = ["build", "-v", "-mod=readonly", "-trimpath", "-tags", "osusergo,grpcnotrace"]
        argv += ["-ldflags", flag, "-o", f"{scratch}/bin/", "tool"]
        # Go's own scratch space too: an interrupted build leaves nothing of it
        env = {**os.environ, "CGO_ENABLED": "0", "GOTMPDIR": scratch}
        code, said = _compile(argv, env, progress)
        if code:
            if "no space left" in said.lower():
                raise CannotInstallError(
                    "the disk is full: building the Pulumi CLI needs 3 GB in Go's caches",
                    means="nothing else was touched",
                    cure="free some space, then run the same command again",
                )
            tail = "\n         ".join(said.strip().splitlines()[-5:])
            raise CannotInstallError(
                f"the Pulumi CLI {VERSION} could not be built with Go",
                means=tail,
                cure="cure what Go says (it has to be >= 1.25, and to reach its module proxy), or put "
                "Pulumi on PATH by hand (pulumi.com/docs/install); run this again",
            )
        _keep(Path(scratch), folder)


def _compile(argv: list[str], env: dict[str, str], progress: Progress) -> tuple[int, str]:
    """Run `go build`, which names each package that it has to compile; exit code and what else it said.

    Before, Go fetches what is to be compiled, and names each module.
    """
    modules, packages, compiled = 0, set[str](), 0
    building = "building, about 7 minutes, once"

    def fetched(line: str) -> bool:
        nonlocal modules
        if not line.startswith("go: downloading "):
            return False
        modules += 1
        progress(f"fetching its source, {modules} Go modules so far", None)
        return True

    def built(line: str) -> bool:
        nonlocal compiled
        if line.strip() not in packages:
            return fetched(line)
        compiled += 1
        progress(building, compiled / len(packages))
        return True

    progress("fetching its source", None)
    code, listed, said = _go(["list", "-mod=readonly", "-deps", "tool"], env, fetched)
    if code:
        return code, said
    packages |= set(listed.split())
    progress(building, 0.0)
    code, _, said = _go(argv, env, built)
    return code, said


def _go(argv: list[str], env: dict[str, str], hears: Callable[[str], bool]) -> tuple[int, str, str]:
    """Run Go: its exit code, stdout, and the lines of stderr that `hears` did not take. It dies with us."""
    dying = ["setpriv", "--pdeathsig", "TERM"] if shutil.which("setpriv") else []
    with tempfile.TemporaryFile("w+", dir=env["GOTMPDIR"]) as out:
        process = subprocess.Popen(
            [*dying, "go", *argv],
            cwd=HERE,
            env=env,
            stdout=out,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        assert process.stderr
        try:
            rest = "".join(line for line in process.stderr if not hears(line))
        except BaseException:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGTERM)  # its compilers too
            raise
        finally:
            code = process.wait()
        out.seek(0)
        return code, out.read(), rest


def _download(folder: Path, progress: Progress) -> None:
    progress("downloading", None)
    from pulumi.automation import PulumiCommand
    from semver import VersionInfo

    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=SCRATCH) as scratch:
        try:
            PulumiCommand.install(root=scratch, version=VersionInfo.parse(VERSION))
        except Exception as error:
            last = (str(error).strip().splitlines() or [type(error).__name__])[-1]
            raise CannotInstallError(
                "there is no `pulumi` on PATH, and no Go to build one with",
                means=f"stacks cannot be brought up; Pulumi's installer did not answer either ({last})",
                cure="install Go >= 1.25 (go.dev/dl) or Pulumi (pulumi.com/docs/install); run this again",
            ) from error
        (Path(scratch) / "official").touch()
        _keep(Path(scratch), folder)


def _keep(scratch: Path, folder: Path) -> None:
    """Move a finished CLI into place."""
    folder.mkdir(parents=True, exist_ok=True)
    for item in scratch.iterdir():
        if not (folder / item.name).exists():
            item.rename(folder / item.name)


def main() -> int:
    """Print the path of a usable CLI (and nothing else) on stdout; progress goes to stderr."""
    default = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "lifeboat"
    cache = Path(sys.argv[1]) if len(sys.argv) > 1 else default
    teller, good = Teller(sys.stderr), False
    try:
        # Ctrl-C's way, for `kill` and a closed terminal too
        for number in (signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.default_int_handler)
        program = ensure_cli(cache, teller)
        good = True
    except CannotInstallError as error:
        problem, code = str(error), 2
    except OSError as error:
        problem, code = f"error: {error}\n  now:   free some space there, or make it writable", 2
    except KeyboardInterrupt:
        problem, code = "interrupted; the same command goes on where this stopped", 130
    teller.over(good=good)
    print(program if good else problem, file=sys.stdout if good else sys.stderr)
    return 0 if good else code


if __name__ == "__main__":
    sys.exit(main())
