"""One machine: `bash` on its user data, unprivileged, in a folder of its own, with nothing of ours in sight.

Everything it may know reaches it as on EC2: user data, the metadata service, the network. The environment
holds what a laptop cannot give otherwise: where the cloud's APIs and the metadata service are.
"""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass, field
from pathlib import Path

from rehearsal.pki import ca_file
from rehearsal.processes import Child
from rehearsal.world import World

_SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_POWERED_OFF = ".powered-off"
# A machine that shuts itself down: leave word for the hypervisor, then end the machine's whole process group.
_SHUTDOWN = f"""#!/bin/bash
: > "$HOME/{_POWERED_OFF}"
kill -KILL 0
"""


@dataclass
class Machine:
    """A machine's folder and, while it is powered on, its process."""

    world: World
    id: str
    address: str
    user_data: bytes
    metadata_url: str
    child: Child | None = field(default=None, repr=False)

    @property
    def home(self) -> Path:
        """Its root folder; outlives the machine, for those who ask what happened."""
        return self.world.settings.home / "machines" / self.id

    @property
    def console(self) -> Path:
        """What it printed."""
        return self.home.with_suffix(".log")

    def power_on(self) -> None:
        """Start it from its user data. OSError when the process cannot be made."""
        self._furnish()
        argv = ["bash", str(self.home / "user-data")]
        self.child = self.world.spawn(argv, cwd=self.home, env=self._environment(), log=self.console)

    def power_off(self) -> None:
        """Cut its power; its folder stays."""
        if self.child is not None:
            self.child.kill()
            self.child = None

    @property
    def shut_down(self) -> bool:
        """Whether it shut itself down. A machine whose program merely ended still runs, as on EC2."""
        return self.child is not None and not self.child.alive() and (self.home / _POWERED_OFF).exists()

    def _furnish(self) -> None:
        (self.home / "bin").mkdir(parents=True, exist_ok=True)
        (self.home / _POWERED_OFF).unlink(missing_ok=True)
        (self.home / "user-data").write_bytes(self.user_data)
        for name in ("shutdown", "poweroff"):
            program = self.home / "bin" / name
            program.write_text(_SHUTDOWN)
            program.chmod(0o755)
        owner = self.world.settings.uid
        if owner is not None:
            for path in (self.home, self.home / "bin", self.home / "user-data"):
                os.chown(path, owner, owner)

    def _environment(self) -> dict[str, str]:
        settings = self.world.settings
        return {
            "PATH": f"{self.home / 'bin'}:{settings.python.parent}:{_SYSTEM_PATH}",
            "HOME": str(self.home),
            "AWS_ENDPOINT_URL": settings.api_url,
            "AWS_EC2_METADATA_SERVICE_ENDPOINT": self.metadata_url,
            "AWS_CA_BUNDLE": str(ca_file(settings.home)),
        }

    def discard(self) -> None:
        """Cut its power and take its disk away; what it printed stays."""
        self.power_off()
        shutil.rmtree(self.home, ignore_errors=True)
