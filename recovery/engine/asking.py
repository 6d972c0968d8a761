"""What people are told when a step waits for them, wherever they are. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from recovery.units import human

_THEN = "then dr resume"
"""How most cures end."""


def message(run: str, step: str, what: str, data: Mapping[str, Any]) -> tuple[str, str]:
    """Title and body: what is wanted, of whom, and the command that answers."""
    if what == "awaiting-approval":
        lines = [f"One of {', '.join(data['by'])} has to say yes to {step}."]
        if within := data.get("within_s"):
            lines.append(f"After {human(within)} without an answer, the next in line may, too.")
        return f"{step} waits for an approval", _body(run, lines, f"dr approve {run} {step} --by NAME")
    if what == "awaiting-person":
        lines = [str(data.get("message", "")), f"Done when: {data.get('done-when', '')}"]
        return f"{step} waits for a person", _body(run, lines, f"dr approve {run} {step} --by NAME")
    error = data.get("error") or {}
    lines = [f"{step} failed: {error.get('what', '')}"]
    lines += [f"means: {error['means']}"] if error.get("means") else []
    lines += [f"cure: {cure(run, error['cure'])}"] if error.get("cure") else []
    return f"{step} failed and waits for a decision", _body(run, lines, f"dr resume {run} --by NAME")


def _body(run: str, lines: list[str], command: str) -> str:
    return "\n".join([*lines, "", f"Run {run}; to answer: {command}"])


def cure(run: str, text: str) -> str:
    """What an error says to do now, with the run's name, which errors do not know; it ends with a resume."""
    again = f"dr resume {run}"
    text = text.replace("dr abort …", f"dr abort {run}")
    if "dr resume …" in text:
        return text.replace("dr resume …", again)
    if text.endswith(_THEN):
        return f"{text.removesuffix(_THEN).rstrip(',; ')}   then   {again}"
    return f"{text}   then   {again}" if text else again
