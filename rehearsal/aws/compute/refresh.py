"""Instance refresh: members are replaced one at a time, each only when all others serve.

At 100 per cent or more a replacement is launched before its member leaves; below, one member leaves first.
Source: Auto Scaling User Guide, "Use an instance refresh to update instances in an Auto Scaling group".
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from moto.autoscaling.models import FakeAutoScalingGroup

from rehearsal.aws.compute.group import Book, Member, Refresh, members, now

if TYPE_CHECKING:
    from rehearsal.aws.compute.reconcile import Found, Reconciler


def advance(reconciler: Reconciler, group: FakeAutoScalingGroup, book: Book, found: Found) -> int:
    """Take the next step of the group's refresh; answers how many instances beyond desired it wants now."""
    refresh = book.refresh
    if refresh is None:
        return 0
    present = {member.instance_id: member for member in members(group) if member.active}
    refresh.todo = [each for each in refresh.todo if each in present]
    refresh.percentage_complete = 100 - round(100 * len(refresh.todo) / max(refresh.total, 1))
    if refresh.status == "Cancelling":
        refresh.close("Cancelled")
        return 0
    refresh.status = "InProgress"
    serving = [member for member in present.values() if _serves(reconciler, group, member, found, refresh)]
    desired = group.desired_capacity or 0
    if not refresh.todo:
        if len(serving) >= desired:
            refresh.percentage_complete = 100
            refresh.close("Successful")
        return 0
    spare = 1 if refresh.minimum >= 100 else 0
    # all but one, at the least: rounding never brings a refresh to a stand-still
    needed = desired + spare if spare else max(math.ceil(desired * refresh.minimum / 100), desired)
    if len(serving) >= needed:
        book.why = "an instance is launched in response to an instance refresh."
        leaving = refresh.todo.pop(0)
        why = "an instance was taken out of service in response to an instance refresh."
        reconciler.retire(group, present[leaving], why)
    return spare if refresh.todo else 0


def _serves(
    reconciler: Reconciler, group: FakeAutoScalingGroup, member: Member, found: Found, refresh: Refresh
) -> bool:
    if member.lifecycle_state != "InService" or member.in_service_since is None:
        return False
    warm = now() - member.in_service_since >= refresh.warmup / reconciler.world.settings.scale
    return (warm or member.instance_id in refresh.todo) and reconciler.health(
        group, member, found
    ) == "healthy"
