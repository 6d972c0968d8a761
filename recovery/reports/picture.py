"""The geometry of the report's picture: customers' requests above, steps below, one time axis. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from recovery.reports.building import Bar, Story, Tick
from recovery.units import human

WIDTH = 1080.0
LEFT = 190.0
RIGHT = 24.0
ROW = 26.0
TOP = 34.0
GRAPH = 120.0
_NICE = (0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400)


def _label(second: float) -> str:
    """A moment of the axis; neighbours never read the same."""
    minutes, rest = divmod(round(second), 60)
    if minutes < 2 or minutes >= 120 or not rest:
        return human(second) if second else "0"
    return f"{minutes}m{rest:02d}"


@dataclass(frozen=True)
class Axis:
    """Seconds to pixels."""

    start: float
    end: float

    def x(self, second: float) -> float:
        """Where that second is, kept inside the picture."""
        share = (second - self.start) / (self.end - self.start)
        return round(LEFT + min(1.0, max(0.0, share)) * (WIDTH - LEFT - RIGHT), 1)

    def marks(self) -> list[tuple[float, str]]:
        """About ten round moments with their labels."""
        span = self.end - self.start
        step = next((nice for nice in _NICE if span / nice <= 11), span / 10)
        first = int(self.start // step) + 1
        seconds = [n * step for n in range(first, int(self.end // step) + 1)]
        return [(self.x(second), _label(second)) for second in seconds]


@dataclass(frozen=True)
class Column:
    """What customers saw in one span: a green part above a red one."""

    x: float
    width: float
    ok_y: float
    ok_height: float
    failed_y: float
    failed_height: float


@dataclass(frozen=True)
class Row:
    """A step's bar."""

    bar: Bar
    y: float
    x: float | None
    width: float
    label: str
    label_inside: bool


@dataclass(frozen=True)
class Picture:
    """All shapes; the template draws them."""

    width: float
    height: float
    axis: Axis
    marks: list[tuple[float, str]]
    columns: list[Column]
    most: int
    rows: list[Row]
    links: list[str]
    """SVG paths that join the steps of the critical path."""
    graph_top: float
    graph_bottom: float
    rows_top: float
    outage: tuple[float, float] | None
    """From the loss to service being back, in pixels."""
    zero: float
    recorded: float


def draw(story: Story) -> Picture:
    """The picture of a run."""
    axis = _axis(story)
    graph_bottom = TOP + (GRAPH if story.seen.ticks else 0.0)
    rows_top = graph_bottom + (30.0 if story.seen.ticks else 8.0)
    rows = [_row(bar, axis, rows_top + n * ROW) for n, bar in enumerate(story.bars)]
    most = max((tick.ok + tick.failed for tick in story.seen.ticks), default=1) or 1
    back = story.seen.back_at
    return Picture(
        width=WIDTH,
        height=rows_top + len(rows) * ROW + 14,
        axis=axis,
        marks=axis.marks(),
        columns=_columns(story.seen.ticks, axis, most, graph_bottom),
        most=most,
        rows=rows,
        links=_links(rows, story.path),
        graph_top=TOP,
        graph_bottom=graph_bottom,
        rows_top=rows_top,
        outage=(axis.x(0.0), axis.x(back)) if back is not None else None,
        zero=axis.x(0.0),
        recorded=axis.x(story.recorded_s),
    )


def _axis(story: Story) -> Axis:
    moments = [0.0, story.recorded_s, *(t.at for t in story.seen.ticks)]
    moments += [second for bar in story.bars for second in (bar.start, bar.end) if second is not None]
    start, end = min(moments), max(moments)
    return Axis(start, max(end, start + 1.0))


def _columns(ticks: Sequence[Tick], axis: Axis, most: int, bottom: float) -> list[Column]:
    found = []
    height = GRAPH - 14
    for before, tick in zip((None, *ticks), ticks, strict=False):
        x, right = axis.x(before.at) if before else axis.x(tick.at) - 3.0, axis.x(tick.at)
        ok, failed = tick.ok / most * height, tick.failed / most * height
        found.append(
            Column(
                x=x,
                width=round(max(1.0, right - x), 1),
                ok_y=round(bottom - failed - ok, 1),
                ok_height=round(ok, 1),
                failed_y=round(bottom - failed, 1),
                failed_height=round(failed, 1),
            )
        )
    return found


def _row(bar: Bar, axis: Axis, y: float) -> Row:
    if bar.start is None:
        return Row(bar, y, None, 0.0, bar.step.status, label_inside=False)
    x = axis.x(bar.start)
    right = axis.x(bar.end if bar.end is not None else axis.end)
    width = round(max(2.0, right - x), 1)
    label = human(bar.end - bar.start) if bar.end is not None else "under way"
    return Row(bar, y, x, width, label, label_inside=width > 12.0 + 6.5 * len(label))


def _links(rows: Sequence[Row], path: Sequence[str]) -> list[str]:
    """From the end of each step on the critical path down to the beginning of the next."""
    by_id = {row.bar.step.id: row for row in rows if row.x is not None}
    found = []
    for first, second in pairwise(path):
        a, b = by_id.get(first), by_id.get(second)
        if a is None or b is None or a.x is None or b.x is None:
            continue
        x, y, to_x, to_y = a.x + a.width, a.y + ROW / 2, b.x, b.y + ROW / 2
        found.append(f"M{x:.1f},{y:.1f} H{max(x, to_x) + 5:.1f} V{to_y:.1f} H{to_x:.1f}")
    return found
