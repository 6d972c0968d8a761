"""What customers' requests say about an outage. Pure: lists in, numbers out; all times in seconds."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby

IN_A_ROW = 5
"""Successes in a row after which a client counts as served again."""


@dataclass(frozen=True)
class Request:
    """One write of one client. `started` and `ended` are epoch seconds of this machine."""

    client: str
    n: int
    started: float
    ended: float
    ok: bool
    """Acknowledged: the service said that the row is committed."""
    why: str
    """`201`, another status, or the error's name."""
    address: str = ""
    """Where the name led to."""


@dataclass(frozen=True)
class Outage:
    """From the first failed request to the first of `IN_A_ROW` successes of the last client that got them."""

    began: float
    ended: float | None
    """None while some client is not served again."""

    @property
    def seconds(self) -> float | None:
        """Downtime."""
        return None if self.ended is None else self.ended - self.began


@dataclass(frozen=True)
class Loss:
    """Acknowledged writes that are not there any more."""

    rows: tuple[Request, ...]
    unread: tuple[str, ...] = ()
    """Clients whose rows could not be read back: for them nothing is known."""

    def seconds_before(self, lost_at: float) -> float:
        """How far back the loss reaches: from its first acknowledgement to the disaster; 0 without any."""
        return max((lost_at - row.ended for row in self.rows), default=0.0)


@dataclass(frozen=True)
class Span:
    """Requests that ended within a span of time which ends `at` seconds after a chosen moment."""

    at: float
    ok: int
    failed: int


def outage(requests: Iterable[Request], *, since: float) -> Outage | None:
    """The outage that customers saw at or after `since`; None when every request was served.

    A client is served again at the first success that opens `IN_A_ROW` of them; the outage ends for all
    when it ends for the last one.
    """
    by_client: dict[str, list[Request]] = {}
    for request in sorted(requests, key=lambda r: r.started):
        if request.ended >= since:
            by_client.setdefault(request.client, []).append(request)
    failures = [r for mine in by_client.values() for r in mine if not r.ok]
    if not failures:
        return None
    ends = [_back(mine) for mine in by_client.values() if any(not r.ok for r in mine)]
    return Outage(
        began=min(r.started for r in failures),
        ended=None if None in ends else max(end for end in ends if end is not None),
    )


def _back(mine: Sequence[Request]) -> float | None:
    """When a client was answered that is then answered `IN_A_ROW` times; None when it never is."""
    first = next(i for i, r in enumerate(mine) if not r.ok)
    for i in range(first + 1, len(mine) - IN_A_ROW + 1):
        if all(r.ok for r in mine[i : i + IN_A_ROW]):
            return mine[i].ended
    return None


def series(requests: Iterable[Request], *, zero: float, width: float = 0.25) -> tuple[Span, ...]:
    """Requests counted in spans of `width` seconds, relative to `zero`; spans without any are left out."""
    ordered = sorted((int((r.ended - zero) // width), r.ok) for r in requests)
    spans = []
    for index, group in groupby(ordered, key=lambda pair: pair[0]):
        oks = [ok for _, ok in group]
        spans.append(Span(round((index + 1) * width, 3), sum(oks), len(oks) - sum(oks)))
    return tuple(spans)
