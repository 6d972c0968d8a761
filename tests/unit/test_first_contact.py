"""What a stranger meets first: `./dr` on a machine that lacks something, and Ctrl-C."""

from __future__ import annotations

import importlib.util
import io
import json
import os
import pty
import pwd
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from recovery import reports
from recovery.errors import InputError
from recovery.procfs import start_time
from rehearsal import launch, results
from rehearsal.story import Story
from tests.fakes import signals
from tests.fakes.waiting import until

ROOT = Path(__file__).resolve().parents[2]
BASICS = "bash env readlink dirname uname awk df cmp sleep kill tail tr rm cp cat mktemp stty cut id"


@pytest.fixture
def machine(tmp_path: Path) -> Path:
    """A PATH with what every system has, and nothing of ours."""
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in BASICS.split():
        if found := shutil.which(name):
            (programs / name).symlink_to(found)
    return programs


def give(machine: Path, name: str, script: str = "exit 0") -> None:
    (machine / name).write_text(f"#!/bin/sh\n{script}\n")
    (machine / name).chmod(0o755)


def dr(machine: Path, *words: str) -> subprocess.CompletedProcess[str]:
    home = machine.parent / "home"
    home.mkdir(exist_ok=True)
    env = {"PATH": str(machine), "HOME": str(home), "LIFEBOAT_VENV": str(machine.parent / "venv")}
    return subprocess.run(
        [str(ROOT / "dr"), *words], env=env, capture_output=True, text=True, check=False, timeout=30
    )


def refusal(done: subprocess.CompletedProcess[str], machine: Path) -> str:
    """What was said: exit code 2, what it means, a cure; nothing was begun."""
    assert done.returncode == 2, done
    assert "error: " in done.stderr
    assert "now: " in done.stderr
    assert not (machine.parent / "venv").exists()
    return done.stderr


def test_without_python_it_says_which_one_it_looked_for(machine: Path) -> None:
    for name in ("curl", "setpriv", "flock"):
        give(machine, name)
    assert "no Python 3.12 or later" in refusal(dr(machine, "rehearse", "region-loss"), machine)


def test_an_old_python_is_no_python(machine: Path) -> None:
    give(machine, "python3", "exit 1")
    assert "no Python 3.12 or later" in refusal(dr(machine, "status"), machine)


@pytest.mark.parametrize("missing", ["curl", "setpriv", "flock"])
def test_missing_programs_are_named_before_anything_is_installed(machine: Path, missing: str) -> None:
    for name in {"curl", "setpriv", "flock"} - {missing}:
        give(machine, name)
    assert f"not installed: {missing}" in refusal(dr(machine, "world", "up"), machine)


def test_elsewhere_than_on_linux_a_rehearsal_is_refused_at_once(machine: Path) -> None:
    (machine / "uname").unlink()
    give(machine, "uname", "echo Darwin")
    assert "needs Linux, and this is Darwin" in refusal(dr(machine, "rehearse", "region-loss"), machine)


def test_a_full_disk_is_named_as_such(machine: Path) -> None:
    """The python makes a virtual environment like a disk with no space does."""
    for name in ("curl", "setpriv", "flock"):
        give(machine, name)
    full = 'case "$*" in *"-m venv"*) echo "OSError: [Errno 28] No space left on device" >&2; exit 1;; esac'
    give(machine, "python3.12", full)
    said = refusal(dr(machine, "rehearse", "region-loss"), machine)
    assert "is full" in said
    assert "free some space" in said


def packages(machine: Path, python: str) -> Path:
    """A virtual environment that is set up, with that for a Python."""
    give(machine, "python3.12", python)
    venv = machine.parent / "venv"
    (venv / "bin").mkdir(parents=True)
    (venv / "bin" / "python").symlink_to(machine / "python3.12")
    shutil.copy(ROOT / "requirements.lock", venv / "lifeboat.lock")
    (venv / "lifeboat.folder").write_text(f"{ROOT}\n")
    return venv


def test_neither_a_missing_home_nor_the_callers_own_python_is_in_the_way(machine: Path) -> None:
    venv = packages(machine, 'echo "home:$HOME path:$PYTHONPATH utf8:$PYTHONUTF8"')
    env = {"PATH": str(machine), "LIFEBOAT_VENV": str(venv), "PYTHONPATH": "/mine", "PYTHONHOME": "/mine"}
    command = [str(ROOT / "dr"), "status"]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False, timeout=30)
    assert done.returncode == 0, done
    assert done.stdout == f"home:{pwd.getpwuid(os.getuid()).pw_dir} path: utf8:1\n"


def test_a_folder_that_is_no_folder_of_packages_is_refused(machine: Path) -> None:
    """Root may write everywhere: a link that leads nowhere can be followed by nobody."""
    give(machine, "python3.12")
    env = {"PATH": str(machine), "HOME": str(machine), "LIFEBOAT_VENV": "/proc/1/no-venv"}
    command = [str(ROOT / "dr"), "status"]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False, timeout=30)
    assert "cannot be written" in refusal(done, machine)
    assert "LIFEBOAT_VENV" in done.stderr


def test_ctrl_c_counts_although_the_program_of_that_moment_outlives_it(machine: Path) -> None:
    """A Python that is just ending does not hear it any more."""
    for name in ("curl", "setpriv", "flock"):
        give(machine, name)
    deaf = 'trap "" INT; echo deaf >&2; sleep 1; echo /x/pulumi'
    venv = packages(machine, f'case "$*" in *install.py*) {deaf};; *) echo went on;; esac')
    env = {"PATH": str(machine), "HOME": str(machine), "LIFEBOAT_VENV": str(venv)}
    process = subprocess.Popen(
        [str(ROOT / "dr"), "rehearse", "region-loss"],
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=signals.usual,
    )
    assert process.stderr is not None
    assert process.stderr.readline() == "deaf\n"
    os.killpg(process.pid, signal.SIGINT)
    out, _ = process.communicate(timeout=20)
    assert out == ""
    assert process.returncode == 130


def test_a_checkout_that_was_moved_is_set_up_again(machine: Path) -> None:
    """Its virtual environment would run the code of the place it came from."""
    venv = packages(machine, 'case "$*" in *"-m venv"*) echo "made anew" >&2; exit 1;; esac')
    assert dr(machine, "status").returncode == 0
    (venv / "lifeboat.folder").write_text("/elsewhere\n")
    moved = dr(machine, "status")
    assert moved.returncode == 2
    assert "made anew" in moved.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_interrupted_set_up_ends_at_once_with_all_it_began(machine: Path, number: signal.Signals) -> None:
    script = 'case "$*" in *"-m venv"*) (echo $$ > "$HOME/pid"; exec sleep 60);; esac'
    give(machine, "python3.12", script)
    home, venv = machine.parent / "home", machine.parent / "venv"
    home.mkdir()
    env = {"PATH": str(machine), "HOME": str(home), "LIFEBOAT_VENV": str(venv), "TMPDIR": "/nonexistent"}
    process = subprocess.Popen(
        [str(ROOT / "dr"), "status"], env=env, stderr=subprocess.PIPE, text=True, preexec_fn=signals.usual
    )
    pid = home / "pid"
    until("a process", lambda: pid.exists() and pid.read_text())
    process.send_signal(number)
    _, said = process.communicate(timeout=10)
    assert process.returncode == 130
    assert said.splitlines()[-1] == "interrupted; the same command goes on where this stopped"
    assert start_time(int(pid.read_text())) is None
    assert sorted(file.name for file in machine.parent.iterdir()) == ["bin", "home"]


def test_a_set_up_that_fails_shows_why(machine: Path) -> None:
    give(machine, "python3.12", 'case "$*" in *"-m venv"*) echo "the reason" >&2; exit 1;; esac')
    said = refusal(dr(machine, "status"), machine)
    assert "the reason" in said
    assert "setting up failed at" in said


def test_a_world_names_the_program_it_lacks(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(InputError, match="not installed: setpriv, curl, bash") as error:
        launch.up("never-up")
    assert "util-linux" in error.value.cure


def test_a_world_is_refused_where_it_would_fill_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(launch, "_NEEDS_BYTES", 1 << 60)
    with pytest.raises(InputError, match="is full") as error:
        launch.up("never-up")
    assert "TMPDIR" in error.value.cure
    assert launch.find("never-up") is None


@pytest.fixture
def installer() -> ModuleType:
    spec = importlib.util.spec_from_file_location("install", ROOT / "tools" / "pulumi" / "install.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_without_go_and_pulumi_it_says_what_to_install(machine: Path) -> None:
    """Pulumi's own installer is asked first; it needs a shell with curl, which this machine has not."""
    command = [sys.executable, str(ROOT / "tools" / "pulumi" / "install.py"), str(machine.parent / "cache")]
    env = {"PATH": str(machine), "HOME": str(machine.parent), "https_proxy": "http://127.0.0.1:9"}
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 2
    assert "no `pulumi` on PATH, and no Go" in done.stderr
    assert "install Go" in done.stderr
    assert list((machine.parent / "cache").iterdir()) == []


def test_a_build_without_space_says_so(machine: Path) -> None:
    give(machine, "go", 'echo "write /tmp/x: no space left on device" >&2; exit 1')
    command = [sys.executable, str(ROOT / "tools" / "pulumi" / "install.py"), str(machine.parent / "cache")]
    env = {"PATH": str(machine), "HOME": str(machine.parent)}
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 2
    assert "the disk is full" in done.stderr
    assert list((machine.parent / "cache").iterdir()) == []


def test_an_interrupted_build_leaves_nothing(machine: Path) -> None:
    give(machine, "go", 'case "$1" in build) exec sleep 60;; esac')
    cache = machine.parent / "cache"
    process = subprocess.Popen(
        [sys.executable, str(ROOT / "tools" / "pulumi" / "install.py"), str(cache)],
        env={"PATH": str(machine), "HOME": str(machine.parent)},
        stderr=subprocess.PIPE,
        start_new_session=True,
        preexec_fn=signals.usual,
    )
    until("a build", lambda: cache.exists() and list(cache.iterdir()))
    os.killpg(process.pid, signal.SIGINT)
    _, said = process.communicate(timeout=20)
    assert process.returncode == 130
    assert b"interrupted" in said
    assert b"Traceback" not in said
    assert list(cache.iterdir()) == []


def test_progress_is_a_line_now_and_then_where_nobody_watches(installer: ModuleType) -> None:
    out = io.StringIO()
    teller = installer.Teller(out)
    for modules in range(300):
        teller(f"fetching, {modules} modules", None)
    for percent in range(101):
        teller("building", percent / 100)
    teller.over(good=True)
    first, *lines, last = out.getvalue().splitlines()
    assert "fetching" in first
    assert [line.rpartition(" ")[2] for line in lines] == ["0%", "20%", "40%", "60%", "80%", "100%"]
    assert "✓" in last


GO = """
echo "$1 $$" >> "$HOME/go.log"
case "$1" in
  list) echo "go: downloading some/module v1.0.0" >&2; echo some/package ;;
  build) for last; do case "$last" in */bin/) out=$last ;; esac; done
         sleep 1; mkdir -p "$out"; printf '#!/bin/sh\n' > "$out/pulumi" ;;
esac
"""


def install(machine: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, str(ROOT / "tools" / "pulumi" / "install.py"), str(machine.parent / "cache")],
        env={"PATH": str(machine), "HOME": str(machine.parent)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=signals.usual,
    )


def test_a_second_set_up_waits_for_the_first_ones_build(machine: Path) -> None:
    for name in ("mkdir", "sleep"):
        (machine / name).unlink(missing_ok=True)
        (machine / name).symlink_to(shutil.which(name) or name)
    give(machine, "go", GO)
    (machine.parent / "cache" / ".making-by-one-that-was-killed").mkdir(parents=True)
    both = [install(machine) for _ in range(2)]
    done = [process.communicate(timeout=60) for process in both]
    assert [process.returncode for process in both] == [0, 0]
    assert done[0][0] == done[1][0], "one CLI"
    log = (machine.parent / "go.log").read_text().split()
    assert log[::2] == ["list", "build"], "built once"
    said = sorted((err for _, err in done), key=len)
    assert "another set-up is getting it" in said[0]
    assert "1 Go modules so far" in said[1]
    [made] = (machine.parent / "cache").iterdir()
    assert made.name.startswith("pulumi-")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_build_that_is_killed_ends_go_too(machine: Path, number: signal.Signals) -> None:
    for name in ("sleep", "setpriv"):
        (machine / name).unlink(missing_ok=True)
        (machine / name).symlink_to(shutil.which(name) or name)
    give(machine, "go", 'case "$1" in build) echo $$ > "$HOME/go.pid"; exec sleep 60;; esac')
    process, noted = install(machine), machine.parent / "go.pid"
    try:
        until("a build", lambda: noted.exists() and noted.read_text().endswith("\n"))
        pid = int(noted.read_text())
        process.send_signal(number)
        process.communicate(timeout=20)
        until("the end of Go", lambda: start_time(pid) is None)
    finally:
        process.kill()


SCRIPT = """
import sys, time
from rehearsal.cli.interrupt import tidy
def clean():
    print("cleaning", flush=True)
    time.sleep(1)
    print("clean", flush=True)
with tidy(clean, left="nothing is left behind"):
    print("ready", flush=True)
    time.sleep(60)
"""


ALONE = """
import sys, time
from pathlib import Path
from rehearsal.cli.interrupt import tidy
with tidy(Path(sys.argv[1]).touch, left="nothing is left behind"):
    print("ready", flush=True)
    time.sleep(60)
"""


def test_a_closed_terminal_does_not_keep_it_from_tidying_up(tmp_path: Path) -> None:
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", ALONE, str(tmp_path / "clean")],
        cwd=ROOT,
        preexec_fn=signals.usual,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    )
    os.close(theirs)
    assert os.read(ours, 100).startswith(b"ready")
    os.close(ours)
    process.send_signal(signal.SIGHUP)
    assert process.wait(20) == 130
    assert (tmp_path / "clean").exists()


def test_results_go_to_a_folder_that_can_be_written_or_nothing_begins(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    command = [sys.executable, "-m", "rehearsal.cli", "rehearse", "region-loss", "--json", "--out"]
    command.append(str(tmp_path / "file"))
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=30)
    assert done.returncode == 2
    assert "no report can be written" in done.stderr and "--out DIR" in done.stderr
    [told] = [json.loads(line) for line in done.stdout.splitlines()]
    assert told["event"] == "error"
    assert (tmp_path / "file").read_text() == "mine"


@pytest.mark.parametrize("words", ["rehearse region-loss", "world up --name never-up"])
def test_outside_a_project_nothing_is_started(tmp_path: Path, words: str) -> None:
    command = [sys.executable, "-m", "rehearsal.cli", *words.split()]
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        command, cwd=tmp_path, env=env, capture_output=True, text=True, check=False, timeout=30
    )
    assert done.returncode == 2
    assert "no continuity.yaml" in done.stderr
    assert done.stdout == "" and list(tmp_path.iterdir()) == []
    assert launch.find("never-up") is None


def test_a_rehearsal_does_not_add_to_an_earlier_ones_results(tmp_path: Path) -> None:
    out = results.folder(tmp_path / "a" / "b")
    files = [*reports.FILES, results.REQUESTS, results.NAMES, results.LOST]
    for name in (*files, "notes-of-my-own.txt"):
        (out / name).write_text("old")
    results.give_up(out)  # a whole report stays
    assert len(list(out.iterdir())) == len(files) + 1
    results.begin(out)
    assert [file.name for file in out.iterdir()] == ["notes-of-my-own.txt"]


def test_a_rehearsal_that_came_to_no_report_leaves_nothing(tmp_path: Path) -> None:
    out = results.folder(tmp_path / "out")
    (out / results.REQUESTS).write_text("half")
    results.give_up(out)
    assert not out.exists()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_interrupted_command_tidies_up_even_when_it_is_interrupted_again(number: signal.Signals) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT],
        cwd=ROOT,
        preexec_fn=signals.usual,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    process.send_signal(number)
    assert process.stdout.readline() == "cleaning\n"
    process.send_signal(signal.SIGINT)
    out, said = process.communicate(timeout=20)
    assert out == "clean\n"
    assert said.splitlines()[-1] == "nothing is left behind"
    assert process.returncode == 130


def test_events_are_one_json_object_a_line_and_the_report_is_the_last() -> None:
    out = io.StringIO()
    story = Story(as_json=True, out=out)
    story.tell("world", "three regions", name="x")
    story.doing("stacks", "edge ...")
    story.add("stacks", "edge ✓", stack="edge")
    story.line("for people")
    story.blank()
    story.end()
    story.report('{"outcome": "recovered"}')
    rows = [json.loads(line) for line in out.getvalue().splitlines()]
    assert [row["event"] for row in rows] == ["world", "stacks", "report"]
    assert rows[-1]["report"] == {"outcome": "recovered"}


def test_without_a_terminal_each_event_is_a_line_with_its_time() -> None:
    out = io.StringIO()
    story = Story(out=out)
    story.doing("stacks", "edge ...")
    story.add("stacks", "edge ✓")
    story.add("stacks", "dr-aws ✓")
    story.end()
    told = [line[9:] for line in out.getvalue().splitlines()]
    assert told == ["stacks     edge ✓", "stacks     dr-aws ✓"]


class Terminal(io.StringIO):
    """Takes what is written for shown; backspaces and erasing work within a line."""

    def isatty(self) -> bool:
        return True

    def shown(self) -> list[str]:
        text = self.getvalue()
        while (back := text.find("\b")) >= 0:
            count = len(text[back:]) - len(text[back:].lstrip("\b"))
            text = text[: back - count] + text[back + count :].removeprefix("\x1b[K")
        return [line.rpartition("\r\x1b[K")[2].rstrip() for line in text.split("\n")]


def test_a_terminal_shows_what_takes_a_while_only_while_it_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "64")
    monkeypatch.setenv("TERM", "xterm")
    out = Terminal()
    story = Story(out=out)
    story.doing("stacks", "edge ...")
    assert out.shown() == ["stacks     edge ..."]
    story.add("stacks", "edge ✓ 19 resources 22s")
    story.doing("stacks", "a text")
    assert out.shown()[0].endswith("22s   a text")
    story.add("stacks", "dr-aws ✓ 126 res 15s")
    story.doing("service", "a text that is longer than one whole line of this terminal would be")
    assert len(out.shown()[-1]) < 64
    story.end()
    story.add("stacks", "prod ✓ 146 resources 22s")
    story.add("stacks", "policies: 29 rules, 0 violations")
    story.tell("service", "answers")
    assert out.shown() == [
        "stacks     edge ✓ 19 resources 22s   dr-aws ✓ 126 res 15s",
        "stacks     prod ✓ 146 resources 22s",
        "stacks     policies: 29 rules, 0 violations",
        "service    answers",
        "",
    ]


def test_a_dumb_terminal_gets_lines_with_their_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "dumb")
    out = Terminal()
    story = Story(out=out)
    story.doing("stacks", "edge ...")
    story.add("stacks", "edge ✓")
    assert out.getvalue()[9:] == "stacks     edge ✓\n"
