"""A region is there or gone, however often somebody says so."""

from __future__ import annotations

from pathlib import Path

from rehearsal.world import World, WorldSettings


def test_a_region_is_lost_once_and_comes_back_once(tmp_path: Path) -> None:
    regions = ("eu-central-1", "eu-west-1")
    world = World(WorldSettings("t", tmp_path, "127.19", 60, regions, *regions, 1, None, Path(), Path()))
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
