"""All rules, by what they protect."""

from __future__ import annotations

from infra.policies.rule import Rule
from infra.policies.rules import access, database, labels, machines, names, network, stores

RULES: tuple[Rule, ...] = (
    *labels.RULES,
    *database.RULES,
    *network.RULES,
    *stores.RULES,
    *machines.RULES,
    *access.RULES,
    *names.RULES,
)
