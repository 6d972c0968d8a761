"""`dr permissions`: what the recovery role must be allowed to do."""

from __future__ import annotations

from typing import Annotated

import typer

from recovery import permissions as needed
from recovery.actions import registry
from recovery.cli import common

app = common.make_app()


@app.command()
def permissions(
    write: Annotated[bool, typer.Option("--write", help="Write them where infra reads them.")] = False,
    json: common.Json = False,
) -> None:
    """List the permissions of all actions, and which actions need each."""
    root, _ = common.project()
    if write:
        (root / needed.FILE).write_text(needed.document())
        count = len(needed.needed())
        if json:
            common.show_json({"file": str(needed.FILE), "permissions": count})
        else:
            common.show(f"{needed.FILE}: {count} permissions; `pulumi up` puts them in force")
        return
    for permission in needed.needed():
        users = [name for name in registry.names() if needed.covers([permission], *_of(name, permission))]
        if json:
            common.show_json({"permission": permission, "actions": users})
        else:
            common.show(f"{permission:<46} {', '.join(users) or 'dr itself'}")


def _of(name: str, permission: str) -> tuple[str, str]:
    """One of the action's own permissions that this one covers; nothing that matches when there is none."""
    for own in registry.find(name).permissions:
        service, _, operation = own.partition(":")
        if needed.covers([permission], service, operation):
            return service, operation
    return "", ""
