"""All rules, by what they protect."""

from __future__ import annotations

from infra.policies.rule import Rule
from infra.policies.rules import access, database, kinds, labels, machines, names, network, stores
from infra.policies.rules.whole import STACK_RULES

__all__ = ["RULES", "STACK_RULES"]

RULES: tuple[Rule, ...] = (
    *labels.RULES,
    *database.RULES,
    *network.RULES,
    *stores.RULES,
    *machines.RULES,
    *access.RULES,
    *names.RULES,
    *kinds.RULES,
)
