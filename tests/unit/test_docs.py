"""What the documents claim can be looked up: tests exist, files exist, no promise is left out."""

from __future__ import annotations

import importlib
import re
from pathlib import Path
from typing import Any

import pytest
import typer

from recovery.cli.__main__ import VERBS
from rehearsal.cli import application

ROOT = Path(__file__).resolve().parents[2]
COVERAGE = (ROOT / "docs" / "coverage.md").read_text()
PROMISES = (("P", 8), ("S", 9), ("D", 12), ("T", 4))


def pages() -> list[Path]:
    return [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def test_every_promise_is_accounted_for() -> None:
    said = re.findall(r"^\| ([PSDT]\d+) \|", COVERAGE, re.MULTILINE)
    assert said == [f"{letter}{n}" for letter, count in PROMISES for n in range(1, count + 1)]


def test_a_promise_without_a_test_says_what_is_not_kept() -> None:
    for line in re.findall(r"^\| [PSDT]\d+ \|.*$", COVERAGE, re.MULTILINE):
        assert "::" in line or "not yet" in line or line.startswith("| T1"), line


def test_every_test_that_is_named_exists() -> None:
    for file, name in re.findall(r"`([\w/]+\.py)::(\w+)`", COVERAGE):
        assert f"def {name}(" in (ROOT / "tests" / file).read_text(), f"{file}::{name}"


@pytest.mark.parametrize("page", pages(), ids=lambda page: str(page.relative_to(ROOT)))
def test_every_file_that_is_named_exists(page: Path) -> None:
    text = page.read_text()
    links = [target for target in re.findall(r"\]\(([^)#]+?)(?:#[^)]*)?\)", text) if "://" not in target]
    assert [link for link in links if not (page.parent / link).exists()] == []
    named = re.findall(r"`((?:infra|recovery|rehearsal|plans|checks|docs|tools|tests)/[\w./-]*\w)`", text)
    assert [name for name in named if not (ROOT / name).exists()] == []


def command(verb: str) -> Any:
    if verb in VERBS:
        return typer.main.get_command(importlib.import_module(f"recovery.cli.{VERBS[verb][0]}").app)
    return below(typer.main.get_command(application()))[verb]


def below(found: Any) -> dict[str, Any]:
    """Commands that a command only groups."""
    return getattr(found, "commands", {})


@pytest.mark.parametrize("verb", [*VERBS, "world", "rehearse", "bench"])
def test_every_command_takes_json(verb: str) -> None:
    leaves = below(command(verb)) or {verb: command(verb)}
    taken = {name: {o for p in leaf.params for o in p.opts} for name, leaf in leaves.items()}
    assert [name for name, options in taken.items() if "--json" not in options] == []


@pytest.mark.parametrize("page", pages(), ids=lambda page: str(page.relative_to(ROOT)))
def test_every_command_and_option_that_is_shown_exists(page: Path) -> None:
    text = page.read_text()
    for line in re.findall(r"(?<![\w/.-])(?:\./)?dr ([a-z][^`#|&;)\n]*)", text):
        verb, *words = line.split()
        if not re.search(rf"\./dr {re.escape(verb)}|`dr {re.escape(verb)}", text):
            continue  # prose that happens to say `dr`
        if verb == "test":
            continue
        assert verb in {*VERBS, *below(typer.main.get_command(application()))}, f"dr {line}"
        found = command(verb)
        if inner := below(found):
            assert not words or words[0].startswith(("-", "…")) or words[0] in inner, f"dr {line}"
            found = inner.get(words[0], found) if words else found
        known = {option for parameter in found.params for option in parameter.opts} | {"--help"}
        unknown = {word.partition("=")[0] for word in words if word.startswith("--")} - known
        assert not unknown, f"dr {line}"
