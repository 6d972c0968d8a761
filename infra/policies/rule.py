"""What a rule is: a plain function over one resource, wrapped so that Pulumi can run it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
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
        """Is it a child of a component of this type (`lifeboat:edge:Latch`)?"""
        return f"{component}$" in self.urn

    def statements(self, key: str = "policy") -> list[dict[str, Any]]:
        """Statements of an IAM document given as JSON text."""
        text = self.props.get(key)
        if isinstance(text, Unknown):
            raise NotYetKnownError
        document = json.loads(text) if isinstance(text, str) else text or {}
        found = document.get("Statement", [])
        return [dict(s) for s in (found if isinstance(found, list) else [found])]


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
        return kind in self.types or (self.every and kind.startswith("aws:"))


def rule(name: str, asks: str, *types: str) -> Callable[[Check], Rule]:
    """Make a function a rule over these types (`rds/instance:Instance`); without any, over all of AWS."""

    def make(check: Check) -> Rule:
        return Rule(name, asks, frozenset(f"aws:{kind}" for kind in types), check, every=not types)

    return make


def listed(value: Any) -> list[Any]:
    """A property that may be one value, many, or absent, as a list."""
    if value is None:
        return []
    return list(value) if isinstance(value, list | tuple) else [value]


def truthy(value: Any) -> bool:
    """Booleans that some properties carry as text."""
    return value is True or value == "true"
