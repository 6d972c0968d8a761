"""What runners boot from: Lifeboat itself and the few libraries that its runner needs, as one artefact.

No package registry on the day: everything is in the tar.gz. The same sources give the same bytes. Packages
come from this installation, or, for machines with another Python or platform, from the registry when built.
"""

from __future__ import annotations

import compileall
import gzip
import hashlib
import io
import json
import shutil
import subprocess
import sys
import tarfile
import tempfile
from dataclasses import dataclass
from datetime import datetime
from importlib.metadata import distribution, version
from pathlib import Path
from py_compile import PycInvalidationMode

from recovery.errors import InputError, LifeboatError

NAME = "bundle"
LIBRARIES = (
    "annotated-types",
    "botocore",
    "jmespath",
    "psycopg",
    "psycopg-binary",
    "pydantic",
    "pydantic-core",
    "python-dateutil",
    "six",
    "typing-extensions",
    "typing-inspection",
    "urllib3",
)
_SERVICES = ("s3", "secretsmanager")
"""Service models that the runner uses; all others are left out of botocore's data (100 MB)."""

_START = """#!/bin/bash
# Runs Lifeboat's runner with a Python that the bundle's compiled libraries were made for.
here=$(cd "$(dirname "$0")" && pwd)
for python in python{python} python3; do
  if command -v "$python" >/dev/null &&
    "$python" -IS -c 'import sys; sys.exit("%d.%d" % sys.version_info[:2] != "{python}")'; then
    PYTHONPATH=$here/lib exec "$python" -m recovery.runner
  fi
done
echo "lifeboat: this machine has no Python {python}, which the bundle was built for (dr bundle --python)" >&2
exit 69
"""


@dataclass(frozen=True)
class Artefact:
    """An artefact and its manifest, as they lie in a store: `<name>/<version>/…`."""

    name: str
    version: str
    content: bytes
    manifest: bytes

    @property
    def files(self) -> dict[str, bytes]:
        """Key -> bytes; the manifest last, since it is the commit mark."""
        folder = f"{self.name}/{self.version}"
        return {f"{folder}/artefact.tar.gz": self.content, f"{folder}/manifest.json": self.manifest}


def artefact(name: str, version_: str, content: bytes, built_at: datetime) -> Artefact:
    """With a fresh manifest."""
    manifest = {
        "schema": 1,
        "name": name,
        "version": version_,
        "sha256": hashlib.sha256(content).hexdigest(),
        "built_at": f"{built_at:%Y-%m-%dT%H:%M:%SZ}",
    }
    return Artefact(name, version_, content, (json.dumps(manifest, indent=1) + "\n").encode())


def load(path: Path, name: str, version_: str, built_at: datetime) -> Artefact:
    """An artefact from a tar.gz, or from a folder with artefact.tar.gz in it; it must have a `start`."""
    file = path / "artefact.tar.gz" if path.is_dir() else path
    try:
        content = file.read_bytes()
        with tarfile.open(fileobj=io.BytesIO(content), mode="r:gz") as archive:
            names = {member.name.removeprefix("./"): member for member in archive.getmembers()}
    except (OSError, tarfile.TarError) as error:
        raise InputError(f"{file} is no tar.gz: {error}", cure="name the build's artefact.tar.gz") from error
    if "start" not in names or not names["start"].mode & 0o100:
        raise InputError(
            f"{file} has no executable `start`",
            means="machines could not start it",
            cure="put a program or script named `start` at the top of the archive, with mode 0755",
        )
    return artefact(name, version_, content, built_at)


def build(version_: str, built_at: datetime, *, python: str = "", platform: str = "") -> Artefact:
    """Build the bundle. `python` (3.12) and `platform` (manylinux_2_28_x86_64): default: ours."""
    ours = f"{sys.version_info[0]}.{sys.version_info[1]}"
    with tempfile.TemporaryDirectory() as temporary:
        root = Path(temporary)
        library = root / "lib"
        library.mkdir()
        if platform or (python and python != ours):
            _download(library, python or ours, platform)
        else:
            _copy_installed(library)
        _trim(library / "botocore" / "data")
        _copy_ourselves(library)
        start = root / "start"
        start.write_text(_START.format(python=python or ours))
        start.chmod(0o755)
        if not python or python == ours:
            _compile(root)
        return artefact(NAME, version_, _pack(root), built_at)


def _copy_installed(library: Path) -> None:
    for name in LIBRARIES:
        for file in distribution(name).files or ():
            # nothing installed beside the packages (programs), nothing compiled for somebody else
            if ".." in file.parts or file.suffix == ".pyc" or file.parts[0].endswith(".dist-info"):
                continue
            if (
                file.parts[:2] == ("botocore", "data")
                and len(file.parts) > 3
                and file.parts[2] not in _SERVICES
            ):
                continue
            target = library / file
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(str(file.locate()), target)


def _download(library: Path, python: str, platform: str) -> None:
    pins = [f"{name}=={version(name)}" for name in LIBRARIES]
    where = ["--platform", platform] if platform else []
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--target", str(library), "--no-deps",
               "--no-compile", "--only-binary=:all:", "--python-version", python, *where, *pins]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise LifeboatError(
            f"pip could not fetch the bundle's libraries: {done.stderr.strip()[-800:]}",
            means="no bundle was built; the one in the stores stays",
            cure="check the platform's name and the package registry, and try again",
        )


def _trim(data: Path) -> None:
    for service in data.iterdir():
        if service.is_dir() and service.name not in _SERVICES:
            shutil.rmtree(service)


def _copy_ourselves(library: Path) -> None:
    project = Path(__file__).resolve().parents[1]
    shutil.copytree(project / "recovery", library / "recovery", ignore=shutil.ignore_patterns("__pycache__"))
    (library / "infra").mkdir()
    for name in ("__init__.py", "outputs.py"):
        shutil.copy2(project / "infra" / name, library / "infra" / name)


def _compile(root: Path) -> None:
    """Compiled here, since a fresh machine would compile everything at its first and only start."""
    compileall.compile_dir(
        root, quiet=2, stripdir=str(root), invalidation_mode=PycInvalidationMode.UNCHECKED_HASH
    )


def _pack(root: Path) -> bytes:
    packed = io.BytesIO()
    with (
        gzip.GzipFile(fileobj=packed, mode="wb", compresslevel=6, mtime=0) as zipped,
        tarfile.open(fileobj=zipped, mode="w") as archive,
    ):
        for path in sorted(root.rglob("*")):
            entry = archive.gettarinfo(str(path), str(path.relative_to(root)))
            entry.mtime, entry.uid, entry.gid, entry.uname, entry.gname = 0, 0, 0, "", ""
            entry.mode = 0o755 if path.is_dir() or path.stat().st_mode & 0o100 else 0o644
            if path.is_file():
                with path.open("rb") as content:
                    archive.addfile(entry, content)
            else:
                archive.addfile(entry)
    return packed.getvalue()
