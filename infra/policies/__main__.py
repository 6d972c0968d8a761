"""The pack: every rule a mandatory policy. Run with `pulumi up --policy-pack infra/policies`."""

from __future__ import annotations

from pulumi_policy import EnforcementLevel, PolicyPack

from infra.policies.pack import policies

PolicyPack("lifeboat", policies(), enforcement_level=EnforcementLevel.MANDATORY)
