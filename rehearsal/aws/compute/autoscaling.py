"""Auto Scaling's API on top of the controller: moto keeps the books, the controller acts.

What moto gets wrong and this puts right: groups that are filled at once and in one zone, sizes that are not
checked, activities and refreshes that do not exist. Source: Auto Scaling API Reference (2011-01-01).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from moto.autoscaling.exceptions import AutoscalingClientError, ValidationError
from moto.autoscaling.models import AutoScalingBackend, FakeAutoScalingGroup
from moto.autoscaling.responses import AutoScalingResponse
from moto.core.responses import ActionResult, EmptyResult

from rehearsal.aws import calls
from rehearsal.aws.compute.group import Refresh
from rehearsal.aws.compute.reconcile import Reconciler
from rehearsal.aws.patch import around

_KEPT = (
    "DefaultInstanceWarmup", "MaxInstanceLifetime", "InstanceMaintenancePolicy", "TerminationPolicies",
    "DefaultCooldown", "PlacementGroup", "CapacityRebalance",
)  # fmt: skip
"""Settings that moto forgets on update (or altogether), shown again by DescribeAutoScalingGroups."""


def patch(reconciler: Reconciler) -> None:
    """Put the controller behind moto's Auto Scaling."""
    _patch_capacity(reconciler)
    _patch_members(reconciler)
    _patch_groups(reconciler)
    _patch_books(reconciler)
    _add_activities(reconciler)
    _add_refreshes(reconciler)


def _patch_capacity(reconciler: Reconciler) -> None:
    @around(FakeAutoScalingGroup, "set_desired_capacity")
    def desire(_original: Callable[..., Any], self: Any, new_capacity: int | None) -> None:
        """Only note what is wanted; the controller makes it so."""
        wanted = self.min_size if new_capacity is None else int(new_capacity)
        before = getattr(self, "desired_capacity", 0) or 0
        self.desired_capacity = wanted
        if wanted != before:
            book = reconciler.book(self)
            book.cause, book.not_before = calls.cause(), 0.0
            book.why = f"a user request changed the desired capacity from {before} to {wanted}."

    @around(AutoScalingBackend, "set_desired_capacity")
    def set_desired(_original: Callable[..., Any], self: Any, group_name: str, desired_capacity: Any) -> None:
        group = _group(self, group_name)
        wanted = int(desired_capacity)
        for bound, size, wrong in (
            ("max", group.max_size, wanted > (group.max_size or 0)),
            ("min", group.min_size, wanted < (group.min_size or 0)),
        ):
            if wrong:
                way = "above" if bound == "max" else "below"
                raise ValidationError(
                    f"New SetDesiredCapacity value {wanted} is {way} {bound} value {size} for the "
                    "AutoScalingGroup."
                )
        group.set_desired_capacity(wanted)

    @around(FakeAutoScalingGroup, "update")
    def update(original: Callable[..., Any], self: Any, *args: Any, **kwargs: Any) -> None:
        low, high = kwargs.get("min_size"), kwargs.get("max_size")
        low, high = self.min_size if low is None else low, self.max_size if high is None else high
        _check_sizes(low, high, kwargs.get("desired_capacity"))
        if not kwargs.get("mixed_instances_policy"):
            kwargs["mixed_instances_policy"] = self.mixed_instances_policy
        wanted = kwargs.pop("desired_capacity", None)
        original(self, *args, desired_capacity=self.desired_capacity, **kwargs)
        self.set_desired_capacity(min(max(self.desired_capacity if wanted is None else wanted, low), high))


def _check_sizes(low: int, high: int, wanted: int | None) -> None:
    if low > high:
        raise ValidationError("Max bound, must be greater than or equal to min bound")
    if wanted is not None and not low <= wanted <= high:
        raise ValidationError(
            f"Desired capacity:{wanted} must be between the specified min size:{low} and max size:{high}"
        )


def _patch_members(reconciler: Reconciler) -> None:
    for owner, name in (
        (AutoScalingBackend, "update_attached_target_groups"),
        (AutoScalingBackend, "notify_terminate_instances"),
    ):

        @around(owner, name)
        def nothing(original: Callable[..., Any], self: Any, *args: Any) -> None:
            """The controller sees for itself."""

    @around(AutoScalingBackend, "detach_load_balancer_target_groups")
    def detach(_original: Callable[..., Any], self: Any, group_name: str, arns: list[str]) -> None:
        from rehearsal.aws.compute.balancing import deregister

        group = _group(self, group_name)
        for target_group in reconciler.target_groups(group):
            if target_group.arn in arns:
                deregister(target_group, [member.instance_id for member in group.instance_states])
        group.target_group_arns = [arn for arn in group.target_group_arns if arn not in arns]

    @around(AutoScalingBackend, "terminate_instance")
    def terminate(_original: Callable[..., Any], self: Any, instance_id: str, should_decrement: bool) -> Any:
        with reconciler.fleet.lock:
            for group in self.autoscaling_groups.values():
                for member in group.instance_states:
                    if member.instance_id == instance_id:
                        if should_decrement:
                            set_to = group.desired_capacity - 1
                            _check_sizes(group.min_size, group.max_size, set_to)
                            group.set_desired_capacity(set_to)
                        why = "an instance was taken out of service in response to a user request."
                        return reconciler.retire(group, member, why)
        raise ValidationError(
            f"Instance Id not found - No managed instance found for instance ID: {instance_id}"
        )


def _patch_groups(reconciler: Reconciler) -> None:
    @around(AutoScalingBackend, "create_auto_scaling_group")
    def create(original: Callable[..., Any], self: Any, **kwargs: Any) -> Any:
        if kwargs["name"] in self.autoscaling_groups:
            raise AutoscalingClientError(
                "AlreadyExists", "AutoScalingGroup by this name already exists - A group with the name "
                f"{kwargs['name']} already exists",
            )  # fmt: skip
        if (
            kwargs.get("launch_config_name")
            or kwargs.get("mixed_instances_policy")
            or kwargs.get("instance_id")
        ):
            raise NotImplementedError("the rehearsal's Auto Scaling groups know launch templates only")
        if not kwargs.get("vpc_zone_identifier"):
            raise NotImplementedError("the rehearsal's Auto Scaling groups need VPCZoneIdentifier")
        _check_sizes(int(kwargs["min_size"]), int(kwargs["max_size"]), kwargs.get("desired_capacity"))
        if set(kwargs.get("target_group_arns") or ()) - self.elbv2_backend.target_groups.keys():
            raise ValidationError(
                "Provided Target Groups may not be valid. Please ensure they exist and try again."
            )
        with reconciler.fleet.lock:
            return original(self, **kwargs)


def _patch_books(reconciler: Reconciler) -> None:
    for name in ("create_auto_scaling_group", "update_auto_scaling_group"):

        @around(AutoScalingResponse, name)
        def keep(original: Callable[..., Any], self: Any) -> Any:
            answer = original(self)
            group = _group(self.autoscaling_backend, self._get_param("AutoScalingGroupName"))
            for key in _KEPT:
                if (value := self._get_param(key)) is not None:
                    setattr(group, _snake(key), value)
            return answer

    @around(AutoScalingResponse, "delete_auto_scaling_group")
    def delete(_original: Callable[..., Any], self: Any) -> Any:
        backend, name = self.autoscaling_backend, self._get_param("AutoScalingGroupName")
        group = _group(backend, name)
        with reconciler.fleet.lock:
            if group.instance_states and not self._get_bool_param("ForceDelete", False):
                raise AutoscalingClientError(
                    "ResourceInUse",
                    "You cannot delete an AutoScalingGroup while there are instances or pending Spot "
                    "instance request(s) still in the group.",
                )
            ids = [member.instance_id for member in group.instance_states]
            if ids:
                backend.ec2_backend.terminate_instances(ids)
                backend.elbv2_backend.notify_terminate_instances(ids)
            backend.autoscaling_groups.pop(name)
        return EmptyResult()


def _add_activities(reconciler: Reconciler) -> None:
    @around(AutoScalingResponse, "describe_scaling_activities")
    def describe(_original: Callable[..., Any], self: Any) -> Any:
        name = self._get_param("AutoScalingGroupName")
        ids = self._get_param("ActivityIds", [])
        groups = self.autoscaling_backend.autoscaling_groups.values()
        activities = [
            activity
            for group in groups
            if not name or group.name == name
            for activity in reconciler.book(group).activities
            if not ids or activity.activity_id in ids
        ]
        limit = self._get_int_param("MaxRecords") or 100
        return ActionResult({"Activities": activities[:limit]})


def _add_refreshes(reconciler: Reconciler) -> None:
    """Operations that moto does not have at all; its dispatcher finds them by name."""

    def start(self: Any) -> Any:
        group = _group(self.autoscaling_backend, self._get_param("AutoScalingGroupName"))
        if self._get_param("DesiredConfiguration"):
            raise NotImplementedError("the rehearsal's instance refresh takes no DesiredConfiguration")
        book = reconciler.book(group)
        if book.refresh is not None:
            raise AutoscalingClientError(
                "InstanceRefreshInProgress", "An Instance Refresh is already in progress and blocks this one"
            )
        refresh = Refresh(group, self._get_param("Preferences", {}))
        book.refreshes.insert(0, refresh)
        book.cause = calls.cause()
        return ActionResult({"InstanceRefreshId": refresh.instance_refresh_id})

    def describe(self: Any) -> Any:
        group = _group(self.autoscaling_backend, self._get_param("AutoScalingGroupName"))
        ids = self._get_param("InstanceRefreshIds", [])
        found = [r for r in reconciler.book(group).refreshes if not ids or r.instance_refresh_id in ids]
        return ActionResult({"InstanceRefreshes": found})

    def cancel(self: Any) -> Any:
        group = _group(self.autoscaling_backend, self._get_param("AutoScalingGroupName"))
        refresh = reconciler.book(group).refresh
        if refresh is None:
            raise AutoscalingClientError(
                "ActiveInstanceRefreshNotFound",
                f"No in progress or pending Instance Refresh found for Auto Scaling group {group.name}",
            )
        refresh.status = "Cancelling"
        return ActionResult({"InstanceRefreshId": refresh.instance_refresh_id})

    for name, operation in (
        ("start_instance_refresh", start),
        ("describe_instance_refreshes", describe),
        ("cancel_instance_refresh", cancel),
    ):
        setattr(AutoScalingResponse, name, operation)


def _group(backend: Any, name: str) -> FakeAutoScalingGroup:
    group: FakeAutoScalingGroup | None = backend.autoscaling_groups.get(name)
    if group is None:
        raise ValidationError(f"AutoScalingGroup name not found - AutoScalingGroup '{name}' not found")
    return group


def _snake(name: str) -> str:
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name).lstrip("_")
