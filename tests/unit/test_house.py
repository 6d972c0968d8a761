"""The rules that hold everything else: who may import whom, and who may open which connection."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def modules(folder: str) -> Iterator[Path]:
    yield from sorted((ROOT / folder).rglob("*.py"))


def imports(path: Path) -> Iterator[tuple[int, str]]:
    """Every module that a file imports, also inside functions: (line, dotted name)."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            yield from ((node.lineno, f"{node.module}.{alias.name}") for alias in node.names)


def offenders(folder: str, forbidden: tuple[str, ...], allowed: tuple[str, ...] = ()) -> list[str]:
    return [
        f"{path.relative_to(ROOT)}:{line} imports {name}"
        for path in modules(folder)
        for line, name in imports(path)
        if any(name == f or name.startswith(f + ".") for f in forbidden)
        and not any(name == a or name.startswith(a + ".") for a in allowed)
    ]


def test_recovery_never_imports_the_rehearsal() -> None:
    assert offenders("recovery", ("rehearsal",)) == []


def test_recovery_knows_of_infra_only_the_contract() -> None:
    assert offenders("recovery", ("infra",), allowed=("infra.outputs",)) == []


def test_infra_imports_neither_recovery_nor_the_rehearsal() -> None:
    assert offenders("infra", ("recovery", "rehearsal")) == []


def test_the_contract_can_be_read_without_pulumi() -> None:
    code = (
        "import sys, infra.outputs; "
        "bad = [m for m in sys.modules if m.split('.')[0] in ('pulumi', 'pulumi_aws', 'boto3', 'grpc')]; "
        "sys.exit(repr(bad) if bad else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("library", ["psycopg", "asyncpg", "pg8000"])
def test_only_the_runner_speaks_sql(library: str) -> None:
    """The operator's process opens no SQL connection: what does, runs in the site."""
    found = offenders("recovery", (library,))
    outside = [line for line in found if not line.startswith(("recovery/runner/", "recovery/endpoints.py"))]
    assert outside == []


@pytest.mark.parametrize("library", ["httpx", "requests", "urllib.request", "dns", "socket", "http.client"])
def test_only_endpoints_opens_connections(library: str) -> None:
    found = offenders("recovery", (library,))
    assert [line for line in found if not line.startswith("recovery/endpoints.py")] == []


@pytest.mark.parametrize("folder", ["infra", "recovery"])
def test_no_code_of_the_product_asks_whether_it_is_a_rehearsal(folder: str) -> None:
    """Names and literals, not prose: docstrings may speak of rehearsals, code may not depend on one."""
    words = ("rehears", "moto", "127.0.0")
    found = []
    for path in modules(folder):
        tree = ast.parse(path.read_text())
        prose = {
            id(node.body[0].value)
            for node in ast.walk(tree)
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
            and node.body
            and isinstance(node.body[0], ast.Expr)
        }
        for node in ast.walk(tree):
            if isinstance(node, ast.Name):
                text = node.id
            elif isinstance(node, ast.Attribute):
                text = node.attr
            elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in prose:
                text = node.value
            else:
                continue
            if any(word in text.lower() for word in words):
                found.append(f"{path.relative_to(ROOT)}:{getattr(node, 'lineno', 0)} {text!r}")
    assert found == []
