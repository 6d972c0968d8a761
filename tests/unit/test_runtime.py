"""What the world's unprivileged user can run."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from pathlib import Path

import pytest

from rehearsal import runtime

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="an ordinary user's worlds run as that user")


@as_root
def test_a_program_behind_a_closed_door_does_not_count_as_runnable(tmp_path: Path) -> None:
    program = tmp_path / "true"
    shutil.copy2("/bin/true", program)
    for folder in (tmp_path, *tmp_path.parents):
        if folder.is_relative_to(tempfile.gettempdir()) and folder != Path(tempfile.gettempdir()):
            folder.chmod(0o755)
    assert runtime.runs(program, runtime.NOBODY)
    tmp_path.chmod(0o700)
    assert not runtime.runs(program, runtime.NOBODY)


@as_root
def test_the_worlds_python_finds_its_standard_library() -> None:
    found = runtime.python(runtime.NOBODY)
    assert runtime.runs(found, runtime.NOBODY, "-I", "-S", "-c", "import json, ssl, sqlite3")
    version = f"import sys; sys.exit(sys.version_info[:2] != {sys.version_info[:2]})"
    assert runtime.runs(found, runtime.NOBODY, "-I", "-S", "-c", version)
