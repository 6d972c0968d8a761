"""Tell people: by the channels of continuity.yaml, and by the site's alarm topic."""

from __future__ import annotations

import os
from typing import ClassVar

from recovery.actions._common import options
from recovery.actions.base import Action, Change, Context, Fact, Need, Preview, With
from recovery.actions.facts import Notified
from recovery.errors import ActionFailed, LifeboatError


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
        kinds = ", ".join(self._kinds(ctx))
        return Preview(changes=(Change("+", f"a message by {kinds}"),), expected_seconds=5)

    def perform(self, ctx: Context) -> Notified:
        """Send."""
        with_ = options(ctx, NotifyWith)
        title = f"{ctx.continuity.company}: {with_.title}"
        sent, failed = [], []
        for kind, url in zip(self._kinds(ctx), [None, *ctx.continuity.notify], strict=True):
            try:
                self._send(ctx, url, title, f"{with_.message}\n\nrun {ctx.run}")
            except LifeboatError as error:
                failed.append(f"{kind}: {error.what}")
            else:
                sent.append(kind)
        if not sent:
            raise ActionFailed(
                f"nobody could be told: {'; '.join(failed)}",
                means="people do not know that a recovery is under way",
                cure="call them; numbers are in continuity.yaml",
            )
        ctx.progress(f"told by {', '.join(sent)}", 1)
        return Notified(channels=tuple(sent), failed=tuple(failed))

    def verify(self, ctx: Context, fact: Fact | None) -> None:
        """The channels took it; whether someone reads it is not known here."""

    def by_hand(self, ctx: Context) -> str:
        """Commands."""
        message = options(ctx, NotifyWith).message
        return (
            f"aws sns publish --region {ctx.target.region} --topic-arn {ctx.target.alarms_topic_arn} "
            f"--message '{message}'"
        )

    @staticmethod
    def _kinds(ctx: Context) -> list[str]:
        """The site's topic first; of a URL only its scheme is told, since the rest may be a secret."""
        return ["alarm topic", *(url.partition(":")[0] for url in ctx.continuity.notify)]

    @staticmethod
    def _send(ctx: Context, url: str | None, title: str, body: str) -> None:
        if url is None:
            ctx.sites.of(ctx.target).announce(title, body)
            return
        import apprise

        real = os.environ.get(url.removeprefix("env:"), "") if url.startswith("env:") else url
        channel = apprise.Apprise()
        if not real or not channel.add(real) or not channel.notify(title=title, body=body):
            raise ActionFailed("it did not take the message")
