"""Pulumi stacks, driven by the Automation API: the program of a plain `pulumi up`, in its own process."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recovery.errors import ActionFailed, Cancelled, LifeboatError, OutOfTime, Refusal
from recovery.stack_files import Place, StackFiles

if TYPE_CHECKING:
    from pulumi import automation as auto

__all__ = ["Changes", "Place", "Stack", "explain"]

_MADE = re.compile(
    r"creating (?P<urn>urn:pulumi:[^:]+::[^:]+::(?P<kind>\S+?)::(?P<name>[^\s:]+)): "
    r"(?P<what>[^\n]*(?:AlreadyExists|already exists)[^\n]*)"
)
_LOCKED = re.compile(r"created by (\S+@\S+ \(pid \d+\)(?: at \S+)?)")
POLICIES = Path("infra") / "policies"
Tell = Callable[[str, float | None], None]


@dataclass
class Changes:
    """What an update or preview does to the stack's resources."""

    created: int = 0
    updated: int = 0
    replaced: int = 0
    deleted: int = 0
    steps: list[str] = field(default_factory=list)
    """`op urn` of everything that is not left as it is."""
    violations: list[str] = field(default_factory=list)
    """Mandatory policies that were violated."""
    errors: list[str] = field(default_factory=list)

    @property
    def empty(self) -> bool:
        """Whether nothing changes."""
        return not self.steps

    @property
    def done(self) -> str:
        """As what has been done."""
        counts = (self.created, self.updated, self.replaced, self.deleted)
        words = ("created", "changed", "replaced", "deleted")
        return ", ".join(f"{count} {word}" for count, word in zip(counts, words, strict=True))

    def __str__(self) -> str:
        return (
            f"{self.created} to create, {self.updated} to change, {self.replaced} to replace, "
            f"{self.deleted} to delete"
        )


class Stack(StackFiles):
    """One stack of the project, and the engine that brings it up."""

    def up(self, tell: Tell, cancelled: Callable[[], bool], *, refresh: bool = False) -> Changes:
        """Bring it up with the policy pack on; ActionFailed with the engine's own words when it does not."""
        watch = _Watch(tell, self.name)
        stack = self._open(cancelled)
        options = {**self._options(watch), "message": self._place.cause, "refresh": refresh}
        self._run(stack, lambda: stack.up(**options), watch, cancelled)
        return watch.changes

    def preview(self, tell: Tell, cancelled: Callable[[], bool] = lambda: False) -> Changes:
        """What `up` would do."""
        watch = _Watch(tell, self.name)
        stack = self._open(cancelled)
        self._run(stack, lambda: stack.preview(**self._options(watch)), watch, cancelled)
        return watch.changes

    def adopt(
        self, kind: str, name: str, id_: str, physical: str, parent: str, cancelled: Callable[[], bool]
    ) -> str:
        """Import a resource that exists (`pulumi import`), protected, under the parent; returns its URN.

        `id_` is what an import takes, `physical` the id that the provider gives it in the state.
        """
        urn = _child_urn(parent, kind, name)
        stack = self._open(cancelled)
        known = self.ids(stack).get(urn)
        if known is not None:
            if known not in (id_, physical):
                raise Refusal(
                    f"stack {self.name} already has {name}: {known}, which is not {id_}",
                    means="adopting another one under the same name would lose track of the first",
                    cure=f"if nobody needs it: pulumi state delete '{urn}' --force, then dr resume",
                )
            return urn
        resource: Any = {"type": kind, "name": name, "id": id_, "parent": "parent"}
        watch = _Watch(lambda _text, _share: None, self.name)
        self._run(
            stack,
            lambda: stack.import_resources(
                resources=[resource], name_table={"parent": parent}, protect=True, generate_code=False
            ),
            watch,
            cancelled,
        )
        return urn

    def export(self) -> dict[str, Any]:
        """The stack's state, secrets encrypted as they are."""
        deployment = self._open(lambda: False).export_stack()
        return {"version": deployment.version, "deployment": deployment.deployment}

    def exists(self) -> bool:
        """Whether the backend knows the stack; ActionFailed when the backend does not answer."""
        from pulumi.automation.errors import CommandError, StackNotFoundError

        try:
            self._open(lambda: False).export_stack()
        except StackNotFoundError:
            return False
        except CommandError as error:
            if "no stack named" in str(error):
                return False
            raise explain(self.name, error, Changes()) from error
        return True

    def restore(self, export: bytes) -> None:
        """Make the stack in this backend from an export of it, as `export` gave it."""
        from pulumi import automation as auto

        stack = self._open(lambda: False)
        stack.workspace.create_stack(self.name)
        kept = json.loads(export)
        stack.import_stack(auto.Deployment(version=kept["version"], deployment=kept["deployment"]))

    def ids(self, stack: auto.Stack | None = None) -> dict[str, str]:
        """URN -> id of everything in the state."""
        deployment = (stack or self._open(lambda: False)).export_stack().deployment
        return {one["urn"]: str(one.get("id", "")) for one in (deployment or {}).get("resources", [])}

    def _open(self, cancelled: Callable[[], bool]) -> auto.Stack:
        from recovery.pulumi_cli import open_stack

        if not self._staged:
            self.stage()

        def stop() -> bool:
            return cancelled() or self._place.expired()

        return open_stack(
            self.name, self._work, self._place.cause, self._place.run, self._place.backend, stop
        )

    def _options(self, watch: _Watch) -> dict[str, Any]:
        pack = self._place.project / POLICIES
        packs = [str(pack)] if pack.is_dir() else []
        return {"on_event": watch, "policy_packs": packs, "color": "never", "suppress_outputs": True}

    def _run(
        self, stack: auto.Stack, work: Callable[[], object], watch: _Watch, cancelled: Callable[[], bool]
    ) -> None:
        from pulumi.automation.errors import CommandError, ConcurrentUpdateError

        from recovery.pulumi_cli import stale_locks

        try:
            try:
                work()
            except ConcurrentUpdateError as error:
                if not stale_locks(str(error)):
                    raise
                stack.cancel()
                watch.reset()
                work()
        except CommandError as error:
            if cancelled():
                raise Cancelled(
                    f"pulumi was stopped on stack {self.name}: the run is being aborted",
                    means=f"what it had done by then stays ({watch.changes.done})",
                ) from error
            if self._place.expired():
                raise OutOfTime(
                    f"pulumi was stopped on stack {self.name}: the step's time is over; last: {watch.said}",
                    means=f"what it had done by then stays ({watch.changes.done}); `up` goes on from there",
                    cure="look at what it waits for (a service that does not answer?), then dr resume",
                ) from error
            raise explain(self.name, error, watch.changes, self._begun(stack)) from error

    def _begun(self, stack: auto.Stack) -> dict[str, Mapping[str, Any]]:
        """URN -> resource of every creation that an update began and did not end, as its state has it."""
        from pulumi.automation.errors import CommandError

        try:
            pending = (stack.export_stack().deployment or {}).get("pending_operations") or []
        except CommandError:
            return {}
        return {one["resource"]["urn"]: one["resource"] for one in pending if one["type"] == "creating"}


class _Watch:
    """Turns the engine's events into changes and progress."""

    def __init__(self, tell: Tell, stack: str) -> None:
        self._tell, self._stack = tell, stack
        self.reset()

    def reset(self) -> None:
        """Begin anew."""
        self.changes = Changes()
        self._under_way: dict[str, str] = {}

    @property
    def said(self) -> str:
        """What it had begun and not ended."""
        return ", ".join(self._under_way.values()) or "nothing under way"

    def __call__(self, event: Any) -> None:
        """Take one event."""
        if event.resource_pre_event is not None:
            self._step(event.resource_pre_event.metadata)
        elif event.res_outputs_event is not None:
            self._under_way.pop(event.res_outputs_event.metadata.urn, None)
        elif event.policy_event is not None and event.policy_event.enforcement_level == "mandatory":
            self.changes.violations.append(f"{event.policy_event.policy_name}: {event.policy_event.message}")
        elif event.diagnostic_event is not None and event.diagnostic_event.severity == "error":
            self.changes.errors.append(event.diagnostic_event.message.strip())

    def _step(self, metadata: Any) -> None:
        op = str(getattr(metadata.op, "value", metadata.op))
        changes = self.changes
        if op in ("same", "read", "refresh"):
            return
        self._under_way[metadata.urn] = f"{op} {metadata.urn.rpartition('::')[2]}"
        changes.steps.append(f"{op} {metadata.urn}")
        changes.created += op == "create"
        changes.updated += op == "update"
        changes.deleted += op == "delete"
        changes.replaced += op == "replace"
        self._tell(f"{self._stack}: {changes}", None)


def explain(
    stack: str, error: Exception, changes: Changes, begun: Mapping[str, Mapping[str, Any]] | None = None
) -> LifeboatError:
    """The engine's failure, in its own words but not all of them. `begun`: creations that did not end."""
    said = changes.violations + changes.errors or [str(error).strip()[-1500:]]
    whole = "\n".join(said)
    if locks := _LOCKED.findall(str(error)):
        return ActionFailed(
            f"stack {stack} is locked: an update by {', '.join(locks)} is under way, or died there",
            means="two updates at once would spoil the stack's state; nothing of it was touched",
            cure="ask them, and let it end; or, only if that process is gone: "
            f"pulumi cancel --stack {stack}, then dr resume",
        )
    if "passphrase" in whole:
        return Refusal(
            f"the passphrase of stack {stack}'s secrets is missing or wrong",
            means="the stack's state cannot be read, so nothing of it was touched; everything else goes on",
            cure="export PULUMI_CONFIG_PASSPHRASE=… (or PULUMI_CONFIG_PASSPHRASE_FILE=…) in this shell, "
            "then dr resume",
        )
    if made := _MADE.search(whole):
        return ActionFailed(
            f"pulumi failed on stack {stack}: {made['what'].strip()}",
            means="an update that was killed had made it, and could not record it; nothing was made twice",
            cure="let the stack know it, with the id that AWS has for it: "
            f"{_import(stack, made, (begun or {}).get(made['urn'], {}))}, then dr resume",
        )
    return ActionFailed(
        f"pulumi failed on stack {stack}: " + "\n    ".join(said[:5]),
        means=f"what it had done by then stays ({changes.done}); `up` goes on from there",
        cure="repair what it names, then dr resume",
    )


def _import(stack: str, made: re.Match[str], begun: Mapping[str, Any]) -> str:
    """The command that puts it under the parent and into the region that the program says."""
    region = (begun.get("inputs") or {}).get("region")
    return (
        f"pulumi import --stack {stack} --yes --generate-code=false --protect=false "
        f"--parent 'parent={begun.get('parent', 'URN_OF_ITS_PARENT')}' "
        f"{made['kind'].rpartition('$')[2]} {made['name']} {f'ID@{region}' if region else 'ID'}"
    )


def _child_urn(parent: str, kind: str, name: str) -> str:
    """URN of a resource under a parent: `urn:pulumi:STACK::PROJECT::PARENTTYPE$TYPE::NAME`."""
    head, _, _ = parent.rpartition("::")
    return f"{head}${kind}::{name}"
