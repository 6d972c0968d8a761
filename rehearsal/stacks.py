"""The project's stacks in a world, brought up as a person would: by the `pulumi` program itself."""

from __future__ import annotations

import re
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from recovery.errors import LifeboatError

POLICIES = Path("infra") / "policies"
_COUNT = re.compile(
    r"^\s+(?:[+~-]|\+-)?\s*(?P<number>\d+) (?P<what>created|updated|replaced|deleted|unchanged|imported)"
)


@dataclass(frozen=True)
class Update:
    """What one `pulumi up` did."""

    stack: str
    seconds: float
    counts: Mapping[str, int]
    """`created`, `updated`, `replaced`, `deleted`, `unchanged` -> how many resources."""

    @property
    def changed(self) -> int:
        """Resources that were not left as they were."""
        return sum(number for what, number in self.counts.items() if what != "unchanged")

    @property
    def total(self) -> int:
        """Resources of the stack."""
        return sum(number for what, number in self.counts.items() if what != "deleted")


@dataclass(frozen=True)
class Pulumi:
    """The program, in a working copy of the project, pointed at a world."""

    project: Path
    environment: Mapping[str, str]
    logs: Path

    def create(self, stack: str) -> None:
        """Make an empty stack; one that exists stays. LifeboatError when the backend says no."""
        if not (self.logs / f"{stack}-init.log").exists():
            self._run(stack, "init", ["stack", "init", stack, "--no-select"])

    def up(self, stack: str) -> Update:
        """`pulumi up --yes`, with the policy pack on. LifeboatError with Pulumi's own words when it fails."""
        arguments = ["up", "--yes", "--skip-preview", "--stack", stack, *self._policies()]
        started = time.monotonic()
        said = self._run(stack, "up", arguments)
        return Update(stack, time.monotonic() - started, _counts(said))

    def preview(self, stack: str) -> Update:
        """What `up` would do now."""
        started = time.monotonic()
        said = self._run(stack, "preview", ["preview", "--stack", stack, *self._policies()])
        return Update(stack, time.monotonic() - started, _counts(said))

    def _policies(self) -> list[str]:
        return (
            ["--policy-pack", str(POLICIES)]
            if (self.project / POLICIES / "PulumiPolicy.yaml").exists()
            else []
        )

    def _run(self, stack: str, what: str, arguments: list[str]) -> str:
        command = ["pulumi", "--non-interactive", "--color", "never", *arguments]
        done = subprocess.run(
            command,
            cwd=self.project,
            env=dict(self.environment),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        self.logs.mkdir(exist_ok=True)
        said = done.stdout + done.stderr
        if done.returncode != 0:
            (self.logs / f"{stack}-{what}.failed.log").write_text(said)
            raise LifeboatError(
                f"`pulumi {' '.join(arguments[:1])}` failed on stack {stack}",
                means="\n         ".join(_why(said)),
                cure=f"its whole output is in {self.logs / f'{stack}-{what}.failed.log'}, "
                "as long as the world stands: dr rehearse --keep",
            )
        (self.logs / f"{stack}-{what}.log").write_text(said)
        return said


def _why(said: str) -> list[str]:
    """What Pulumi says of a failure: diagnostics and violated policies, without the progress before them."""
    marks = [at for mark in ("\nPolicies:", "\nDiagnostics:") if (at := said.find(mark)) >= 0]
    told = said[min(marks) :].partition("\nResources:")[0] if marks else said[-1500:]
    return [line.strip() for line in told.splitlines() if line.strip()][-12:]


def _counts(said: str) -> dict[str, int]:
    found: dict[str, int] = {}
    for line in said.splitlines():
        if match := _COUNT.match(line):
            found[match["what"]] = found.get(match["what"], 0) + int(match["number"])
    return found
