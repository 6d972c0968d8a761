"""Who may say yes, and who may decide, at any moment: authority is never interrupted. Pure."""

from __future__ import annotations

from recovery.continuity import Continuity
from recovery.plans.model import Approval


def may_approve(company: Continuity, approval: Approval, passed_on: bool) -> dict[str, str]:
    """Person -> in which capacity. Once `within` has passed, everyone in the line of succession may, too."""
    roles = [*approval.any_of, *(company.succession if passed_on else ())]
    return _holders(company, roles)


def may_decide(company: Continuity, owner: str) -> dict[str, str]:
    """Person -> capacity, for decisions on a step: its owner (a team or role), or the line of succession."""
    team = company.teams.get(owner)
    roles = [team.leader, *team.members] if team else [owner]
    return _holders(company, [*roles, *company.succession])


def next_in_line(company: Continuity, asked: tuple[str, ...]) -> str | None:
    """The first role of the succession that was not asked yet; None when all were."""
    return next((role for role in company.succession if role not in asked), None)


def _holders(company: Continuity, roles: list[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for role in roles:
        for person in company.holders(role):
            found.setdefault(person.id, role)
    return found
