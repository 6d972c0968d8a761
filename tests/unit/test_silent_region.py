"""A region that says nothing: a person who only looks, or begins, is told so soon."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator

import pytest

from recovery import sites
from recovery.engine import surroundings
from recovery.errors import Refusal
from recovery.sites.aws import clients
from recovery.sites.aws.clients import Patience
from tests.fakes import contracts


class Silence:
    """Takes connections and never answers; counts them."""

    def __init__(self) -> None:
        self.met = 0
        self._kept: list[socket.socket] = []
        self._server = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._server.getsockname()[1]}"
        threading.Thread(target=self._take, daemon=True).start()

    def _take(self) -> None:
        while True:
            try:
                self._kept.append(self._server.accept()[0])
            except OSError:
                return
            self.met += 1

    def close(self) -> None:
        self._server.close()
        for each in self._kept:
            each.close()


@pytest.fixture
def silence(monkeypatch: pytest.MonkeyPatch) -> Iterator[Silence]:
    made = Silence()
    monkeypatch.setattr(clients, "_session", None)
    monkeypatch.setattr(clients, "LOOK", Patience(0.2, 0.2, 2))
    monkeypatch.setattr(clients, "WORK", Patience(3, 3, 1))
    monkeypatch.setenv("AWS_ENDPOINT_URL", made.url)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    yield made
    made.close()


def test_the_latch_is_asked_briefly_by_who_only_looks(silence: Silence) -> None:
    assert sites.connect("lifeboat/status", brief=True).latch(contracts.edge()).engaged() is None
    assert silence.met == 2


def test_a_run_into_a_silent_region_is_refused_and_names_the_ways_out(silence: Silence) -> None:
    with pytest.raises(Refusal) as told:
        surroundings.accounts(contracts.site("dr-aws"))
    assert "does not answer" in told.value.what
    assert "--target" in told.value.cure and "dr resume" not in told.value.cure
