"""Auto Scaling group and application load balancer."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from infra.outputs import SiteContract
from recovery.errors import ActionFailed
from recovery.sites.aws.clients import Clients
from recovery.sites.aws.errors import explained
from recovery.sites.ports import Group, Targets

_HELD: list[Any] = [
    {
        "Type": "fixed-response",
        "FixedResponseConfig": {
            "StatusCode": "503",
            "ContentType": "text/html",
            "MessageBody": "<h1>We will be back shortly.</h1>",
        },
    }
]
"""The holding page where nobody knows what stood there before."""
_REFRESHING = {"Pending", "InProgress", "Cancelling", "Baking", "RollbackInProgress"}


@explained
class AutoScalingWebTier:
    """See recovery.sites.ports.WebTier."""

    def __init__(self, clients: Clients, contract: SiteContract) -> None:
        self.clients = clients
        self._web = contract.web

    def group(self) -> Group:
        """DescribeAutoScalingGroups and the latest instance refresh."""
        name = self._web.autoscaling_group
        groups = self.clients.autoscaling.describe_auto_scaling_groups(AutoScalingGroupNames=[name])
        if not groups["AutoScalingGroups"]:
            raise ActionFailed(
                f"Auto Scaling group {name} is not in {self.clients.region}",
                means="no web server can start there",
                cure="bring the site's stack up first: step bring-stack-up, or `pulumi up` by hand",
            )
        group = groups["AutoScalingGroups"][0]
        refreshes = self.clients.autoscaling.describe_instance_refreshes(
            AutoScalingGroupName=name, MaxRecords=1
        )["InstanceRefreshes"]
        return Group(
            minimum=group["MinSize"],
            desired=group["DesiredCapacity"],
            maximum=group["MaxSize"],
            in_service=sum(1 for i in group.get("Instances", []) if i["LifecycleState"] == "InService"),
            refreshing=any(r.get("Status") in _REFRESHING for r in refreshes),
        )

    def targets(self) -> Targets:
        """DescribeTargetHealth; draining targets do not count."""
        found = self.clients.elb.describe_target_health(TargetGroupArn=self._web.target_group_arn)
        states = [t.get("TargetHealth", {}) for t in found["TargetHealthDescriptions"]]
        states = [s for s in states if s.get("State") != "draining"]
        reasons = {
            s.get("Description") or s.get("Reason") or "" for s in states if s.get("State") != "healthy"
        }
        return Targets(
            healthy=sum(1 for s in states if s.get("State") == "healthy"),
            total=len(states),
            reasons=tuple(sorted(reasons - {""})),
        )

    def scale(self, servers: int) -> None:
        """SetDesiredCapacity, within the limits that the stack has set."""
        group = self.group()
        if servers > group.maximum:
            raise ActionFailed(
                f"{servers} servers are wanted and {self._web.autoscaling_group} allows {group.maximum}",
                means="the site's stack still has its pilot footprint",
                cure="bring the stack up with `footprint: full` before scaling the web tier",
            )
        if group.desired < servers:
            self.clients.autoscaling.set_desired_capacity(
                AutoScalingGroupName=self._web.autoscaling_group, DesiredCapacity=servers, HonorCooldown=False
            )

    def stop(self) -> None:
        """UpdateAutoScalingGroup."""
        self.clients.autoscaling.update_auto_scaling_group(
            AutoScalingGroupName=self._web.autoscaling_group, MinSize=0, MaxSize=0, DesiredCapacity=0
        )

    def rest(self) -> None:
        """UpdateAutoScalingGroup; the maximum is the stack's."""
        self.clients.autoscaling.update_auto_scaling_group(
            AutoScalingGroupName=self._web.autoscaling_group, MinSize=0, DesiredCapacity=0
        )

    def failures(self, since: datetime) -> Sequence[str]:
        """DescribeScalingActivities that failed."""
        activities = self.clients.autoscaling.describe_scaling_activities(
            AutoScalingGroupName=self._web.autoscaling_group, MaxRecords=20
        )["Activities"]
        return tuple(
            activity.get("StatusMessage") or activity.get("Cause", "")
            for activity in activities
            if activity["StatusCode"] == "Failed" and activity["StartTime"] >= since
        )

    def holding_page(self) -> bool:
        """Whether the listener's default action is a fixed response."""
        return any(action["Type"] == "fixed-response" for action in self._actions())

    def serve(self) -> str:
        """ModifyListener: forward to the target group."""
        before = self._actions()
        if any(action["Type"] == "fixed-response" for action in before):
            forward: list[Any] = [{"Type": "forward", "TargetGroupArn": self._web.target_group_arn}]
            self.clients.elb.modify_listener(ListenerArn=self._web.https_listener_arn, DefaultActions=forward)
        return json.dumps(before, sort_keys=True)

    def hold(self, actions: str) -> None:
        """ModifyListener: the default actions as they were, or a plain page."""
        before: list[Any] = json.loads(actions) if actions else _HELD
        self.clients.elb.modify_listener(ListenerArn=self._web.https_listener_arn, DefaultActions=before)

    def _actions(self) -> list[dict[str, Any]]:
        found = self.clients.elb.describe_listeners(ListenerArns=[self._web.https_listener_arn])
        return [dict(action) for action in found["Listeners"][0].get("DefaultActions", [])]
