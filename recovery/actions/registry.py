"""Finds actions by name: `uses: assess-site` is the Action subclass in `recovery/actions/assess_site.py`."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from functools import cache

import recovery.actions
from recovery.actions.base import Action
from recovery.errors import InputError

_NOT_ACTIONS = {"base", "polling", "registry"}
_ADDED: dict[str, type[Action]] = {}


@cache
def find(name: str) -> type[Action]:
    """The action's class; InputError when no action has that name."""
    if name in _ADDED:
        return _ADDED[name]
    module_name = name.replace("-", "_")
    if module_name in _NOT_ACTIONS or module_name not in _modules():
        raise InputError(f"there is no action `{name}`", cure=f"use one of: {', '.join(names())}")
    module = importlib.import_module(f"recovery.actions.{module_name}")
    for _, member in inspect.getmembers(module, inspect.isclass):
        if (
            issubclass(member, Action)
            and not inspect.isabstract(member)
            and member.__module__ == module.__name__
        ):
            return member
    raise InputError(
        f"recovery/actions/{module_name}.py holds no action", cure="define one Action subclass there"
    )


@cache
def names() -> tuple[str, ...]:
    """Names of all actions, as plans write them. Modules without an action (helpers) are left out."""
    found = list(_ADDED)
    for module_name in sorted(_modules() - _NOT_ACTIONS):
        try:
            found.append(find(module_name.replace("_", "-")).name)
        except InputError:
            continue
    return tuple(sorted(found))


@cache
def _modules() -> frozenset[str]:
    return frozenset(
        m.name for m in pkgutil.iter_modules(recovery.actions.__path__) if not m.name.startswith("_")
    )


def add(action: type[Action]) -> None:
    """Make an action known that lives elsewhere (a company's own)."""
    _ADDED[action.name] = action
    find.cache_clear()
    names.cache_clear()
