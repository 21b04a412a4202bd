"""Ctrl-C and SIGTERM: 130 and 143 whenever they come, no traceback, nothing left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from support.process import gone

from edge_cifar.processes import allocator
from edge_cifar.storage import scratch

# Sends itself a signal at the import of that number, counted from where the command has begun.
AT_IMPORT = """
import os, signal, sys
number, at = int(sys.argv[1]), int(sys.argv[2])
sys.argv = ["edge-cifar", "models", "resnet8"]
seen = 0

def count(event, arguments):
    global seen
    if event == "import" and signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        seen += 1
        if seen == at:
            os.kill(os.getpid(), number)

sys.addaudithook(count)
from edge_cifar.cli.main import entry
entry()
"""
# A command that has a child and a scratch folder, and a parent that tells when it may be ended.
WORKING = """
import subprocess, sys, time
from edge_cifar.storage import scratch
from edge_cifar.cli import main
from edge_cifar.steps import doctor

SLEEP = [sys.executable, "-c", "import time; time.sleep(600)"]

def work():
    with scratch.folder("bench") as folder, subprocess.Popen(SLEEP) as child:
        try:
            print(folder, child.pid, flush=True)
            child.wait()
        finally:
            child.kill()

doctor.doctor = work
sys.argv = ["edge-cifar", "doctor"]
main.entry()
"""
# Sends itself a signal when it starts once more under another allocator.
AT_SECOND_START = """
import os, signal, sys
number = int(sys.argv[1])
sys.argv = ["edge-cifar", "train", "no-such-backbone"]
print("start", flush=True)

def restarted(event, arguments):
    if event == "os.exec":
        os.kill(os.getpid(), number)

sys.addaudithook(restarted)
from edge_cifar.cli.main import entry
entry()
"""
ENDS = {signal.SIGINT: (130, "edge-cifar: interrupted"), signal.SIGTERM: (143, "edge-cifar: terminated")}


def ready(number: int) -> None:
    """As a terminal starts a command: whoever runs the tests may have made them deaf."""
    signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)


@pytest.mark.parametrize("number", ENDS, ids=lambda number: number.name)
@pytest.mark.parametrize("at", [1, 40, 80, 120, 160, 200])
def test_a_signal_during_the_imports(number: signal.Signals, at: int) -> None:
    done = subprocess.run(
        [sys.executable, "-c", AT_IMPORT, str(number.value), str(at)],
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=lambda: ready(number),
    )
    assert (done.returncode, done.stderr.strip()) == ENDS[number]


@pytest.mark.skipif(allocator.chosen() == "system", reason="commands start once only with this allocator")
@pytest.mark.parametrize("number", ENDS, ids=lambda number: number.name)
def test_a_signal_between_two_starts_waits_for_the_second(number: signal.Signals) -> None:
    done = subprocess.run(
        [sys.executable, "-c", AT_SECOND_START, str(number.value)],
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=lambda: ready(number),
    )
    assert (done.returncode, done.stderr.strip(), done.stdout) == (*ENDS[number], "start\nstart\n")


def test_nothing_is_imported_before_signals_are_minded() -> None:
    """The imports of pip's own start of a command, and those of Python, are before our time."""
    script = (
        "import re, signal, sys; had = set(sys.modules); import edge_cifar.cli.main; print(*set(sys.modules) - had)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    ours = {name for name in done.stdout.split() if name.startswith("edge_cifar")}
    rooms = ("bench", "cli", "cli.main", "export", "report")
    assert ours == {"edge_cifar", *(f"edge_cifar.{room}" for room in rooms)}
    assert set(done.stdout.split()) - ours <= {
        *("__future__", "importlib", "importlib._bootstrap", "importlib._bootstrap_external", "warnings", "os")
    }


@pytest.mark.parametrize("number", ENDS, ids=lambda number: number.name)
def test_a_command_ends_in_good_order(number: signal.Signals, tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", WORKING],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "TMPDIR": str(tmp_path)},
        preexec_fn=lambda: ready(number),
    ) as process:
        assert process.stdout is not None
        folder, child = process.stdout.readline().split()
        assert Path(folder).is_dir()
        process.send_signal(number)
        _, told = process.communicate()
    assert (process.returncode, told.strip()) == ENDS[number]
    assert not list(tmp_path.iterdir())
    # Whoever inherits it may take a moment to notice that it ended.
    assert gone(int(child))


def test_a_signal_that_is_ignored_stays_ignored() -> None:
    script = (
        "import os, signal, sys\n"
        "from edge_cifar.cli import main\n"
        "from edge_cifar.steps import doctor\n"
        "doctor.doctor = lambda: os.kill(os.getpid(), signal.SIGINT) or sys.exit(7)\n"
        "sys.argv = ['edge-cifar', 'doctor']\n"
        "main.entry()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], check=False, preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_IGN)
    )
    assert done.returncode == 7


def test_the_next_command_sweeps_what_a_killed_one_left(tmp_path: Path) -> None:
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    with subprocess.Popen(
        [sys.executable, "-c", WORKING], stdout=subprocess.PIPE, text=True, env=environment
    ) as process:
        assert process.stdout is not None
        folder, child = process.stdout.readline().split()
        process.kill()
        os.kill(int(child), signal.SIGKILL)
    assert Path(folder).is_dir()
    with scratch.folder("bench", tmp_path) as alive:
        command = [sys.executable, "-m", "edge_cifar", "models", "resnet8"]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=environment)
        assert list(tmp_path.iterdir()) == [alive]
