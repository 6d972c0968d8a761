"""What a rule is: a plain function over one resource, wrapped so that Pulumi can run it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

Check = Callable[["Resource"], Iterator[str]]


class NotYetKnownError(Exception):
    """A rule asked for a value that only the update will know; the rule is asked again then."""


class Unknown:
    """Stands for a value that a preview does not know: it is given, and no more can be said of it."""

    def _ask(self, *_: object) -> Any:
        raise NotYetKnownError

    __eq__ = __lt__ = __gt__ = __le__ = __ge__ = __str__ = __iter__ = __getitem__ = __int__ = get = _ask
    __hash__ = object.__hash__


UNKNOWN = Unknown()


@dataclass(frozen=True)
class Resource:
    """One resource as the program declares it. `props` are inputs in Pulumi's (camelCase) names."""

    type: str
    name: str
    props: Mapping[str, Any]
    urn: str = ""
    protect: bool = False

    @property
    def critical(self) -> bool:
        """Is it of class critical? What does not say is."""
        tags = self.props.get("tags")
        return not (isinstance(tags, Mapping) and tags.get("class") == "non-critical")

    def inside(self, component: str) -> bool:
        """Is it a child of a component of this type (`lifeboat:edge:Latch`)? Names do not count."""
        kinds = self.urn.split("::")[2:3]
        return bool(kinds) and component in kinds[0].split("$")[:-1]


@dataclass(frozen=True)
class Rule:
    """A rule's name in Pulumi's output, what it asks for, which types it looks at, and how."""

    name: str
    asks: str
    types: frozenset[str]
    check: Check
    """Yields what is wrong, a short sentence each; nothing when all is well."""
    every: bool = field(default=False)
    """Looks at every resource of AWS, whatever its type."""

    def concerns(self, kind: str) -> bool:
        """Does the rule look at resources of that type?"""
        return canonical(kind) in self.types or (self.every and kind.startswith("aws:"))


def canonical(kind: str) -> str:
    """The one name of a type that pulumi-aws has under several (`aws:alb/...`, `...V2`)."""
    return re.sub(r"V2(?=:|$)", "", kind.replace("aws:alb/", "aws:lb/")) if kind.startswith("aws:") else kind


def rule(name: str, asks: str, *types: str) -> Callable[[Check], Rule]:
    """Make a function a rule over these types (`rds/instance:Instance`); without any, over all of AWS."""

    def make(check: Check) -> Rule:
        return Rule(name, asks, frozenset(f"aws:{kind}" for kind in types), check, every=not types)

    return make


@dataclass(frozen=True)
class Node:
    """A resource among the others of its stack."""

    resource: Resource
    uses: Mapping[str, frozenset[str]]
    """Property -> URNs of the resources that its value comes from."""

    def of(self, *kinds: str) -> bool:
        """Is it of one of these types?"""
        return canonical(self.resource.type).removeprefix("aws:") in kinds

    def points_to(self, other: Node, key: str) -> bool:
        """Does the property name the other resource: by reference, or by its id as text?"""
        if other.resource.urn in self.uses.get(key, frozenset()):
            return True
        known = {text for name in ("id", "bucket") if isinstance(text := other.resource.props.get(name), str)}
        return any(
            isinstance(value, str) and value in known for value in listed(self.resource.props.get(key))
        )


@dataclass(frozen=True)
class StackRule:
    """A rule over all resources of a stack; `check` yields the one that is wrong, and why."""

    name: str
    asks: str
    check: Callable[[Sequence[Node]], Iterator[tuple[Node, str]]]


def stack_rule(name: str, asks: str) -> Callable[[Callable[..., Iterator[tuple[Node, str]]]], StackRule]:
    """Make a function a rule over a whole stack."""
    return lambda check: StackRule(name, asks, check)


def listed(value: Any) -> list[Any]:
    """A property that may be one value, many, or absent, as a list."""
    if value is None:
        return []
    return list(value) if isinstance(value, list | tuple) else [value]


def truthy(value: Any) -> bool:
    """Booleans that some properties carry as text."""
    return value is True or value == "true"


def own_key(value: Any) -> bool:
    """Is a KMS key given that is not one of AWS's own (`alias/aws/rds`)?"""
    return isinstance(value, Unknown) or (bool(value) and not re.search(r"(^|/)aws/", str(value)))
