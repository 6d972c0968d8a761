"""Order, schedule and critical path hold for any plan."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recovery.plans import graph


@st.composite
def plans(draw: st.DrawFn) -> tuple[dict[str, tuple[str, ...]], dict[str, float]]:
    """Any graph without rings, its steps in any order, and how long each takes."""
    size = draw(st.integers(1, 12))
    names = [f"s{n}" for n in range(size)]
    after = {
        name: tuple(draw(st.lists(st.sampled_from(names[:n]), unique=True, max_size=4)) if n else [])
        for n, name in enumerate(names)
    }
    mixed = draw(st.permutations(names))
    seconds = {name: draw(st.integers(0, 50)) / 2 for name in names}
    return {name: after[name] for name in mixed}, seconds


@given(plans())
def test_every_step_comes_after_all_it_waits_for(
    plan: tuple[dict[str, tuple[str, ...]], dict[str, float]],
) -> None:
    after, _ = plan
    ordered = graph.order(after)
    assert sorted(ordered) == sorted(after)
    for place, step in enumerate(ordered):
        assert set(after[step]) <= set(ordered[:place])


@given(plans())
def test_the_critical_path_takes_as_long_as_the_whole_plan(
    plan: tuple[dict[str, tuple[str, ...]], dict[str, float]],
) -> None:
    after, seconds = plan
    path = graph.critical_path(after, seconds)
    slots = graph.schedule(after, seconds)
    assert sum(seconds[step] for step in path) == max(slot.end for slot in slots.values())
    for earlier, later in pairwise(path):
        assert earlier in after[later]
    assert after[path[0]] == ()


@given(plans())
def test_nothing_off_the_critical_path_can_make_the_plan_faster(
    plan: tuple[dict[str, tuple[str, ...]], dict[str, float]],
) -> None:
    after, seconds = plan
    path = graph.critical_path(after, seconds)
    whole = sum(seconds[step] for step in path)
    for step in set(after) - set(path):
        quicker = {**seconds, step: 0.0}
        assert max(slot.end for slot in graph.schedule(after, quicker).values()) == whole


@given(plans())
def test_the_measured_path_is_the_predicted_one_when_steps_take_what_was_predicted(
    plan: tuple[dict[str, tuple[str, ...]], dict[str, float]],
) -> None:
    after, seconds = plan
    slots = graph.schedule(after, seconds)
    ended = {step: slot.end for step, slot in slots.items()}
    end = max(ended, key=lambda step: ended[step])
    path = graph.last_to_finish(after, ended, end)
    assert sum(seconds[step] for step in path) == slots[end].end


@given(plans())
def test_leaving_out_edges_that_follow_from_others_keeps_the_order(
    plan: tuple[dict[str, tuple[str, ...]], dict[str, float]],
) -> None:
    after, _ = plan
    fewer = graph.reduced(after)
    for step in after:
        assert graph.ancestors(fewer, step) == graph.ancestors(after, step)


def test_a_ring_is_named_with_all_its_steps() -> None:
    with pytest.raises(graph.Cycle) as ring:
        graph.order({"a": ("c",), "b": ("a",), "c": ("b",), "d": ()})
    assert set(ring.value.ring) == {"a", "b", "c"}


def test_steps_of_one_layer_may_run_at_the_same_time() -> None:
    after = {"a": (), "b": ("a",), "c": ("a",), "d": ("b", "c")}
    assert graph.widths(after) == (("a",), ("b", "c"), ("d",))
