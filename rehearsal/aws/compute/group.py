"""What Auto Scaling remembers of a group beyond moto's books: members, activities, refreshes."""

from __future__ import annotations

import time
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, cast

from moto.autoscaling.models import FakeAutoScalingGroup, InstanceState
from moto.ec2.models.instances import Instance


class Member(InstanceState):
    """An instance of a group, with the launch template version it was made from."""

    def __init__(self, instance: Instance, group: FakeAutoScalingGroup, version: int) -> None:
        instance.autoscaling_group = group  # type: ignore[attr-defined]
        protected = group.new_instances_protected_from_scale_in
        super().__init__(instance, "Pending", "Healthy", protected, group)
        self.version = version
        self.in_service_since: float | None = None
        self.sick_since: float | None = None
        self.leave_at = 0.0
        self.noticed = False
        self.activity: Activity | None = None

    @property
    def launch_template(self) -> dict[str, Any] | None:
        """As DescribeAutoScalingGroups shows it."""
        template = self.auto_scaling_group.ec2_launch_template
        return {
            "LaunchTemplateId": template.id,
            "LaunchTemplateName": template.name,
            "Version": str(self.version),
        }

    @property
    def active(self) -> bool:
        """Whether it counts against the desired capacity."""
        return self.lifecycle_state in ("Pending", "InService")


class Activity:
    """A scaling activity, as DescribeScalingActivities shows it (attributes named for moto's serializer)."""

    def __init__(self, group: FakeAutoScalingGroup, description: str, cause: str) -> None:
        self.activity_id = str(uuid.uuid4())
        self.auto_scaling_group_name = group.name
        self.auto_scaling_group_arn = group.arn
        self.description = description
        self.cause = cause
        self.start_time = datetime.now(UTC)
        self.end_time: datetime | None = None
        self.status_code = "InProgress"
        self.status_message: str | None = None
        self.progress = 50

    def finish(self, status: str = "Successful", message: str | None = None) -> None:
        """Close it."""
        self.status_code, self.status_message, self.progress = status, message, 100
        self.end_time = datetime.now(UTC)


class Refresh:
    """An instance refresh, as DescribeInstanceRefreshes shows it."""

    def __init__(self, group: FakeAutoScalingGroup, preferences: dict[str, Any]) -> None:
        self.instance_refresh_id = str(uuid.uuid4())
        self.auto_scaling_group_name = group.name
        self.status = "Pending"
        self.status_reason: str | None = None
        self.start_time = datetime.now(UTC)
        self.end_time: datetime | None = None
        self.percentage_complete = 0
        self.preferences = preferences
        self.todo = [member.instance_id for member in members(group)]
        self.total = len(self.todo)

    @property
    def instances_to_update(self) -> int:
        """How many still are what they were."""
        return len(self.todo)

    @property
    def open(self) -> bool:
        """Whether it still goes on."""
        return self.status in ("Pending", "InProgress", "Cancelling")

    @property
    def minimum(self) -> int:
        """Per cent of the desired capacity that must stay healthy. AWS's default is 90."""
        given = self.preferences.get("MinHealthyPercentage")
        return 90 if given is None else int(given)

    @property
    def warmup(self) -> float:
        """Seconds of the cloud that a new instance is given."""
        return float(self.preferences.get("InstanceWarmup") or 0)

    def close(self, status: str) -> None:
        """End it."""
        self.status, self.end_time = status, datetime.now(UTC)


def members(group: FakeAutoScalingGroup) -> list[Member]:
    """The group's instances; the controller alone puts them there."""
    return cast("list[Member]", group.instance_states)


@dataclass
class Book:
    """Notes on one group."""

    activities: list[Activity] = field(default_factory=list)
    refreshes: list[Refresh] = field(default_factory=list)
    cause: str = ""
    """User agent of the call that last changed the desired capacity."""
    why: str = ""
    not_before: float = 0.0
    """Monotonic time before which no launch is tried again."""

    def note(self, group: FakeAutoScalingGroup, description: str, why: str) -> Activity:
        """Open an activity."""
        activity = Activity(group, description, f"At {datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ} {why}")
        self.activities.insert(0, activity)
        return activity

    @property
    def refresh(self) -> Refresh | None:
        """The refresh that goes on, if one does."""
        return next((each for each in self.refreshes if each.open), None)


def now() -> float:
    """Monotonic seconds."""
    return time.monotonic()
