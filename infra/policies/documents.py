"""IAM documents as the rules read them: who is let in, and to how much."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from infra.policies.rule import NotYetKnownError, Unknown, listed

# Conditions that say whose request it is. Others, such as aws:SecureTransport, leave everyone in.
NARROWING = frozenset(
    (
        "aws:principalaccount",
        "aws:principalarn",
        "aws:principalorgid",
        "aws:sourceaccount",
        "aws:sourcearn",
        "aws:sourcevpc",
        "aws:sourcevpce",
        "kms:calleraccount",
    )
)
# No `...IfExists`: they hold where the key is absent. No negations.
OPERATORS = frozenset(("arnequals", "arnlike", "stringequals", "stringlike"))
READING = ("Describe*", "List*")
_EVERYTHING = re.compile(r"\*+|arn:([^:]*:){4}[*/]+")
_ACCOUNT = re.compile(r":\d{12}:")


def statements(document: Any) -> list[dict[str, Any]]:
    """The statements of an IAM document, given as JSON text or as a mapping."""
    if isinstance(document, Unknown):
        raise NotYetKnownError
    found = (json.loads(document) if isinstance(document, str) else document or {}).get("Statement", [])
    return [dict(s) for s in (found if isinstance(found, list) else [found])]


def lets_everyone(statement: Mapping[str, Any]) -> bool:
    """Does the statement allow something to anybody, of whatever account?"""
    if statement.get("Effect") != "Allow":
        return False
    principal = statement.get("Principal")
    named = principal.values() if isinstance(principal, Mapping) else [principal]
    anybody = "NotPrincipal" in statement or any("*" in listed(value) for value in named)
    return anybody and not _narrowed(statement.get("Condition") or {})


def _narrowed(condition: Mapping[str, Mapping[str, Any]]) -> bool:
    return any(
        operator.lower() in OPERATORS
        and key.lower() in NARROWING
        and all(map(_names_somebody, listed(value)))
        for operator, tests in condition.items()
        for key, value in tests.items()
    )


def _names_somebody(value: Any) -> bool:
    text = str(value)
    return not re.search(r"[*?]", text) or bool(_ACCOUNT.search(text))


def sweeping(statement: Mapping[str, Any]) -> Iterator[str]:
    """What the statement allows by pattern on everything; reading (`Describe*`, `List*`) may be."""
    if statement.get("Effect") != "Allow":
        return
    if "NotAction" in statement:
        yield "everything but some actions (NotAction)"
    everything = "NotResource" in statement or any(
        _EVERYTHING.fullmatch(str(target)) for target in listed(statement.get("Resource"))
    )
    for action in listed(statement.get("Action")) if everything else ():
        if re.search(r"[*?]", str(action)) and str(action).partition(":")[2] not in READING:
            yield f"{action} on everything"
