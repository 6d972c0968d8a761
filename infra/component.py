"""What all components share: the labels on everything, and children that know their parent."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import pulumi

Criticality = Literal["critical", "non-critical"]


@dataclass(frozen=True)
class Labels:
    """Who a resource belongs to. Policies refuse taggable resources without `class`, `owner`, `stack`."""

    company: str
    owner: str
    stack: str

    def tags(self, name: str, criticality: Criticality) -> dict[str, str]:
        """Tags of one resource; `name` is what the console shows, prefixed with company and stack."""
        return {
            "Name": f"{self.company}-{self.stack}-{name}",
            "class": criticality,
            "company": self.company,
            "owner": self.owner,
            "stack": self.stack,
        }


class Component(pulumi.ComponentResource):
    """Base of all components. Children get `self.child(...)` as options and `self.tags(...)` as tags.

    `formerly`: the component's earlier logical names, so that renaming it moves its children instead of
    replacing them. Children are never named after their component for the same reason.
    """

    def __init__(
        self,
        kind: str,
        name: str,
        labels: Labels,
        *,
        criticality: Criticality = "critical",
        formerly: tuple[str, ...] = (),
    ) -> None:
        aliases = [pulumi.Alias(name=old) for old in formerly]
        super().__init__(f"lifeboat:{kind}", name, None, pulumi.ResourceOptions(aliases=aliases))
        self.labels = labels
        self.criticality: Criticality = criticality

    def child(self, **options: Any) -> pulumi.ResourceOptions:
        """Options for a child resource: this parent and whatever else is given."""
        return pulumi.ResourceOptions(parent=self, **options)

    def tags(self, name: str) -> dict[str, str]:
        """Tags for a child resource."""
        return self.labels.tags(name, self.criticality)


def policy(*statements: dict[str, Any]) -> pulumi.Output[str]:
    """An IAM policy document as JSON; outputs may stand anywhere inside."""
    return pulumi.Output.json_dumps({"Version": "2012-10-17", "Statement": list(statements)})


def allow(actions: list[str], resources: Any, **more: Any) -> dict[str, Any]:
    """A statement that allows; `more`: Principal, Condition, Sid. Trust policies have no resources (None)."""
    on = {} if resources is None else {"Resource": resources}
    return {"Effect": "Allow", "Action": actions, **on, **more}


def assumed_by(service: str) -> pulumi.Output[str]:
    """The trust policy of a role for an AWS service, e.g. `ec2.amazonaws.com`."""
    return policy({"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": service}})
