"""Children that die with the world: unprivileged when we are root, ended by their own process id."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from recovery import procfs
from recovery.procfs import start_time

if TYPE_CHECKING:
    from rehearsal.world import WorldSettings


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
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(10)


class Spawner:
    """Starts children from one thread that lives as long as the world.

    PR_SET_PDEATHSIG fires when the *thread* that made the child ends (prctl(2)), so children are never
    started from request threads. setpriv sets it after it has changed the user, which would clear it.
    Every child is noted in `record`, so that what outlives a killed world (grandchildren) can be ended.
    """

    def __init__(self, uid: int | None, record: Path | None = None) -> None:
        self._uid = uid
        self._record = record
        self._children: list[Child] = []
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
                child = Child(
                    subprocess.Popen(
                        [*prefix, *argv],
                        cwd=cwd,
                        env=env,
                        stdin=subprocess.DEVNULL,
                        stdout=out,
                        stderr=out,
                        start_new_session=True,
                    )
                )
            self._children = [known for known in self._children if known.process.returncode is None]
            self._children.append(child)
            if self._record is not None:
                with self._record.open("a") as lines:
                    lines.write(json.dumps({"pid": child.pid, "started": start_time(child.pid)}) + "\n")
            return child

        answer: queue.Queue[Any] = queue.Queue()
        self._work.put((make, answer))
        result = answer.get()
        if isinstance(result, BaseException):
            raise result
        child: Child = result
        return child

    def end(self) -> None:
        """Kill every child and its group."""
        for child in self._children:
            with contextlib.suppress(subprocess.TimeoutExpired):
                child.kill()


def run_ours(
    command: list[str],
    *,
    patience_s: float,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    stdout: TextIO | None = None,
) -> int:
    """Run a program of Lifeboat's to its end; its exit code.

    When we are interrupted meanwhile, it is asked to end too, and gets so many seconds to tidy up.
    """
    process = subprocess.Popen(command, cwd=cwd, env=env, stdin=subprocess.DEVNULL, stdout=stdout)
    try:
        return process.wait()
    except BaseException:
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(patience_s)
        raise


def start_network(settings: WorldSettings) -> subprocess.Popen[bytes]:
    """Start the network process as our own user. Call from a thread that lives as long as the world."""
    with (settings.home / "network.out").open("ab") as out:
        return subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", sys.executable, "-m", "rehearsal.network", str(settings.home)],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            start_new_session=True,
        )


def end_recorded(record: Path) -> None:
    """Kill the process groups noted in `record`, as far as they are still the same processes' groups."""
    try:
        lines = record.read_text().splitlines()
    except OSError:
        return
    for line in lines:
        with contextlib.suppress(ValueError, ProcessLookupError, PermissionError):
            row = json.loads(line)
            # a group outlives its leader; a new process cannot get the id while the group exists
            if start_time(row["pid"]) in (None, row["started"]) and row["started"] is not None:
                os.killpg(row["pid"], signal.SIGKILL)


def end_marked(variable: str, value: str) -> None:
    """Kill every process of ours, but this one, that was started with `variable=value`.

    Pulumi puts its plugins into groups of their own, and they outlive an engine that was killed.
    """
    for _ in range(5):  # one may have started another behind our back
        if not _kill_marked(variable, value):
            return


def _kill_marked(variable: str, value: str) -> int:
    killed = 0
    for pid in procfs.marked(variable, value):
        if pid != os.getpid():
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGKILL)
                killed += 1
    return killed


def end_process(pid: int, started: int | None, *, patience_s: float) -> bool:
    """Ask a process to end, then make it; False when it was not there any more."""
    if started is None or start_time(pid) != started:
        return False
    os.kill(pid, signal.SIGTERM)
    until = time.monotonic() + patience_s
    while start_time(pid) == started and time.monotonic() < until:
        time.sleep(0.02)
    if start_time(pid) == started:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(pid, signal.SIGKILL)
    return True
