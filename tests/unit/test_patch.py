"""Layers around moto's methods."""

from __future__ import annotations

from typing import Any

import pytest

from rehearsal.aws.patch import add, around


def thing() -> Any:
    class Thing:
        def __init__(self) -> None:
            self._size = 1

        def say(self, word: str) -> str:
            return word

        @property
        def size(self) -> int:
            return self._size

        @size.setter
        def size(self, value: int) -> None:
            self._size = value

    return Thing


def install(kind: Any, sign: str) -> None:
    """What a slice does for each world that it is installed in."""

    @around(kind, "say")
    def louder(original: Any, self: Any, word: str) -> str:
        return str(original(self, word)) + sign


def test_a_layer_of_an_earlier_world_is_replaced_and_layers_of_others_stay() -> None:
    kind = thing()
    install(kind, "!")
    install(kind, "?")

    @around(kind, "say")
    def quoted(original: Any, self: Any, word: str) -> str:
        return f"<{original(self, word)}>"

    assert kind().say("hi") == "<hi?>"


def test_a_property_stays_a_property_with_its_setter() -> None:
    kind = thing()

    @around(kind, "size")
    def doubled(original: Any, self: Any) -> int:
        return 2 * int(original(self))

    it = kind()
    it.size = 4
    assert it.size == 8


def test_what_moto_does_not_have_cannot_be_wrapped_and_what_it_has_cannot_be_added() -> None:
    kind = thing()
    with pytest.raises(AttributeError):
        around(kind, "shout")(lambda original, self: None)
    with pytest.raises(AttributeError, match="use `around`"):
        add(kind, "say")(lambda self: None)
    for _ in range(2):  # for each world anew
        add(kind, "whisper")(lambda self: "psst")
    assert kind().whisper() == "psst"
