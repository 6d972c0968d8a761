"""What people are told when a step waits for them, wherever they are. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from recovery.units import human


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
    lines += [f"{key}: {error[key]}" for key in ("means", "cure") if error.get(key)]
    return f"{step} failed and waits for a decision", _body(run, lines, f"dr resume {run} --by NAME")


def _body(run: str, lines: list[str], command: str) -> str:
    text = "\n".join([*lines, "", f"Run {run}; to answer: {command}"])
    return text.replace("dr resume …", f"dr resume {run}").replace("dr abort …", f"dr abort {run}")
