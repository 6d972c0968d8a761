"""The site's network: three tiers of subnets over its zones, and groups that only let through what must pass.

Load balancer -> web -> database, and runner -> database. Databases and runners never reach the internet;
web servers do through NAT gateways, which cost money while idle and therefore stand only in a full footprint.
What machines need to start (S3, Secrets Manager) they reach through endpoints inside the network, so that a
runner works in a pilot light too.
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Network
from typing import Literal

import pulumi
from pulumi_aws import ec2, vpc

from infra.component import Component, Labels

WEB_PORT = 8080
DATABASE_PORT = 5432
EVERYWHERE = "0.0.0.0/0"
TIERS = ("public", "app", "data")
ZONES_PER_TIER = 4
"""Room in the address plan: a fourth zone must not renumber the others."""


@dataclass(frozen=True)
class NetworkArgs:
    """Inputs of `Network`."""

    region: str
    zones: tuple[str, ...]
    cidr: str
    nat_gateways: Literal["none", "one", "per-zone"]


@dataclass(frozen=True)
class Way:
    """One way that is open: to `port` of the group it is declared on, or out of it."""

    port: int
    peer: pulumi.Input[str]
    by: Literal["group", "cidr", "prefix-list"] = "group"

    def source(self) -> dict[str, pulumi.Input[str]]:
        """The one property of a rule resource that names the peer."""
        key = {"group": "referenced_security_group_id", "cidr": "cidr_ipv4", "prefix-list": "prefix_list_id"}
        return {key[self.by]: self.peer}


def subnet_cidr(cidr: str, tier: int, zone: int) -> str:
    """The address range of a tier in a zone: sixteenths of the VPC, four to a tier."""
    return str(list(IPv4Network(cidr).subnets(prefixlen_diff=4))[tier * ZONES_PER_TIER + zone])


class Network(Component):
    """VPC, subnets, routes, endpoints and security groups of a site."""

    def __init__(self, name: str, args: NetworkArgs, labels: Labels) -> None:
        super().__init__("aws:Network", name, labels)
        self.args = args
        self.vpc = ec2.Vpc(
            "vpc",
            cidr_block=args.cidr,
            enable_dns_support=True,
            enable_dns_hostnames=True,
            tags=self.tags("vpc"),
            opts=self.child(),
        )
        self.vpc_id: pulumi.Output[str] = self.vpc.id
        self.public_subnet_ids, self.app_subnet_ids, self.data_subnet_ids = (
            self._subnets(tier) for tier in range(len(TIERS))
        )
        app_tables = self._routes()
        self._groups()
        self._endpoints(app_tables)
        self._open_ways()
        self.register_outputs({"vpc_id": self.vpc_id})

    def _subnets(self, tier: int) -> list[pulumi.Output[str]]:
        ids = []
        for zone, zone_name in enumerate(self.args.zones):
            label = f"{TIERS[tier]}-{zone_name.removeprefix(self.args.region)}"
            subnet = ec2.Subnet(
                label,
                vpc_id=self.vpc_id,
                cidr_block=subnet_cidr(self.args.cidr, tier, zone),
                availability_zone=zone_name,
                map_public_ip_on_launch=False,
                tags=self.tags(label),
                opts=self.child(),
            )
            ids.append(subnet.id)
        return ids

    def _table(self, label: str, subnet_ids: list[pulumi.Output[str]]) -> pulumi.Output[str]:
        table = ec2.RouteTable(label, vpc_id=self.vpc_id, tags=self.tags(label), opts=self.child())
        for n, subnet_id in enumerate(subnet_ids):
            ec2.RouteTableAssociation(
                f"{label}-{n}", subnet_id=subnet_id, route_table_id=table.id, opts=self.child()
            )
        table_id: pulumi.Output[str] = table.id
        return table_id

    def _routes(self) -> list[pulumi.Output[str]]:
        gateway = ec2.InternetGateway(
            "internet", vpc_id=self.vpc_id, tags=self.tags("internet"), opts=self.child()
        )
        public = self._table("public", self.public_subnet_ids)
        ec2.Route(
            "public-out",
            route_table_id=public,
            destination_cidr_block=EVERYWHERE,
            gateway_id=gateway.id,
            opts=self.child(),
        )
        self._data_table = self._table("data", self.data_subnet_ids)
        letters = [zone.removeprefix(self.args.region) for zone in self.args.zones]
        tables = [self._table(f"app-{z}", [s]) for z, s in zip(letters, self.app_subnet_ids, strict=True)]
        nats = {"none": 0, "one": 1, "per-zone": len(letters)}[self.args.nat_gateways]
        nat_ids = [self._nat(letters[n], self.public_subnet_ids[n], gateway) for n in range(nats)]
        for n, table in enumerate(tables if nats else ()):
            ec2.Route(
                f"app-{letters[n]}-out",
                route_table_id=table,
                destination_cidr_block=EVERYWHERE,
                nat_gateway_id=nat_ids[n % nats],
                opts=self.child(),
            )
        return tables

    def _nat(
        self, letter: str, subnet_id: pulumi.Output[str], gateway: ec2.InternetGateway
    ) -> pulumi.Output[str]:
        label = f"nat-{letter}"
        address = ec2.Eip(label, domain="vpc", tags=self.tags(label), opts=self.child())
        nat = ec2.NatGateway(
            label,
            allocation_id=address.id,
            subnet_id=subnet_id,
            tags=self.tags(label),
            # AWS refuses to start one in a VPC that has no way out yet.
            opts=self.child(depends_on=[gateway]),
        )
        nat_id: pulumi.Output[str] = nat.id
        return nat_id

    def _group(self, label: str, description: str) -> pulumi.Output[str]:
        group = ec2.SecurityGroup(
            label, vpc_id=self.vpc_id, description=description, tags=self.tags(label), opts=self.child()
        )
        group_id: pulumi.Output[str] = group.id
        return group_id

    def _groups(self) -> None:
        self.balancer_group_id = self._group("balancer", "Load balancer: 80 and 443 from everywhere")
        self.web_group_id = self._group("web", "Web servers: from the load balancer only")
        self.database_group_id = self._group("database", "Database: from web servers and runners only")
        self.runner_group_id = self._group("runner", "Runners: nothing comes in")
        self.endpoint_group_id = self._group("endpoints", "AWS endpoints: from web servers and runners")

    def _endpoints(self, app_tables: list[pulumi.Output[str]]) -> None:
        s3 = ec2.VpcEndpoint(
            "s3",
            vpc_id=self.vpc_id,
            service_name=f"com.amazonaws.{self.args.region}.s3",
            vpc_endpoint_type="Gateway",
            route_table_ids=[*app_tables, self._data_table],
            tags=self.tags("s3"),
            opts=self.child(),
        )
        self._s3_prefix_list: pulumi.Output[str] = s3.prefix_list_id
        pilot = self.args.nat_gateways == "none"
        ec2.VpcEndpoint(
            "secrets",
            vpc_id=self.vpc_id,
            service_name=f"com.amazonaws.{self.args.region}.secretsmanager",
            vpc_endpoint_type="Interface",
            private_dns_enabled=True,
            # Each zone costs by the hour: a pilot light has one, a serving site survives losing a zone.
            subnet_ids=self.app_subnet_ids[:1] if pilot else self.app_subnet_ids,
            security_group_ids=[self.endpoint_group_id],
            tags=self.tags("secrets"),
            opts=self.child(),
        )

    def _open_ways(self) -> None:
        inward = {
            "balancer-http": (self.balancer_group_id, Way(80, EVERYWHERE, "cidr")),
            "balancer-https": (self.balancer_group_id, Way(443, EVERYWHERE, "cidr")),
            "web-from-balancer": (self.web_group_id, Way(WEB_PORT, self.balancer_group_id)),
            "database-from-web": (self.database_group_id, Way(DATABASE_PORT, self.web_group_id)),
            "database-from-runner": (self.database_group_id, Way(DATABASE_PORT, self.runner_group_id)),
            "endpoints-from-web": (self.endpoint_group_id, Way(443, self.web_group_id)),
            "endpoints-from-runner": (self.endpoint_group_id, Way(443, self.runner_group_id)),
        }
        outward = {
            "balancer-to-web": (self.balancer_group_id, Way(WEB_PORT, self.web_group_id)),
            "web-to-database": (self.web_group_id, Way(DATABASE_PORT, self.database_group_id)),
            "web-to-https": (self.web_group_id, Way(443, EVERYWHERE, "cidr")),
            "runner-to-database": (self.runner_group_id, Way(DATABASE_PORT, self.database_group_id)),
            "runner-to-endpoints": (self.runner_group_id, Way(443, self.endpoint_group_id)),
            "runner-to-s3": (self.runner_group_id, Way(443, self._s3_prefix_list, "prefix-list")),
        }
        for rule, ways in ((vpc.SecurityGroupIngressRule, inward), (vpc.SecurityGroupEgressRule, outward)):
            for label, (group_id, way) in ways.items():
                rule(
                    label,
                    security_group_id=group_id,
                    ip_protocol="tcp",
                    from_port=way.port,
                    to_port=way.port,
                    description=label.replace("-", " "),
                    tags=self.tags(label),
                    opts=self.child(),
                    **way.source(),
                )
