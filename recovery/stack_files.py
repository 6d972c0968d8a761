"""A stack's project and configuration, copied into the run's folder and changed there.

Recovery writes no tracked file: what is changed is remembered in the state folder (so that the next `up`
still has it) and written as a patch for a person to commit.
"""

from __future__ import annotations

import difflib
import json
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from recovery.errors import InputError

NAMESPACE = "lifeboat"
_BOOLEANS = {"on", "off", "yes", "no", "true", "false", "y", "n", "null"}


@dataclass(frozen=True)
class Place:
    """Where a stack is worked on, and for whom."""

    project: Path
    state: Path
    folder: Path
    """Of the run: copies and patches go there."""
    run: str
    step: str
    backend: str | None = None
    """Another state backend than the configured one (recovery/backends.py)."""
    expired: Callable[[], bool] = lambda: False
    """Whether the step's time is over: the engine is then stopped as by an abort."""

    @property
    def cause(self) -> str:
        """What its calls carry in their user agent."""
        return f"lifeboat/{self.run}/{self.step}"


class StackFiles:
    """Files of one stack, with configuration changes of recovery's own."""

    def __init__(self, name: str, place: Place) -> None:
        self.name = name
        self._place = place
        self._work = place.folder / "stacks" / name
        self._staged = False

    def configure(self, *, without: str = "", **values: str) -> Path:
        """Copy project and configuration, change these keys, remember them; returns the patch to commit.

        The key `without` is left out of this copy and neither remembered nor in the patch: it stays declared.
        """
        overrides = {**self.overrides(), **values}
        self._copy(overrides)
        self._staged = True
        self._remember(overrides)
        patch = self._write_patch()
        if without:
            self._copy(overrides, without)
        return patch

    def declared(self, key: str) -> str | None:
        """What the stack's configuration says of a key."""
        from ruamel.yaml import YAML

        if not self._tracked.is_file():
            return None
        found = YAML(typ="safe").load(self._tracked.read_text())["config"].get(f"{NAMESPACE}:{key}")
        return None if found is None else str(found)

    def stage(self, **values: str) -> None:
        """Copy with these keys changed, for a preview: nothing is remembered."""
        self._copy({**self.overrides(), **values})
        self._staged = True

    @property
    def backend(self) -> str:
        """Where the state is kept."""
        return self._place.backend or os.environ.get("PULUMI_BACKEND_URL", "as `pulumi login` says")

    def overrides(self) -> dict[str, str]:
        """What recovery has changed in the stack's configuration and nobody has committed yet."""
        try:
            kept: dict[str, str] = json.loads(self._overrides_file.read_text())["values"]
        except OSError:
            return {}
        return kept

    @property
    def config_file(self) -> Path:
        """The copy of the stack's configuration."""
        return self._work / f"Pulumi.{self.name}.yaml"

    @property
    def _tracked(self) -> Path:
        return self._place.project / f"Pulumi.{self.name}.yaml"

    @property
    def _overrides_file(self) -> Path:
        return self._place.state / "overrides" / f"{self.name}.json"

    def _copy(self, overrides: Mapping[str, str], without: str = "") -> None:
        from ruamel.yaml import YAML

        yaml = YAML()
        yaml.preserve_quotes = True
        yaml.width = 4096
        yaml.indent(mapping=2, sequence=4, offset=2)
        self._work.mkdir(parents=True, exist_ok=True)
        project = yaml.load((self._place.project / "Pulumi.yaml").read_text())
        project["main"] = str(self._place.project / str(project.get("main", ".")))
        options = project["runtime"].get("options") if isinstance(project["runtime"], dict) else None
        if options and "virtualenv" in options:
            options["virtualenv"] = str(self._place.project / str(options["virtualenv"]))
        with (self._work / "Pulumi.yaml").open("w") as out:
            yaml.dump(project, out)
        if not self._tracked.is_file():
            raise InputError(
                f"{self._tracked} is not there",
                means=f"stack {self.name} cannot be brought up without its configuration",
                cure="run dr in the project's folder, with the stack's configuration committed",
            )
        settings = yaml.load(self._tracked.read_text())
        for key, value in overrides.items():
            if str(settings["config"].get(f"{NAMESPACE}:{key}")) != value:
                settings["config"][f"{NAMESPACE}:{key}"] = _scalar(value)
        settings["config"].pop(f"{NAMESPACE}:{without}", None)
        with self.config_file.open("w") as out:
            yaml.dump(settings, out)

    def _remember(self, overrides: Mapping[str, str]) -> None:
        self._overrides_file.parent.mkdir(parents=True, exist_ok=True)
        temporary = self._overrides_file.with_suffix(".new")
        temporary.write_text(
            json.dumps({"version": 1, "stack": self.name, "values": dict(overrides)}, indent=1)
        )
        temporary.replace(self._overrides_file)

    def _write_patch(self) -> Path:
        name = f"Pulumi.{self.name}.yaml"
        before, after = self._tracked.read_text(), self.config_file.read_text()
        lines = difflib.unified_diff(
            before.splitlines(keepends=True), after.splitlines(keepends=True), f"a/{name}", f"b/{name}"
        )
        patch = self._place.folder / f"{name}.patch"
        patch.write_text("".join(lines))
        return patch


def _scalar(value: str) -> str:
    """Quoted where YAML would take it for something else than text: `on` is a boolean to someone."""
    from ruamel.yaml.scalarstring import DoubleQuotedScalarString

    plain = re.fullmatch(r"[A-Za-z][\w.-]*", value) and value.lower() not in _BOOLEANS
    return value if plain else DoubleQuotedScalarString(value)
