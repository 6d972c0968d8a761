"""The Pulumi program: settings -> role -> contract. What a role needs is imported only for it."""

from __future__ import annotations

import pulumi

from infra.agreement import agree
from infra.outputs import EdgeContract, SiteContract
from infra.publish import last_contract, publish
from infra.settings import EdgeSettings, load, whole_configuration


def main() -> None:
    """Declare the stack that the configuration asks for."""
    stack = pulumi.get_stack()
    settings = load(whole_configuration(), stack=stack, project=pulumi.get_project())
    if isinstance(settings, EdgeSettings):
        from infra.edge.platform import Edge

        publish(EdgeContract, stack, Edge(settings).contract())
        return
    from infra.aws.contract import fields
    from infra.aws.platform import Site

    edge = last_contract(settings.edge_stack, EdgeContract)
    standby = last_contract(settings.standby_stack, SiteContract) if settings.standby_stack else None
    agree(settings, edge, standby)
    publish(SiteContract, stack, fields(Site(settings, edge, standby)))


main()
