"""Functions of the provider (`aws.get_caller_identity()`, ...); any other is refused by name."""

from __future__ import annotations

from collections.abc import Callable

from rehearsal.provider import shapes
from rehearsal.provider.clients import Clients
from rehearsal.provider.shapes import NotModelledError
from rehearsal.provider.wire import Props


def run(clients: Clients, region: str, token: str, args: Props) -> Props:
    """The function's result. NotModelledError when the rehearsal has no such function."""
    if token not in FUNCTIONS:
        raise NotModelledError(
            f"the rehearsal's AWS does not model the function {token!r}; see rehearsal/provider/invokes.py"
        )
    return FUNCTIONS[token](clients, str(args.get("region") or region), args)


def _caller_identity(clients: Clients, region: str, _: Props) -> Props:
    answer = clients.get("sts", region).get_caller_identity()
    return {
        "accountId": answer["Account"],
        "arn": answer["Arn"],
        "userId": answer["UserId"],
        "id": answer["Account"],
    }


def _region(_: Clients, region: str, __: Props) -> Props:
    return {
        "id": region,
        "name": region,
        "region": region,
        "description": region,
        "endpoint": f"ec2.{region}.amazonaws.com",
    }


def _partition(_: Clients, __: str, ___: Props) -> Props:
    return {
        "id": "aws",
        "partition": "aws",
        "dnsSuffix": "amazonaws.com",
        "reverseDnsPrefix": "com.amazonaws",
    }


def _zones(clients: Clients, region: str, args: Props) -> Props:
    found = clients.get("ec2", region).describe_availability_zones()["AvailabilityZones"]
    zones = [z for z in found if z["State"] == args.get("state", z["State"])]
    return {"id": region, "names": [z["ZoneName"] for z in zones], "zoneIds": [z["ZoneId"] for z in zones]}


def _random_password(clients: Clients, region: str, args: Props) -> Props:
    service = clients.get("secretsmanager", region)
    shape = clients.operation("secretsmanager", "GetRandomPassword").input_shape
    params = {}
    for key, value in args.items():
        member = shapes.member_for(shape, key, {}, key)
        if member is None and key != "region":
            raise NotModelledError(f"getRandomPassword has no {key!r}")
        if member:
            params[member] = value
    return {"id": region, "randomPassword": service.get_random_password(**params)["RandomPassword"], **args}


FUNCTIONS: dict[str, Callable[[Clients, str, Props], Props]] = {
    "aws:index/getCallerIdentity:getCallerIdentity": _caller_identity,
    "aws:index/getRegion:getRegion": _region,
    "aws:index/getPartition:getPartition": _partition,
    "aws:index/getAvailabilityZones:getAvailabilityZones": _zones,
    "aws:secretsmanager/getRandomPassword:getRandomPassword": _random_password,
}
