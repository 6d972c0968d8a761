"""The graph of a plan's steps: order, parallelism, critical path. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

Edges = Mapping[str, Sequence[str]]
"""Step -> the steps it comes after, in the plan's own order."""


class Cycle(ValueError):
    """Steps wait for each other in a ring."""

    def __init__(self, ring: Sequence[str]) -> None:
        super().__init__(" → ".join((*ring, ring[0])))
        self.ring = tuple(ring)


@dataclass(frozen=True)
class Slot:
    """When a step starts and ends, in seconds from the plan's start."""

    start: float
    end: float


def order(after: Edges) -> tuple[str, ...]:
    """Steps so that each comes after all it waits for, otherwise as written. Cycle when there is none."""
    done: list[str] = []
    state: dict[str, int] = {}
    trail: list[str] = []

    def visit(step: str) -> None:
        if state.get(step) == 2:
            return
        if state.get(step) == 1:
            raise Cycle(trail[trail.index(step) :])
        state[step] = 1
        trail.append(step)
        for earlier in after[step]:
            visit(earlier)
        trail.pop()
        state[step] = 2
        done.append(step)

    for step in after:
        visit(step)
    return tuple(done)


def ancestors(after: Edges, step: str) -> frozenset[str]:
    """All steps that are over before `step` starts."""
    found: set[str] = set()
    todo = list(after[step])
    while todo:
        earlier = todo.pop()
        if earlier not in found:
            found.add(earlier)
            todo.extend(after[earlier])
    return frozenset(found)


def schedule(after: Edges, seconds: Mapping[str, float]) -> dict[str, Slot]:
    """When each step would run if every step started as soon as it may."""
    slots: dict[str, Slot] = {}
    for step in order(after):
        start = max((slots[earlier].end for earlier in after[step]), default=0.0)
        slots[step] = Slot(start, start + seconds[step])
    return slots


def critical_path(after: Edges, seconds: Mapping[str, float], end: str | None = None) -> tuple[str, ...]:
    """The chain of steps that decides when `end` is done (when all are, without `end`); first step first."""
    slots = schedule(after, seconds)
    if not slots:
        return ()
    step = end if end is not None else max(slots, key=lambda s: slots[s].end)
    path = [step]
    while after[step]:
        step = max(after[step], key=lambda s: slots[s].end)
        path.append(step)
    return tuple(reversed(path))


def last_to_finish(after: Edges, ended: Mapping[str, float], end: str) -> tuple[str, ...]:
    """The critical path as it was measured: from `end` back, always to the step that was over last."""
    path = [end]
    while earlier := [step for step in after[path[-1]] if step in ended]:
        path.append(max(earlier, key=lambda s: ended[s]))
    return tuple(reversed(path))


def reduced(after: Edges) -> dict[str, tuple[str, ...]]:
    """The same order without the edges that follow from others; what pictures show."""
    return {
        step: tuple(
            e for e in earlier if not any(e in ancestors(after, other) for other in earlier if other != e)
        )
        for step, earlier in after.items()
    }


def widths(after: Edges) -> tuple[tuple[str, ...], ...]:
    """Steps by depth: those of one layer may run at the same time."""
    depth: dict[str, int] = {}
    for step in order(after):
        depth[step] = max((depth[earlier] + 1 for earlier in after[step]), default=0)
    return tuple(tuple(s for s in after if depth[s] == d) for d in range(max(depth.values(), default=-1) + 1))
