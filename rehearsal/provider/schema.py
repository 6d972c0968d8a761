"""What pulumi_aws declares of a resource type: its inputs, outputs and which inputs are required.

Read from the installed SDK's source with `ast` (importing its EC2 half would cost a second per `up`), once,
into a small JSON file beside the plugin.
"""

from __future__ import annotations

import ast
import importlib.metadata
import importlib.util
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Schema:
    """Properties by their wire names; the value is one of str, int, float, bool, list, map, object."""

    inputs: dict[str, str] = field(default_factory=dict)
    required: tuple[str, ...] = ()
    outputs: dict[str, str] = field(default_factory=dict)


def version() -> str:
    """The installed version of pulumi_aws; the plugin's folder must carry exactly this one."""
    return importlib.metadata.version("pulumi_aws")


def load(file: Path, tokens: Iterable[str]) -> dict[str, Schema]:
    """The schemas of `tokens`: from `file` if it holds them for this SDK, else read anew and kept."""
    wanted = sorted(tokens)
    stamp = f"{version()} {len(wanted)} {hash_of(wanted)}"
    try:
        data = json.loads(file.read_text())
    except (OSError, ValueError):
        data = {}
    if data.get("stamp") != stamp:
        data = {"stamp": stamp, "types": {token: read(token) for token in wanted}}
        temporary = file.with_suffix(".new")
        temporary.write_text(json.dumps(data))
        temporary.replace(file)
    return {t: Schema(v["inputs"], tuple(v["required"]), v["outputs"]) for t, v in data["types"].items()}


def hash_of(words: Iterable[str]) -> int:
    """A number that changes with the words, the same in every process."""
    import zlib

    return zlib.crc32("\n".join(words).encode())


def read(token: str) -> dict[str, Any]:
    """Inputs, required inputs and outputs of a type such as `aws:rds/instance:Instance`."""
    _, module, name = token.split(":")
    package = importlib.util.find_spec("pulumi_aws")
    assert package and package.submodule_search_locations
    folder, _, leaf = module.rpartition("/")
    file = Path(next(iter(package.submodule_search_locations))) / folder / f"{_snake(leaf)}.py"
    classes = {node.name: node for node in ast.parse(file.read_text()).body if isinstance(node, ast.ClassDef)}
    # A nested type may have taken the name; the SDK generator then says InitArgs.
    args = classes.get(f"{name}InitArgs") or classes[f"{name}Args"]
    inputs = _getters(args)
    required = [prop for prop in inputs if _snake(prop) in _required(args)]
    return {
        "inputs": {prop: _kind(hint) for prop, hint in inputs.items()},
        "required": required,
        "outputs": {prop: _kind(hint) for prop, hint in _getters(classes[name]).items()},
    }


def _required(node: ast.ClassDef) -> set[str]:
    """Arguments of the constructor that have no default."""
    made = next(item for item in node.body if isinstance(item, ast.FunctionDef) and item.name == "__init__")
    keyword_only = zip(made.args.kwonlyargs, made.args.kw_defaults, strict=True)
    plain = made.args.args[: len(made.args.args) - len(made.args.defaults)]
    return {a.arg for a in plain} | {a.arg for a, default in keyword_only if default is None}


def _snake(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])([A-Z])", lambda m: f"_{m[0].lower()}", name).lower()


def _getters(node: ast.ClassDef) -> dict[str, str]:
    """Wire name -> type hint of the class' `@pulumi.getter` properties."""
    found: dict[str, str] = {}
    for item in node.body:
        if not isinstance(item, ast.FunctionDef) or item.returns is None:
            continue
        for decorator in item.decorator_list:
            name = _getter_name(decorator, item.name)
            if name:
                found[name] = ast.unparse(item.returns)
    return found


def _getter_name(decorator: ast.expr, default: str) -> str | None:
    if isinstance(decorator, ast.Call) and ast.unparse(decorator.func) == "pulumi.getter":
        return next((str(ast.literal_eval(k.value)) for k in decorator.keywords if k.arg == "name"), default)
    return default if ast.unparse(decorator) == "pulumi.getter" else None


def _kind(hint: str) -> str:
    inner = hint
    while m := re.fullmatch(r"(?:Optional|pulumi\.Input|pulumi\.Output)\[(.*)\]", inner):
        inner = m[1]
    for start, kind in (("Sequence", "list"), ("Mapping", "map"), ("Union[_builtins.str", "str")):
        if inner.startswith(start):
            return kind
    return {
        "_builtins.str": "str",
        "_builtins.int": "int",
        "_builtins.float": "float",
        "_builtins.bool": "bool",
    }.get(inner, "object")
