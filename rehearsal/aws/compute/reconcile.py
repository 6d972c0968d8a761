"""Auto Scaling's controller: makes groups what they should be, an instance at a time, as reality lets it.

Members are launched into the zone that has fewest, serve once running, are replaced when they end or when
their load balancer finds them sick after the grace, and leave through draining. Waits are the cloud's,
scaled; a boot is real, so a grace is never shorter than `_SHORTEST_GRACE_S`. Source: Auto Scaling User Guide.
"""

from __future__ import annotations

import time
from collections import Counter
from typing import Any

from moto.autoscaling.models import FakeAutoScalingGroup, autoscaling_backends
from moto.elbv2.models import FakeTargetGroup

from rehearsal.aws.compute import refresh
from rehearsal.aws.compute.balancing import deregister
from rehearsal.aws.compute.group import Book, Member, members, now
from rehearsal.aws.compute.instances import Fleet
from rehearsal.aws.compute.launching import launch
from rehearsal.world import World

_LOOK_EVERY_S = 0.1
_SHORTEST_GRACE_S = 5.0
_LONGEST_DRAIN_S = 0.5  # requests here take milliseconds; ELB ends draining when nothing is in flight
_NOTICED = "asg.reconcile"
_GONE = ("shutting-down", "terminated", "stopping", "stopped")

Found = dict[str, dict[str, dict[str, str]]]


class Reconciler:
    """Drives every group of the world."""

    def __init__(self, world: World, fleet: Fleet) -> None:
        self.world = world
        self.fleet = fleet
        self._books: dict[str, Book] = {}
        world.every(_LOOK_EVERY_S, self.run, name="autoscaling")

    def book(self, group: FakeAutoScalingGroup) -> Book:
        """Notes on the group."""
        return self._books.setdefault(group.arn, Book())

    def run(self) -> None:
        """One round over all groups."""
        found: Found = (self.world.fetch("target-health") or {}).get("groups") or {}
        for account in list(autoscaling_backends.values()):
            for region, backend in list(account.items()):
                if region not in self.world.regions or self.world.is_lost(region):
                    continue
                for group in list(backend.autoscaling_groups.values()):
                    with self.fleet.lock:
                        self._reconcile(group, found)

    def _reconcile(self, group: FakeAutoScalingGroup, found: Found) -> None:
        book, suspended = self.book(group), set(group._suspended_processes)
        self._admit(group, suspended)
        self._see_off(group)
        if "HealthCheck" not in suspended:
            self._examine(group, found)
        if "ReplaceUnhealthy" not in suspended:
            self._replace_sick(group, book)
        self._note_first_health(group, found)
        spare = refresh.advance(self, group, book, found) if "InstanceRefresh" not in suspended else 0
        missing = (group.desired_capacity or 0) + spare - sum(member.active for member in members(group))
        if missing > 0 and "Launch" not in suspended and now() >= book.not_before:
            for _ in range(missing):
                launch(self.world, group, book)
        elif missing < 0 and "Terminate" not in suspended:
            for member in self._victims(group, -missing):
                self.retire(group, member, "an instance was taken out of service: capacity is to shrink.")

    # --- coming --------------------------------------------------------------------------------------------

    def _admit(self, group: FakeAutoScalingGroup, suspended: set[str]) -> None:
        for member in members(group):
            if member.lifecycle_state == "Pending" and member.instance.state == "running":
                member.lifecycle_state, member.in_service_since = "InService", now()
                if member.activity:
                    member.activity.finish()
            serves = member.lifecycle_state == "InService" and member.instance.state == "running"
            if serves and "AddToLoadBalancer" not in suspended:
                for target_group in self.target_groups(group):
                    if member.instance_id not in target_group.targets:
                        target_group.register([{"Id": member.instance_id, "Port": target_group.port}])

    def target_groups(self, group: FakeAutoScalingGroup) -> list[FakeTargetGroup]:
        """The target groups that members are registered with."""
        known = group.autoscaling_backend.elbv2_backend.target_groups
        return [known[arn] for arn in group.target_group_arns or [] if arn in known]

    # --- being well ----------------------------------------------------------------------------------------

    def _examine(self, group: FakeAutoScalingGroup, found: Found) -> None:
        grace = max(
            float(group.health_check_grace_period or 0) / self.world.settings.scale, _SHORTEST_GRACE_S
        )
        for member in members(group):
            if not member.active:
                continue
            gone = member.instance.state in _GONE
            ripe = member.in_service_since is not None and now() - member.in_service_since > grace
            sick = gone or (
                group.health_check_type == "ELB" and ripe and self.health(group, member, found) == "unhealthy"
            )
            if not sick:
                member.sick_since = None
            elif member.sick_since is None:
                member.sick_since = now()
            elif now() - member.sick_since > self.world.cloud_seconds(_NOTICED) / self.world.settings.scale:
                member.health_status = "Unhealthy"
                self._note_wait(
                    group, _NOTICED, now() - member.sick_since, self.world.cloud_seconds(_NOTICED)
                )

    def _note_first_health(self, group: FakeAutoScalingGroup, found: Found) -> None:
        """Once a target answers, the load balancer may take an interval to notice: a wait of the cloud's."""
        for member in members(group):
            if (
                member.noticed
                or not member.in_service_since
                or self.health(group, member, found) != "healthy"
            ):
                continue
            member.noticed = True
            interval = max(
                [float(each.health_check_interval_seconds) for each in self.target_groups(group)], default=0.0
            )
            spent = min(interval / self.world.settings.scale, now() - member.in_service_since)
            self._note_wait(group, "elb.health-check", spent, interval)

    def _note_wait(self, group: FakeAutoScalingGroup, what: str, spent: float, cloud_seconds: float) -> None:
        cause = self.book(group).cause
        self.world.record_wait(what, group.region, time.time() - spent, cloud_seconds, cause=cause)

    def health(self, group: FakeAutoScalingGroup, member: Member, found: Found) -> str:
        """What load balancers think of a member: the worst of its target groups; healthy when it has none."""
        states = [
            found.get(each.arn, {}).get(f"{member.instance_id}:{each.port}", {}).get("state", "initial")
            for each in self.target_groups(group)
        ]
        return next((state for state in ("unhealthy", "initial") if state in states), "healthy")

    def _replace_sick(self, group: FakeAutoScalingGroup, book: Book) -> None:
        for member in list(members(group)):
            if member.active and member.health_status == "Unhealthy":
                checked = "EC2" if member.instance.state in _GONE else group.health_check_type
                why = (
                    f"an instance was taken out of service in response to an {checked} health check failure."
                )
                book.cause, book.why = "", "an instance is launched in place of an unhealthy one."
                self.retire(group, member, why)

    # --- going ---------------------------------------------------------------------------------------------

    def retire(self, group: FakeAutoScalingGroup, member: Member, why: str) -> Any:
        """Take a member out of service: no new requests, then no machine. Answers the activity."""
        if member.activity and member.activity.end_time is None:
            member.activity.finish("Cancelled")
        activity = self.book(group).note(group, f"Terminating EC2 instance: {member.instance_id}", why)
        for target_group in self.target_groups(group):
            deregister(target_group, [member.instance_id])
        delays = [
            each.attributes["deregistration_delay.timeout_seconds"] for each in self.target_groups(group)
        ]
        delay = max([float(str(each)) for each in delays], default=0.0)
        alive = member.instance.state == "running"
        drain = min(delay / self.world.settings.scale, _LONGEST_DRAIN_S) if alive else 0.0
        member.lifecycle_state, member.activity, member.leave_at = "Terminating", activity, now() + drain
        return activity

    def _see_off(self, group: FakeAutoScalingGroup) -> None:
        for member in list(members(group)):
            if member.lifecycle_state == "Terminating" and now() >= member.leave_at:
                if member.instance.state != "terminated":
                    group.ec2_backend.terminate_instances([member.instance_id])
                for target_group in self.target_groups(group):
                    target_group.terminated_targets.pop(member.instance_id, None)
                group.instance_states = [each for each in members(group) if each is not member]
                if member.activity:
                    member.activity.finish()

    def _victims(self, group: FakeAutoScalingGroup, count: int) -> list[Member]:
        """Default termination policy: the fullest zone first, there the oldest template, then the oldest."""
        candidates = [m for m in members(group) if m.active and not m.protected_from_scale_in]
        chosen: list[Member] = []
        while candidates and len(chosen) < count:
            zones = Counter(member.availability_zone for member in candidates)
            victim = min(candidates, key=lambda m: (-zones[m.availability_zone], m.version))
            candidates.remove(victim)
            chosen.append(victim)
        return chosen
