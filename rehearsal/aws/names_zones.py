"""Route 53's hosted zones: change batches are checked as AWS checks them, and reach the name servers late.

moto applies half of a bad batch, forgets set identifiers and accepts an alias to nothing; so the batch is
applied here (Route 53 API Reference, ChangeResourceRecordSets). A change is PENDING until it is INSYNC;
only then do the name servers know it. The control plane is us-east-1's: changes that were on their way
when that region was lost arrive once it is back.
"""

from __future__ import annotations

import copy
import threading
from collections.abc import Callable
from typing import Any

from moto.core.responses import ActionResult
from moto.route53.exceptions import Route53ClientError
from moto.route53.models import FakeZone, RecordSet, Route53Backend
from moto.route53.responses import Route53

from rehearsal.aws import calls
from rehearsal.aws.names_batch import Batch, is_true
from rehearsal.aws.patch import around
from rehearsal.world import World

CONTROL_PLANE = "us-east-1"


class Propagation:
    """Takes zones to the name servers: each change once its wait is over, in the order they were made."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._lock = threading.RLock()
        self._served: dict[str, tuple[int, dict[str, Any]]] = {}
        self._pending: dict[str, Callable[[], None]] = {}
        self._count = 0
        self._on_change: list[Callable[[], None]] = []
        world.on_return(self._catch_up)

    def submit(self, zone: FakeZone, *, gone: bool = False) -> dict[str, Any]:
        """Send the zone as it is now on its way; ChangeInfo with the id of the change."""
        with self._lock:
            self._count += 1
            number, change = self._count, f"C{self._count:013d}"
            served = None if gone or zone.private_zone else _zone_json(zone)

            def arrive() -> None:
                self._arrive(change, zone.resource_id, number, served)

            self._pending[change] = arrive
        self._world.after("route53.insync", CONTROL_PLANE, arrive, cause=calls.cause())
        return self.info(change)

    def info(self, change: str) -> dict[str, Any]:
        """ChangeInfo of a change."""
        from moto.core.utils import utcnow

        with self._lock:
            status = "PENDING" if change in self._pending else "INSYNC"
        return {"Id": f"/change/{change}", "Status": status, "SubmittedAt": utcnow()}

    def served(self) -> list[dict[str, Any]]:
        """The zones as the name servers have them."""
        with self._lock:
            return [zone for _, zone in self._served.values() if zone]

    def _arrive(self, change: str, zone_id: str, number: int, zone: dict[str, Any] | None) -> None:
        with self._lock:
            self._pending.pop(change, None)
            if self._served.get(zone_id, (0, {}))[0] > number:
                return  # a later change of the zone overtook it
            self._served[zone_id] = (number, zone or {})
            self._world.publish("zones", {"zones": self.served()})

    def _catch_up(self, region: str) -> None:
        if region == CONTROL_PLANE:
            for arrive in list(self._pending.values()):
                arrive()


def _zone_json(zone: FakeZone) -> dict[str, Any]:
    records = [_record_json(r) for r in zone.rrsets]
    return {"name": zone.name, "id": zone.resource_id, "records": records}


def _record_json(record: RecordSet) -> dict[str, Any]:
    alias = record.alias_target
    return {
        "name": record.name,
        "type": record.type,
        "ttl": int(record.ttl or 0),
        "values": list(record.records),
        "failover": record.failover,
        "check": record.health_check_id,
        "alias": {"name": alias["DNSName"], "evaluate": is_true(alias["EvaluateTargetHealth"])}
        if alias
        else None,
    }


def install(world: World) -> Propagation:
    """Patch moto's zones. What the name servers know is asked of the propagation that this gives."""
    propagation = Propagation(world)
    world.publish("zones", {"zones": []})

    one_batch_at_a_time = threading.Lock()  # else one that began earlier undoes what ended meanwhile

    @around(Route53Backend, "change_resource_record_sets")
    def change(_: Any, self: Route53Backend, zoneid: str, change_list: list[dict[str, Any]]) -> None:
        with one_batch_at_a_time:
            zone = self.get_hosted_zone(zoneid)
            batch = Batch(self, zone)
            for each in change_list:
                batch.apply(each["Action"], copy.deepcopy(each["ResourceRecordSet"]))
            zone.rrsets = batch.records  # all of it or nothing

    @around(Route53, "change_resource_record_sets")
    def respond(original: Any, self: Route53) -> ActionResult:
        result = original(self)
        zone = self.backend.get_hosted_zone(self._get_param("HostedZoneId"))
        return _with_info(result, propagation.submit(zone))

    @around(Route53Backend, "create_hosted_zone")
    def make(original: Any, self: Route53Backend, name: str, *args: Any, **kwargs: Any) -> FakeZone:
        reference = kwargs.get("caller_reference")
        if reference and any(zone.caller_reference == reference for zone in self.zones.values()):
            raise Route53ClientError(
                "HostedZoneAlreadyExists", f"A hosted zone has already been created with {reference}."
            )
        made: FakeZone = original(self, name, *args, **kwargs)
        return made

    @around(Route53, "create_hosted_zone")
    def create(original: Any, self: Route53) -> ActionResult:
        result = original(self)
        zone: FakeZone = result.result["HostedZone"]
        for record in zone.rrsets:  # moto keeps its own SOA in another shape than everybody's records
            record.records = [r["Value"] if isinstance(r, dict) else r for r in record.records]
        return _with_info(result, propagation.submit(zone))

    @around(Route53, "delete_hosted_zone")
    def delete(original: Any, self: Route53) -> ActionResult:
        zone = self.backend.get_hosted_zone(self._get_param("Id"))
        return _with_info(original(self), propagation.submit(zone, gone=True))

    @around(Route53, "get_change")
    def get_change(_: Any, self: Route53) -> ActionResult:
        return ActionResult({"ChangeInfo": propagation.info(self._get_param("Id").removeprefix("/change/"))})

    return propagation


def _with_info(result: ActionResult, info: dict[str, Any]) -> ActionResult:
    value = result.result
    assert isinstance(value, dict)
    return ActionResult(value | {"ChangeInfo": info})
