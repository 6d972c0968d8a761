"""The Pulumi CLI, where none is installed: `python tools/pulumi/install.py [CACHE]` prints its path.

Order: a `pulumi` on PATH with its Python host; our own build from the cache; `go build` (minutes, once); else
Pulumi's official installer. Needs the project's virtual environment for the last two only.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

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

Progress = Callable[[str], None]


class CannotInstallError(Exception):
    """No CLI can be had here; the text says why and what to do."""


def ensure_cli(cache: Path, progress: Progress) -> Path:
    """A usable `pulumi`; raises CannotInstallError. `progress` hears a line for each slow step."""
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
    progress(f"Pulumi CLI {VERSION}: building it with Go; 5 to 10 minutes, once for this machine ...")
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".building-") as scratch:
        flag = f"-s -w -X github.com/pulumi/pulumi/sdk/v3/go/common/version.Version=v{VERSION}"
        argv = ["go", "build", "-mod=readonly", "-trimpath", "-tags", "osusergo,grpcnotrace"]
        argv += ["-ldflags", flag, "-o", f"{scratch}/bin/", "tool"]
        done = subprocess.run(
            argv,
            cwd=HERE,
            env={**os.environ, "CGO_ENABLED": "0"},
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            tail = "\n".join(done.stderr.strip().splitlines()[-5:])
            raise CannotInstallError(
                f"the Pulumi CLI could not be built with Go:\n{tail}\n"
                "install it by hand (pulumi.com/docs/install), so that it is on PATH, then run this again"
            )
        _keep(Path(scratch), folder)


def _download(folder: Path, progress: Progress) -> None:
    progress(f"Pulumi CLI {VERSION}: downloading it with Pulumi's own installer ...")
    from pulumi.automation import PulumiCommand
    from semver import VersionInfo

    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".downloading-") as scratch:
        try:
            PulumiCommand.install(root=scratch, version=VersionInfo.parse(VERSION))
        except Exception as error:
            raise CannotInstallError(
                f"no `pulumi` on PATH, no Go to build one with, and it cannot be downloaded: {error}\n"
                "install Go >= 1.25 (go.dev/dl) or Pulumi (pulumi.com/docs/install), then run this again"
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
    try:
        print(ensure_cli(cache, lambda line: print(line, file=sys.stderr, flush=True)))
    except CannotInstallError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
