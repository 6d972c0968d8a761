"""What the tables say of a resource type: which calls of AWS make, read, change and delete it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import jmespath
from botocore import xform_name
from botocore.exceptions import ClientError

from rehearsal.provider import shapes
from rehearsal.provider.clients import Clients
from rehearsal.provider.schema import Schema
from rehearsal.provider.shapes import NotModelledError
from rehearsal.provider.wire import Props

Params = Mapping[str, Any] | Callable[["Context"], Mapping[str, Any]]


@dataclass(frozen=True)
class Call:
    """One operation of AWS.

    `params` is a template (`"$id"`, `"$bucket"`: id, input or known output of that name) or a function.
    `props` are the properties that go into the request by their own names: None = all that fit.
    `when` (update and follow-up calls): run when one of these is given (create) or has changed (update).
    """

    op: str
    params: Params = field(default_factory=dict)
    props: tuple[str, ...] | None = ()
    result: str = ""
    when: tuple[str, ...] | None = None
    on: str = "both"
    service: str = ""
    region: str = ""


@dataclass(frozen=True)
class Do:
    """A step that takes more than one call; `props` are the inputs that it sees to."""

    function: Callable[[Context], Any]
    props: tuple[str, ...] = ()
    when: tuple[str, ...] | None = None
    on: str = "both"


@dataclass(frozen=True)
class Autoname:
    """How pulumi-aws names what the program did not."""

    prop: str = "name"
    length: int = 255
    separator: str = "-"
    lower: bool = False
    prefix: str = ""


@dataclass(frozen=True)
class Tags:
    """How a service takes tags: at creation, and later by calls of its own."""

    create: Callable[[dict[str, str]], Props] | None = None
    put: Callable[[Context, dict[str, str]], None] | None = None
    drop: Callable[[Context, list[str]], None] | None = None
    read: Callable[[Context, Props], dict[str, str] | None] | None = None


@dataclass(frozen=True)
class Kind:
    """A resource type. Functions are for what a table cannot say; each gets the Context."""

    token: str
    service: str
    create: Call | Do
    id: str
    """Where the id is in the create call's answer (JMESPath), or `$prop`."""
    read: tuple[Call | Do, ...] = ()
    """The first one says whether it exists (no result: gone); the others add to what is known."""
    follow: tuple[Call | Do, ...] = ()
    """After creation, and on updates when an input of `when` (else: that it takes) has changed."""
    delete: tuple[Call | Do, ...] = ()
    autoname: Autoname | None = None
    replaces: frozenset[str] = frozenset()
    computed: frozenset[str] = frozenset()
    """Optional+computed inputs: leaving them out of the program changes nothing."""
    defaults: Mapping[str, Any] = field(default_factory=dict)
    """Values that stand when the program says nothing (no difference to saying them)."""
    fills: Mapping[str, Any] = field(default_factory=dict)
    """Values that pulumi-aws itself puts into the inputs."""
    renames: Mapping[str, str] = field(default_factory=dict)
    converts: Mapping[str, Callable[[Context, Any], Props]] = field(default_factory=dict)
    """Property -> parameters of the create or follow-up calls that list it."""
    local: frozenset[str] = frozenset()
    """Inputs that steer the provider only (forceDestroy) or are handled by functions."""
    opaque: frozenset[str] = frozenset()
    """Inputs that cannot be read back."""
    outputs: Callable[[Context, Props], Props] | None = None
    settle: Callable[[Context], None] | None = None
    """Wait after create and update until AWS is done."""
    before_delete: Callable[[Context], None] | None = None
    after_delete: Callable[[Context], None] | None = None
    gone: tuple[str, ...] = ()
    regional: bool = True
    tags: Tags | None = None
    unstable: Mapping[str, frozenset[str] | None] = field(default_factory=dict)
    """Output -> inputs whose change makes it unknown until after the update (None: any change)."""
    imported: Callable[[Context, Props], Props] | None = None
    """Inputs of an imported resource, where reading them by name is not enough."""
    refuse: Callable[[Props], dict[str, str]] | None = None
    """Check: property -> why its value is refused."""
    locate: Callable[[str], tuple[str, Props]] | None = None
    """Import id -> (id, inputs that reading needs)."""
    update_changes_id: bool = False


@dataclass(frozen=True)
class Tagging:
    """The provider's own settings for tags: what everything gets, and which are not its business."""

    defaults: Mapping[str, str] = field(default_factory=dict)
    ignored_keys: tuple[str, ...] = ()
    ignored_prefixes: tuple[str, ...] = ()

    def wanted(self, inputs: Props) -> dict[str, str]:
        """A resource's tags as the program wants them."""
        tags = inputs.get("tags") or {}
        return (
            {**self.defaults, **{k: shapes.text(v) for k, v in tags.items()}}
            if isinstance(tags, dict)
            else {}
        )

    def managed(self, tags: Mapping[str, str]) -> dict[str, str]:
        """Without those that are somebody else's."""
        return {
            k: v
            for k, v in tags.items()
            if k not in self.ignored_keys and not k.startswith(self.ignored_prefixes or ("\0",))
        }


@dataclass
class Context:
    """One resource under one operation."""

    kind: Kind
    schema: Schema
    clients: Clients
    region: str
    name: str
    id: str = ""
    inputs: Props = field(default_factory=dict)
    state: Props = field(default_factory=dict)
    old_inputs: Props = field(default_factory=dict)
    changed: frozenset[str] = frozenset()
    tags: dict[str, str] = field(default_factory=dict)
    tagging: Tagging = field(default_factory=Tagging)
    deadline: float = field(default_factory=lambda: time.monotonic() + 900)

    def value(self, name: str) -> Any:
        """An input, or what is known of the resource."""
        if name == "id":
            return self.id
        if name in self.inputs:
            return self.inputs[name]
        return self.state.get(name, self.kind.defaults.get(name))

    def call(self, op: str, params: Mapping[str, Any], *, service: str = "", region: str = "") -> Any:
        """Call AWS. Raises ClientError as botocore does, and for parameters that AWS would not accept."""
        client = self.clients.get(service or self.kind.service, region or self.region)
        return getattr(client, xform_name(op))(**params)

    def run(self, call: Call | Do, extra: Mapping[str, Any] | None = None) -> Any:
        """Run a step of the table with this resource's values; the part named by `result` comes back."""
        if isinstance(call, Do):
            return call.function(self)
        template = call.params(self) if callable(call.params) else call.params
        params = {k: v for k, v in self._resolve(template).items() if v is not None}
        params |= self._mapped(call) | dict(extra or {})
        region = str(self._resolve(call.region)) if call.region else self.region
        answer = self.call(call.op, params, service=call.service, region=region)
        return jmespath.search(call.result, answer) if call.result else answer

    def poll(self, done: Callable[[], bool], what: str) -> None:
        """Ask until `done`. Raises TimeoutError after the operation's time-out."""
        pause = 0.05
        while not done():
            if time.monotonic() > self.deadline:
                raise TimeoutError(f"timeout while waiting for {what}")
            time.sleep(pause)
            pause = min(pause * 1.3, 0.5)

    def retry(self, do: Callable[[], Any], codes: tuple[str, ...], seconds: float = 30) -> Any:
        """Repeat `do` while AWS answers with one of `codes` (propagation); the last error after `seconds`."""
        until = time.monotonic() + seconds
        while True:
            try:
                return do()
            except ClientError as error:
                if error_code(error) not in codes or time.monotonic() > until:
                    raise
                time.sleep(0.3)

    def _resolve(self, value: Any) -> Any:
        if isinstance(value, str) and value.startswith("$"):
            return self.value(value[1:])
        if isinstance(value, Mapping):
            return {k: self._resolve(v) for k, v in value.items()}
        if isinstance(value, list):
            return [self._resolve(v) for v in value]
        return value

    def _mapped(self, call: Call) -> Props:
        model = self.clients.operation(call.service or self.kind.service, call.op)
        params: Props = {}
        for prop in taken(self.kind, self.schema, call, self.clients):
            value = self.inputs.get(prop)
            if value is None:
                continue
            if prop in self.kind.converts:
                params |= self.kind.converts[prop](self, value)
                continue
            member = shapes.member_for(model.input_shape, prop, self.kind.renames, prop)
            if member is None:
                raise NotModelledError(f"{self.kind.token}: {prop} has no counterpart in {call.op}")
            params[member] = shapes.to_api(model.input_shape.members[member], value, self.kind.renames, prop)
        return params


def taken(kind: Kind, schema: Schema, call: Call | Do, clients: Clients) -> tuple[str, ...]:
    """The inputs that go into a call by their names."""
    if call.props is not None:
        return call.props
    assert isinstance(call, Call)
    shape = clients.operation(call.service or kind.service, call.op).input_shape
    skip = kind.local | {"region"} | (set() if "tags" in kind.converts else {"tags"})
    return tuple(
        prop
        for prop in schema.inputs
        if prop not in skip and (prop in kind.converts or shapes.member_for(shape, prop, kind.renames, prop))
    )


def modelled(kind: Kind, schema: Schema, clients: Clients) -> frozenset[str]:
    """Every input that reaches AWS or steers the provider; any other is refused by name."""
    found = set(kind.local) | {"region", "tags"}
    for call in (kind.create, *kind.follow):
        found |= set(taken(kind, schema, call, clients)) | set(call.when or ())
    return frozenset(found)


def error_code(error: ClientError) -> str:
    """AWS's code of an error."""
    return str(error.response.get("Error", {}).get("Code", ""))
