"""What the documents claim can be looked up: tests exist, files exist, no promise is left out."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

import click
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


def commands(verb: str) -> list[click.Command]:
    """A verb's command and all that are below it."""
    app = importlib.import_module(f"recovery.cli.{VERBS[verb][0]}").app if verb in VERBS else application()
    found = [typer.main.get_command(app)]
    for command in found:
        found += getattr(command, "commands", {}).values()
    return found


def options(verb: str) -> set[str]:
    """Every word that may follow a verb: options, and the names of commands below it."""
    opts = {option for command in commands(verb) for p in command.params for option in p.opts}
    return opts | {str(command.name) for command in commands(verb)} | {"--help"}


@pytest.mark.parametrize("verb", [*VERBS, "world"])
def test_every_command_takes_json(verb: str) -> None:
    leaves = [command for command in commands(verb) if not hasattr(command, "commands")]
    assert leaves
    assert [c.name for c in leaves if "--json" not in {o for p in c.params for o in p.opts}] == []


@pytest.mark.parametrize("page", pages(), ids=lambda page: str(page.relative_to(ROOT)))
def test_every_command_and_option_that_is_shown_exists(page: Path) -> None:
    known = {*VERBS, "world", "rehearse", "bench", "test"}
    for line in re.findall(r"(?<![\w/.-])(?:\./)?dr ([a-z][^`#|&;)\n]*)", page.read_text()):
        verb, *words = line.split()
        if not re.search(rf"\./dr {re.escape(line.split()[0])}|`dr {re.escape(verb)}", page.read_text()):
            continue  # prose that happens to say `dr`
        assert verb in known, f"dr {line}"
        if verb != "test":
            unknown = {word.partition("=")[0] for word in words if word.startswith("--")} - options(verb)
            assert not unknown, f"dr {line}"
