"""What all tests share: a file whose tests look at one world in turn stays on one worker."""

from __future__ import annotations

import pytest

_ALONE = {"unit", "infra"}
"""Folders whose tests share nothing, and may be spread freely."""


def pytest_itemcollected(item: pytest.Item) -> None:
    """Group the tests of a file for pytest-xdist (`--dist loadgroup`), unless they say themselves."""
    if item.path.parent.name not in _ALONE and item.get_closest_marker("xdist_group") is None:
        item.add_marker(pytest.mark.xdist_group(item.path.stem))
