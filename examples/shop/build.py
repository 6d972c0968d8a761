"""Builds the shop's artefact: `python examples/shop/build.py OUT VERSION`.

Writes OUT/web/VERSION/artefact.tar.gz and manifest.json, to be put into a site's `artefacts` store under the
same names. The artefact carries all it needs (psycopg with its own libpq), for the Python that builds it.
The same sources give the same bytes.
"""

from __future__ import annotations

import compileall
import gzip
import hashlib
import io
import json
import shutil
import sys
import tarfile
import tempfile
from datetime import UTC, datetime
from importlib.metadata import distribution
from pathlib import Path
from py_compile import PycInvalidationMode

NAME = "web"
_HERE = Path(__file__).resolve().parent
_LIBRARIES = ("psycopg", "psycopg-binary", "typing-extensions")


def build(out: Path, version: str) -> Path:
    """Build into `out`; answers the folder with artefact.tar.gz and manifest.json."""
    folder = out / NAME / version
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as temporary:
        root = Path(temporary)
        _collect(root)
        content = _pack(root)
    (folder / "artefact.tar.gz").write_bytes(content)
    manifest = {
        "schema": 1,
        "name": NAME,
        "version": version,
        "sha256": hashlib.sha256(content).hexdigest(),
        "built_at": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}",
    }
    (folder / "manifest.json").write_text(json.dumps(manifest, indent=1) + "\n")
    return folder


def _collect(root: Path) -> None:
    for name in ("start", "schema.sql"):
        shutil.copy2(_HERE / name, root / name)
    shutil.copytree(_HERE / "shop", root / "shop", ignore=shutil.ignore_patterns("__pycache__"))
    for library in _LIBRARIES:
        for file in distribution(library).files or ():
            # nothing that is installed beside the packages (programs), nothing compiled for somebody else
            if ".." in file.parts or file.suffix == ".pyc" or file.parts[0].endswith(".dist-info"):
                continue
            target = root / "lib" / file
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(str(file.locate()), target)
    # a fresh machine would compile it all at its first start
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


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit("usage: python examples/shop/build.py OUT VERSION")
    print(build(Path(sys.argv[1]), sys.argv[2]))
