"""A working copy of the project for a world: tracked files stay as they are, whatever is brought up."""

from __future__ import annotations

import sys
from pathlib import Path

from recovery.continuity import FILE, project_root
from rehearsal.provider import install, project_copy
from rehearsal.world import WorldSettings

_LINKED = (FILE, "plans", "checks", "infra", "examples", "recovery", "rehearsal")


def prepare(settings: WorldSettings, project: Path | None = None) -> Path:
    """Copy the stacks' files into the world's home, link what is only read, and put the provider in place.

    Returns the folder to run `pulumi` and `dr` in. Raises InputError when there is no project here.
    """
    root = project or project_root()
    copy = project_copy(root, settings.home / "project", venv=Path(sys.prefix))
    for name in _LINKED:
        source, link = root / name, copy / name
        if source.exists() and not link.is_symlink():
            link.symlink_to(source)
    (settings.home / "state").mkdir(exist_ok=True)
    (settings.home / "lifeboat").mkdir(exist_ok=True)
    install(settings.home / "pulumi", Path(sys.executable))
    return copy
