"""Messages to people: by the site's alarm topic, and by the channels of continuity.yaml."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass

from recovery.errors import ActionFailed, LifeboatError
from recovery.sites.ports import Site

TOPIC = "alarm topic"


@dataclass(frozen=True)
class Delivery:
    """Channels that took a message, and those that did not, with the reason."""

    sent: tuple[str, ...]
    failed: tuple[str, ...]


def channels(urls: Sequence[str]) -> list[str]:
    """The site's topic first; of a URL only its scheme is told, since the rest may be a secret."""
    return [TOPIC, *(url.partition(":")[0] for url in urls)]


def send(site: Site, urls: Sequence[str], title: str, body: str) -> Delivery:
    """One message by every channel; never raises for one that does not take it."""
    sent, failed = [], []
    for kind, url in zip(channels(urls), [None, *urls], strict=True):
        try:
            if url is None:
                site.announce(title, body)
            else:
                _by_apprise(url, title, body)
        except LifeboatError as error:
            failed.append(f"{kind}: {error.what}")
        else:
            sent.append(kind)
    return Delivery(tuple(sent), tuple(failed))


def _by_apprise(url: str, title: str, body: str) -> None:
    import apprise

    real = os.environ.get(url.removeprefix("env:"), "") if url.startswith("env:") else url
    channel = apprise.Apprise()
    if not real or not channel.add(real) or not channel.notify(title=title, body=body):
        raise ActionFailed("it did not take the message")
