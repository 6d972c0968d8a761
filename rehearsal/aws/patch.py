"""Change what moto does, in one place per behaviour, and never twice however often a world is installed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

_ORIGINALS: dict[tuple[type, str], Any] = {}
_LAYERS: dict[tuple[type, str], dict[str, Callable[..., Any]]] = {}


def around(owner: type, name: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Put the decorated function around moto's method `owner.name`.

    The function is called with what it surrounds first, then `self` and the call's own arguments:
    `def change(original, self, zoneid, change_list)`, where `original(self, ...)` goes on to moto.
    A property stays one: its layer is its getter, and its setter stays moto's.
    Layers of several modules stack; a module's own earlier layer (of another world) is replaced.
    Raises AttributeError when moto has no such method: a newer moto must not silently lose a patch.
    """

    def put(layer: Callable[..., Any]) -> Callable[..., Any]:
        key = (owner, name)
        found = owner.__dict__.get(name) or getattr(owner, name)
        original = _ORIGINALS.setdefault(key, found if isinstance(found, property) else getattr(owner, name))
        layers = _LAYERS.setdefault(key, {})
        layers[f"{layer.__module__}.{layer.__qualname__}"] = layer
        chain: Any = original.fget if isinstance(original, property) else original
        for each in layers.values():
            chain = _surround(each, chain)
        setattr(owner, name, original.getter(chain) if isinstance(original, property) else chain)
        return layer

    return put


def _surround(layer: Callable[..., Any], inner: Callable[..., Any]) -> Callable[..., Any]:
    def call(*args: Any, **kwargs: Any) -> Any:
        return layer(inner, *args, **kwargs)

    return call


def add(owner: type, name: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Give moto's class a method that it lacks (an operation it does not implement).

    Raises AttributeError when it has one after all: then it is to be wrapped with `around`.
    """

    def put(method: Callable[..., Any]) -> Callable[..., Any]:
        if hasattr(owner, name) and (owner, name) not in _ADDED:
            raise AttributeError(f"{owner.__name__}.{name} exists in this moto: use `around`")
        _ADDED.add((owner, name))
        setattr(owner, name, method)
        return method

    return put


_ADDED: set[tuple[type, str]] = set()
