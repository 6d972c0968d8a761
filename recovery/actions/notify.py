"""Tell people: by the channels of continuity.yaml, and by the site's alarm topic."""

from __future__ import annotations

from typing import ClassVar

from recovery import messages
from recovery.actions._common import options
from recovery.actions.base import Action, Change, Context, Fact, Need, Preview, With
from recovery.actions.facts import Notified
from recovery.errors import ActionFailed


class NotifyWith(With):
    """What is said."""

    message: str
    title: str = "Recovery"


class Notify(Action):
    """One message by every channel; it counts when one of them took it."""

    name = "notify"
    summary = "tell the people whom continuity.yaml names"
    With: ClassVar[type[With]] = NotifyWith
    gives = Notified
    permissions = ("sns:Publish",)
    irreversible = "a message that was sent is read"

    def needs(self, ctx: Context) -> tuple[Need, ...]:
        """The topic in the target's region."""
        return (Need("sns", ctx.target.region, "data"),)

    def preview(self, ctx: Context) -> Preview:
        """Through what."""
        kinds = ", ".join(messages.channels(ctx.continuity.notify))
        return Preview(changes=(Change("+", f"a message by {kinds}"),), expected_seconds=5)

    def perform(self, ctx: Context) -> Notified:
        """Send."""
        with_ = options(ctx, NotifyWith)
        title = f"{ctx.continuity.company}: {with_.title}"
        found = messages.send(
            ctx.sites.of(ctx.target), ctx.continuity.notify, title, f"{with_.message}\n\nrun {ctx.run}"
        )
        if not found.sent:
            raise ActionFailed(
                f"nobody could be told: {'; '.join(found.failed)}",
                means="people do not know that a recovery is under way",
                cure="call them; numbers are in continuity.yaml",
            )
        ctx.progress(f"told by {', '.join(found.sent)}", 1)
        return Notified(channels=found.sent, failed=found.failed)

    def verify(self, ctx: Context, fact: Fact | None) -> None:
        """The channels took it; whether someone reads it is not known here."""

    def by_hand(self, ctx: Context) -> str:
        """Commands."""
        message = options(ctx, NotifyWith).message
        return (
            f"aws sns publish --region {ctx.target.region} --topic-arn {ctx.target.alarms_topic_arn} "
            f"--message '{message}'"
        )
