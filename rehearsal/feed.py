"""Reading the feed cheaply: a section is read again only when its file was replaced (one `stat` per look)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rehearsal.world import fetch


class Section:
    """One section of the feed, as last published."""

    def __init__(self, feed: Path, name: str) -> None:
        self._feed, self._name = feed, name
        self._path = feed / f"{name}.json"
        self._seen: tuple[int, int] | None = None
        self._value: Any = None

    def changed(self) -> bool:
        """Look again; True when it was replaced since the last look (also when it appears or vanishes)."""
        try:
            stat = self._path.stat()
            seen: tuple[int, int] | None = (stat.st_ino, stat.st_mtime_ns)
        except OSError:
            seen = None
        if seen == self._seen:
            return False
        self._seen, self._value = seen, fetch(self._feed, self._name)
        return True

    @property
    def value(self) -> Any:
        """The value at the last look; None when nothing is published."""
        return self._value
