"""What keeps a region that returns from serving customers and from writing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from botocore.exceptions import ClientError

from infra.outputs import SiteContract
from recovery.sites.aws.clients import Clients
from recovery.sites.aws.errors import code, explained
from recovery.sites.aws.web import AutoScalingWebTier


@explained
class AwsFence:
    """See recovery.sites.ports.Fence."""

    def __init__(self, clients: Clients, contract: SiteContract) -> None:
        self.clients = clients
        self._contract = contract
        self._web = AutoScalingWebTier(clients, contract)

    def quarantine(self) -> Sequence[str]:
        """Database closed to web servers, holding page, servers to zero; what is done already stays."""
        done = []
        rules = self._doors()
        if rules:
            self.clients.ec2.revoke_security_group_ingress(
                GroupId=self._contract.network.database_security_group_id, SecurityGroupRuleIds=rules
            )
            done.append("database closed to web servers")
        if not self._web.holding_page():
            self._web.hold("")
            done.append("holding page up")
        group = self._web.group()
        if (group.minimum, group.desired, group.maximum) != (0, 0, 0):
            self._web.stop()
            done.append(f"{group.desired} servers stopped")
        return tuple(done)

    def release(self) -> None:
        """Open the database to web servers again; servers and page come back with the stack's `up`."""
        network, database = self._contract.network, self._contract.database
        port = database.settings.port
        group: Any = {"GroupId": network.web_security_group_id}
        rule: Any = {"IpProtocol": "tcp", "FromPort": port, "ToPort": port, "UserIdGroupPairs": [group]}
        try:
            self.clients.ec2.authorize_security_group_ingress(
                GroupId=network.database_security_group_id, IpPermissions=[rule]
            )
        except ClientError as error:
            if code(error) != "InvalidPermission.Duplicate":
                raise

    def is_quarantined(self) -> bool:
        """Asked of AWS."""
        group = self._web.group()
        return not self._doors() and self._web.holding_page() and group.maximum == 0 and group.in_service == 0

    def _doors(self) -> list[str]:
        """Ids of the rules that let the web tier into the database."""
        network = self._contract.network
        rules = self.clients.ec2.describe_security_group_rules(
            Filters=[{"Name": "group-id", "Values": [network.database_security_group_id]}]
        )["SecurityGroupRules"]
        return [
            rule["SecurityGroupRuleId"]
            for rule in rules
            if not rule.get("IsEgress")
            and rule.get("ReferencedGroupInfo", {}).get("GroupId") == network.web_security_group_id
        ]
