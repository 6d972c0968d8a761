"""Fixtures that the contract tests share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from nameworld import NameWorld, running


@pytest.fixture(scope="session")
def names_world() -> Iterator[NameWorld]:
    """One world for all tests of names, stores and customers; whoever loses a region gives it back."""
    with running("test-names") as up:
        yield up
