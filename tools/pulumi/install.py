"""The Pulumi CLI, where none is installed: `python tools/pulumi/install.py [CACHE]` prints its path.

Order: a `pulumi` on PATH with its Python host; our own build from the cache; `go build` (minutes, once); else
Pulumi's official installer. Needs the project's virtual environment for the last two only.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TextIO

HERE = Path(__file__).resolve().parent
VERSION = "3.259.0"
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

Progress = Callable[[float | None], None]
"""Hears how much of a build is done, 0 to 1; None: a download, which does not say."""


class CannotInstallError(Exception):
    """No CLI can be had here: why, what it means, and what to do."""

    def __init__(self, what: str, *, means: str, cure: str) -> None:
        super().__init__(f"error: {what}\n  means: {means}\n  now:   {cure}")


class Teller:
    """Shows progress: one line that fills up on a terminal, a line for every fifth elsewhere."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._told = -1
        self._began = time.monotonic()

    def __call__(self, share: float | None) -> None:
        """Show how far it is."""
        head = f"pulumi {VERSION}: building from source, about 7 minutes, once"
        if share is None:
            self._out.write(f"pulumi {VERSION}: downloading ...\n")
        elif self._out.isatty():
            full = round(share * 10)
            self._out.write(f"\r{head} {'█' * full}{'░' * (10 - full)} {share:4.0%}\x1b[K")
        elif int(share * 5) > self._told:
            self._out.write(f"{head} ... {share:.0%}\n")
        self._told = max(self._told, int((share or 0) * 5))
        self._out.flush()

    def over(self, *, good: bool) -> None:
        """End the line, if one was begun."""
        if self._told < 0:
            return
        if self._out.isatty():
            self._out.write("\r\x1b[K")
        sign = "✓" if good else "✗"
        self._out.write(f"pulumi {VERSION} {sign} {time.monotonic() - self._began:.0f}s\n")


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
        (_build if shutil.which("go") else _download)(folder, progress)
    if (folder / "official").exists():
        return program
    add_host(folder)
    return program


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
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".building-") as scratch:
        flag = f"-s -w -X github.com/pulumi/pulumi/sdk/v3/go/common/version.Version=v{VERSION}"
        argv = ["go", "build", "-v", "-mod=readonly", "-trimpath", "-tags", "osusergo,grpcnotrace"]
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
                cure="put Pulumi on PATH by hand (pulumi.com/docs/install), then run this again",
            )
        _keep(Path(scratch), folder)


def _compile(argv: list[str], env: dict[str, str], progress: Progress) -> tuple[int, str]:
    """Run `go build`, which names each package that it has to compile; exit code and what else it said."""
    progress(0.0)
    listed = subprocess.run(
        ["go", "list", "-mod=readonly", "-deps", "tool"],
        cwd=HERE,
        env=env,
        capture_output=True,
        text=True,
        check=False,
    )
    packages = set(listed.stdout.split())
    compiled, rest = 0, []
    with subprocess.Popen(argv, cwd=HERE, env=env, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr
        for line in process.stderr:
            if line.strip() in packages:
                compiled += 1
                progress(compiled / len(packages))
            elif not line.startswith("go: downloading"):
                rest.append(line)
    return process.returncode, listed.stderr + "".join(rest)


def _download(folder: Path, progress: Progress) -> None:
    progress(None)
    from pulumi.automation import PulumiCommand
    from semver import VersionInfo

    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".downloading-") as scratch:
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
    """Move a finished build into place; another process may have been faster, which is as good."""
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
