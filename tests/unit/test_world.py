"""A region is there or gone, however often somebody says so."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from rehearsal.world import World, WorldSettings


@pytest.fixture
def world(tmp_path: Path) -> World:
    regions = ("eu-central-1", "eu-west-1")
    return World(WorldSettings("t", tmp_path, "127.19", 6000, regions, *regions, 1, None, Path(), Path()))


def test_a_region_is_lost_once_and_comes_back_once(world: World) -> None:
    told: list[tuple[str, str]] = []
    world.on_loss(lambda region: told.append(("lost", region)))
    world.on_return(lambda region: told.append(("back", region)))
    world.give_back("eu-west-1")  # was never lost: its machines must not be started a second time
    world.lose("eu-west-1")
    world.lose("eu-west-1")
    world.give_back("eu-west-1")
    world.give_back("eu-west-1")
    assert told == [("lost", "eu-west-1"), ("back", "eu-west-1")]
    assert world.lost_regions() == ()


def test_what_was_being_made_when_its_region_went_is_made_once_that_is_back(world: World) -> None:
    made, given_up = threading.Event(), threading.Event()
    world.lose("eu-west-1")
    world.after("kms.create", "eu-west-1", made.set, resumes=True)
    world.after("kms.create", "eu-west-1", given_up.set)
    assert not made.wait(0.5)
    world.give_back("eu-west-1")
    assert made.wait(30)
    assert not given_up.is_set()
