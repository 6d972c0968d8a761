"""Children that die with the world: unprivileged when we are root, ended by their own process id."""

from __future__ import annotations

import os
import queue
import signal
import subprocess
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass
class Child:
    """A child process, in a session of its own."""

    process: subprocess.Popen[bytes]

    @property
    def pid(self) -> int:
        """Its process id, also that of its process group."""
        return self.process.pid

    def alive(self) -> bool:
        """Whether it still runs."""
        return self.process.poll() is None

    def kill(self) -> None:
        """End it and its group at once, as a power cut would."""
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.process.wait(10)


class Spawner:
    """Starts children from one thread that lives as long as the world.

    PR_SET_PDEATHSIG fires when the *thread* that made the child ends (prctl(2)), so children are never
    started from request threads. setpriv sets it after it has changed the user, which would clear it.
    """

    def __init__(self, uid: int | None) -> None:
        self._uid = uid
        self._work: queue.Queue[tuple[Callable[[], Child], queue.Queue[Any]]] = queue.Queue()
        threading.Thread(target=self._run, daemon=True, name="spawner").start()

    def _run(self) -> None:
        while True:
            make, answer = self._work.get()
            try:
                answer.put(make())
            except BaseException as error:
                answer.put(error)

    def spawn(self, argv: list[str], *, cwd: Path, env: dict[str, str], log: Path) -> Child:
        """Start `argv` with exactly this environment; output goes to `log`. OSError when it cannot start."""
        prefix = ["setpriv", "--pdeathsig", "KILL"]
        if self._uid is not None:
            prefix += ["--reuid", str(self._uid), "--regid", str(self._uid), "--clear-groups"]

        def make() -> Child:
            with log.open("ab") as out:
                return Child(
                    subprocess.Popen(
                        [*prefix, *argv], cwd=cwd, env=env, stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True
                    )
                )

        answer: queue.Queue[Any] = queue.Queue()
        self._work.put((make, answer))
        result = answer.get()
        if isinstance(result, BaseException):
            raise result
        child: Child = result
        return child
