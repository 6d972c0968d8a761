"""The three stacks as committed, each run once in-process, in the order in which they come up."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from tests.infra.engine import Stack, run


@pytest.fixture(scope="session")
def stacks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapping[str, Stack]]:
    """`edge`, `dr-aws`, `prod`; their contracts stay where later runs of a test session find them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LIFEBOAT_STATE", str(tmp_path_factory.mktemp("state")))
        yield {name: run(name) for name in ("edge", "dr-aws", "prod")}


@pytest.fixture
def edge(stacks: Mapping[str, Stack]) -> Stack:
    return stacks["edge"]


@pytest.fixture
def standby(stacks: Mapping[str, Stack]) -> Stack:
    return stacks["dr-aws"]


@pytest.fixture
def primary(stacks: Mapping[str, Stack]) -> Stack:
    return stacks["prod"]


SERVING: dict[str, Any] = {
    "footprint": "full",
    "database": "present",
    "multiAz": "true",
    "holdingPage": "off",
}
"""What a recovery has changed in the standby's configuration when all is done."""


@pytest.fixture(scope="session")
def serving(stacks: Mapping[str, Stack]) -> Stack:
    """The standby after a recovery."""
    return run("dr-aws", SERVING)
