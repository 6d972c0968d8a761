"""The Pulumi CLI as recovery runs it: stoppable, marked with the run, and no more invocations than needed."""

from __future__ import annotations

import os
import platform
import re
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from pulumi import automation as auto
from pulumi.automation._cmd import CommandResult, OnOutput
from pulumi.automation.errors import create_command_error

from recovery.engine import processes
from recovery.errors import LifeboatError

_LOCK = re.compile(r"created by (?P<user>\S+)@(?P<host>\S+) \(pid (?P<pid>\d+)\)")


GRACE = 60.0
"""Seconds that the CLI gets, once interrupted, to record what its providers are just making."""


class StoppableCommand(auto.PulumiCommand):
    """Runs the CLI; when it is to stop, interrupts it once, so that it finishes what is under way. A provider
    may wait for a service that never answers: after a grace it is ended with all its children."""

    def __init__(self, cancelled: Callable[[], bool]) -> None:
        try:
            super().__init__()
        except (OSError, subprocess.CalledProcessError) as error:
            raise LifeboatError(
                "the Pulumi CLI does not run",
                means="no stack can be brought up or adopted from here",
                cure="put `pulumi` on the PATH; ./dr does that by itself",
            ) from error
        self._cancelled = cancelled

    def run(
        self,
        args: list[str],
        cwd: str,
        additional_env: Mapping[str, str],
        on_output: OnOutput | None = None,
        on_error: OnOutput | None = None,
    ) -> CommandResult:
        """See PulumiCommand.run."""
        env = {**os.environ, **additional_env, "PULUMI_AUTOMATION_API": "true"}
        command = [self.command, "--non-interactive", *args]
        out: list[str] = []
        err: list[str] = []
        with subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=cwd,
            env=env,
            encoding="utf-8",
            start_new_session=True,  # a terminal's Ctrl-C is ours to pass on, once: a second one kills it
        ) as process:
            readers = [
                threading.Thread(target=_read, args=(process.stdout, out, on_output)),
                threading.Thread(target=_read, args=(process.stderr, err, on_error)),
            ]
            for reader in readers:
                reader.start()
            self._wait(process)
            processes.kill_session(process.pid)  # plugins that outlived it would hold its pipes open
            for reader in readers:
                reader.join()
        result = CommandResult(stderr="\n".join(err), stdout="\n".join(out), code=process.returncode)
        if process.returncode != 0:
            raise create_command_error(result)
        return result

    def _wait(self, process: subprocess.Popen[str]) -> None:
        told: float | None = None
        while True:
            try:
                process.wait(0.2)
            except subprocess.TimeoutExpired:
                if told is None and self._cancelled():
                    process.send_signal(signal.SIGINT)
                    told = time.monotonic()
                elif told is not None and time.monotonic() - told > GRACE:
                    processes.kill_session(process.pid)
            else:
                return


class _Stack(auto.Stack):
    """Knows that the stack exists, and does not ask for outputs and history after each update."""

    def __init__(self, name: str, workspace: auto.Workspace) -> None:
        self.name = name
        self.workspace = workspace

    def outputs(self) -> auto.OutputMap:
        """Outputs are read from contracts, not from the engine."""
        return {}

    def info(self, show_secrets: bool = True) -> auto.UpdateSummary | None:  # noqa: ARG002
        """What happened is known from the events."""
        from datetime import UTC, datetime

        now = datetime.now(UTC)
        return auto.UpdateSummary("update", now, "", {}, {}, "succeeded", end_time=now)


def open_stack(
    name: str, work: Path, cause: str, run: str, backend: str | None, cancelled: Callable[[], bool]
) -> auto.Stack:
    """The stack `name` in the workspace folder; nothing is asked of the backend yet."""
    env = {
        "LIFEBOAT_RUN": run,
        "TF_APPEND_USER_AGENT": cause,
        "PULUMI_SKIP_UPDATE_CHECK": "true",
        "PULUMI_OPTION_CWD": str(work),  # a shell may have set another
        **({"PULUMI_BACKEND_URL": backend} if backend else {}),
    }
    workspace = auto.LocalWorkspace(
        work_dir=str(work), env_vars=env, pulumi_command=StoppableCommand(cancelled)
    )
    return _Stack(name, workspace)


def stale_locks(message: str) -> bool:
    """Whether every lock that the message names was left by a process of this machine that is gone.

    Locks have no time-out, and `cancel` deletes all of them without stopping their writers.
    """
    locks = [match.groupdict() for match in _LOCK.finditer(message)]
    ours = [lock for lock in locks if lock["host"] == platform.node()]
    return bool(locks) and len(ours) == len(locks) and not any(_alive(int(lock["pid"])) for lock in ours)


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _read(stream: Any, into: list[str], tell: OnOutput | None) -> None:
    for line in stream:
        text = line.rstrip()
        into.append(text)
        if tell:
            tell(text)
