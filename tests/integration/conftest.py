"""One world for the whole story; each fixture takes it one act further, in the order of the files' names."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from rehearsal import company
from rehearsal.launch import world
from tests.integration.region_story import ROOT, Recovered, Stage, back


def pulumi_folder() -> str:
    """Folder of the Pulumi CLI that `./dr` uses."""
    if found := os.environ.get("LIFEBOAT_PULUMI"):
        return found
    installer = [sys.executable, str(ROOT / "tools" / "pulumi" / "install.py")]
    done = subprocess.run(installer, check=True, capture_output=True, text=True)
    return str(Path(done.stdout.strip()).parent)


def program(*words: str) -> subprocess.CompletedProcess[str]:
    variables = os.environ | {"LIFEBOAT_PULUMI": pulumi_folder()}
    command = [sys.executable, "-m", *words]
    return subprocess.run(command, cwd=ROOT, env=variables, check=False, capture_output=True, text=True)


@pytest.fixture(scope="session")
def standing() -> Iterator[Stage]:
    """`dr world up`: the platform serves, nothing is lost."""
    name = f"story-{os.getpid()}"
    with world(name) as settings, pytest.MonkeyPatch.context() as patch:
        patch.setenv("LIFEBOAT_PULUMI", pulumi_folder())
        up = program("rehearsal.cli", "world", "up", "--name", name)
        assert up.returncode == 0, up.stderr
        yield Stage(company.platform(settings))


@pytest.fixture(scope="session")
def recovered(standing: Stage, tmp_path_factory: pytest.TempPathFactory) -> Recovered:
    """The primary region is lost, and `dr run region-loss` has brought the service back."""
    out = tmp_path_factory.mktemp("rehearsal")
    name = standing.platform.settings.name
    done = program("tests.integration.region_story", name, str(out))
    assert done.returncode == 0, done.stderr[-4000:]
    said = json.loads(done.stdout.splitlines()[-1])
    assert said["exit"] == 0, (said, done.stderr[-4000:])
    return Recovered(standing.platform, out, said)


@pytest.fixture(scope="session")
def returned(recovered: Recovered) -> Recovered:
    """The lost region is back, and nothing has been done about it yet."""
    back(recovered)
    return recovered
