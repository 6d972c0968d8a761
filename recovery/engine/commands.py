"""What the machine wants done; each command is one recorded operation of the workflow."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from recovery.engine.record import Answer


@dataclass(frozen=True)
class Try:
    """Carry out an attempt of a step, after a delay in seconds."""

    step: str
    attempt: int
    delay: float = 0.0


@dataclass(frozen=True)
class Ask:
    """Tell a person that the step waits for them; `number` tells several askings of a step apart."""

    step: str
    what: Literal["awaiting-approval", "awaiting-decision", "awaiting-person"]
    number: int
    data: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Timer:
    """Authority for the approval passes on so many seconds after the step's asking of that number."""

    step: str
    seconds: float
    asking: int


@dataclass(frozen=True)
class Skip:
    """Note that the step is left out."""

    step: str
    why: str


@dataclass(frozen=True)
class Hear:
    """Judge and note an answer; `number` counts answers."""

    answer: Answer
    number: int
    refusal: str


@dataclass(frozen=True)
class Undo:
    """Take the step back."""

    step: str


@dataclass(frozen=True)
class Mark:
    """Note a turn of the run as a whole."""

    event: Literal["recorded", "recovered", "finished"]
    data: Mapping[str, Any] = field(default_factory=dict)


Command = Try | Ask | Timer | Skip | Hear | Undo | Mark
