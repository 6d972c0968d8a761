"""The Pulumi provider for `aws` that talks to the rehearsal's cloud, and how Pulumi finds it.

Nothing in `infra/` knows of it: it sits in the plugin folder under the very version that pulumi_aws asks
for, and refuses to start unless AWS_ENDPOINT_URL is an address of this machine.
"""

from __future__ import annotations

import shlex
from pathlib import Path

PLUGIN = """#!/bin/sh
# Written by `./dr world up`; serves pulumi-aws' resource types from the rehearsal's cloud.
unset PYTHONDONTWRITEBYTECODE
LIFEBOAT_PLUGIN={folder} PYTHONPATH={root} exec {python} -P -m rehearsal.provider "$@"
"""


def install(pulumi_home: Path, python: Path) -> Path:
    """Put the plugin into `$PULUMI_HOME/plugins`; `python` is one that has the rehearsal's packages.

    Returns the plugin's folder (`provider.log` is there). OSError when it cannot be written.
    """
    from rehearsal.provider import schema
    from rehearsal.provider.tables import KINDS

    folder = pulumi_home / "plugins" / f"resource-aws-v{schema.version()}"
    folder.mkdir(parents=True, exist_ok=True)
    root = Path(__file__).resolve().parents[2]
    program = folder / "pulumi-resource-aws"
    words = {"folder": folder, "root": root, "python": python}
    program.write_text(PLUGIN.format(**{k: shlex.quote(str(v)) for k, v in words.items()}))
    program.chmod(0o755)
    schema.load(folder / "schemas.json", KINDS)
    return folder


def project_copy(project: Path, into: Path, *, venv: Path | None = None) -> Path:
    """A working folder for `pulumi` that leaves the project's tracked files alone.

    `Pulumi.yaml` points back to the project's own program; the stacks' files are copied without the secrets
    settings of the user's backend, and it is here that `pulumi` writes its salt. Stack files that are there
    keep their salt. Returns `into`.
    """
    from ruamel.yaml import YAML

    yaml = YAML()
    into.mkdir(parents=True, exist_ok=True)
    head = yaml.load(project / "Pulumi.yaml")
    head["main"] = str((project / str(head.get("main", "."))).resolve())
    runtime = head.get("runtime")
    if venv and isinstance(runtime, dict) and "virtualenv" in runtime.get("options", {}):
        runtime["options"]["virtualenv"] = str(venv)
    yaml.dump(head, into / "Pulumi.yaml")
    for file in project.glob("Pulumi.*.yaml"):
        stack = yaml.load(file) or {}
        kept = (yaml.load(into / file.name) or {}) if (into / file.name).exists() else {}
        for key in ("encryptionsalt", "encryptedkey", "secretsprovider"):
            stack.pop(key, None)
            if key in kept:
                stack[key] = kept[key]
        yaml.dump(stack, into / file.name)
    return into
