"""YAML files that people write: loaded into frozen models, every error with file, line and column."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from recovery.errors import InputError
from recovery.units import Bare

_WORDS = {
    "missing": "is missing",
    "extra_forbidden": "is not known here",
    "tuple_type": "must be a list, as in [a, b]",
    "dict_type": "must have keys of its own, as in {key: value}",
    "model_type": "must have keys of its own, as in {key: value}",
    "string_type": "must be text: put it between quotes",
    "too_short": "must not be empty",
}


def kebab(name: str) -> str:
    """Fields are written with dashes in YAML: `any_of` is `any-of`, `with_` is `with`."""
    return name.rstrip("_").replace("_", "-")


class Document(BaseModel):
    """Base of everything read from YAML: frozen, dashes for underscores, unknown keys refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", alias_generator=kebab, populate_by_name=True)


@dataclass(frozen=True)
class Source:
    """Where things stand in a YAML file."""

    path: Path
    tree: Any
    """As ruamel.yaml loaded it, with its line marks."""

    def at(self, *where: str | int) -> str:
        """`file:line:column` of the value at that path of keys, or of the nearest thing around it."""
        line, column = self.mark(where)
        return f"{self.shown}:{line}:{column}"

    @property
    def shown(self) -> str:
        """The path as people expect it: relative to where they are, when it is below."""
        try:
            return str(self.path.absolute().relative_to(Path.cwd()))
        except ValueError:
            return str(self.path)

    def mark(self, where: Sequence[str | int]) -> tuple[int, int]:
        """Line and column, from 1, as `at`."""
        node, found = self.tree, (1, 1)
        for part in where:
            marks = getattr(node, "lc", None)
            try:
                if isinstance(node, dict):
                    key = part if part in node else kebab(str(part))
                    position = marks.key(key)  # type: ignore[union-attr]
                    node = node[key]
                elif isinstance(node, list):
                    position = marks.item(part)  # type: ignore[union-attr]
                    node = node[int(part)]
                else:
                    break
            except (KeyError, IndexError, AttributeError, TypeError):
                break
            found = (position[0] + 1, position[1] + 1)
        return found


def read_source(path: Path) -> Source:
    """The YAML file with its line marks; InputError when it is not there or is no YAML."""
    from ruamel.yaml import YAML
    from ruamel.yaml.error import MarkedYAMLError
    from ruamel.yaml.reader import ReaderError

    yaml = YAML(typ="rt", pure=True)
    try:
        return Source(path, yaml.load(path.read_text(encoding="utf-8")))
    except UnicodeDecodeError as error:
        line = path.read_bytes()[: error.start].count(b"\n") + 1
        raise InputError(
            f"{path}:{line}: not text in UTF-8 (byte {error.start})", cure="save it as UTF-8"
        ) from error
    except ReaderError as error:
        before = path.read_text(encoding="utf-8")[: error.position]
        line, column = before.count("\n") + 1, len(before) - before.rfind("\n")
        raise InputError(
            f"{path}:{line}:{column}: not YAML: {error.reason}", cure="take that character out"
        ) from error
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})", cure="check the path") from error
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"{path}:{mark.line + 1}:{mark.column + 1}" if mark else str(path)
        raise InputError(
            f"{where}: not YAML: {error.problem}", cure="mend the indentation or quoting there"
        ) from error


def plain(node: Any) -> Any:
    """The tree as plain Python values: line marks gone, dates as text (models parse what they need)."""
    if isinstance(node, dict):
        return {str(key): plain(value) for key, value in node.items()}
    if isinstance(node, list):
        return [plain(value) for value in node]
    if isinstance(node, bool) or node is None:
        return node
    if isinstance(node, int):
        return int(node)
    if isinstance(node, float):
        return Bare(node)
    return str(node)


def validated[M: "Document"](source: Source, model: type[M]) -> M:
    """The document as a model; InputError that lists every mistake with its place."""
    try:
        return model.model_validate(plain(source.tree))
    except ValidationError as error:
        raise InputError(
            "\n".join(complaints(source, error)),
            means="nothing was touched",
            cure=f"mend {source.shown} there and try again",
        ) from error


def complaints(source: Source, error: ValidationError, prefix: tuple[str | int, ...] = ()) -> list[str]:
    """One line for each mistake: `file:line:column: steps.2.uses is missing`."""
    lines = []
    for item in error.errors():
        where = (*prefix, *item["loc"])
        words = _WORDS.get(item["type"]) or item["msg"].removeprefix("Value error, ")
        lines.append(f"{source.at(*where)}: {'.'.join(map(str, where)) or 'the file'}: {words}")
    return lines
