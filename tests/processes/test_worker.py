"""Workers: the protocol between client and worker, what a failing one costs, and that none outlives its client."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.process import gone, wait_for

import edge_cifar
from edge_cifar.processes.launch import worker_command, worker_environment
from edge_cifar.processes.worker import RefusedError, Worker, WorkerError

# A worker that does what it is told, in Python.
OBEDIENT = """
import ctypes, os, sys, time
from edge_cifar.errors import BundleError, RuntimeUnavailable
from edge_cifar.processes import request_loop

def handle(request, answer):
    exec(request["do"], {**globals(), "answer": answer})

request_loop.serve(handle)
"""
COMMAND = (sys.executable, "-c", OBEDIENT)


@pytest.fixture
def worker() -> Iterator[Worker]:
    with Worker(COMMAND) as started:
        yield started


def test_requests_are_answered_by_one_message_or_several(worker: Worker) -> None:
    assert worker.ask({"do": "answer({'number': 1})"}) == {"number": 1}
    worker.send({"do": "for number in range(3): answer({'number': number, 'name': 'Zoë'})"})
    assert [worker.receive()["number"] for _ in range(3)] == [0, 1, 2]


def test_an_error_of_this_toolkit_is_told_from_a_surprise(worker: Worker) -> None:
    with pytest.raises(RefusedError, match="the file is damaged"):
        worker.ask({"do": "raise BundleError('the file is damaged')"})
    with pytest.raises(WorkerError) as raised:
        worker.ask({"do": "raise ValueError('surprise')"})
    assert not isinstance(raised.value, RefusedError)


def test_what_native_code_prints_does_not_get_between_the_answers(worker: Worker) -> None:
    assert worker.ask({"do": "ctypes.CDLL(None).puts(b'chatter'); print('more'); answer({'number': 1})"}) == {
        "number": 1
    }


def test_a_request_of_any_length_arrives(worker: Worker) -> None:
    names = "x" * (1 << 18)
    assert worker.ask({"do": f"answer({{'length': len('{names}')}})"}) == {"length": 1 << 18}


@pytest.mark.parametrize(
    ("do", "reason", "unavailable", "out_of_memory"),
    [
        ("raise BundleError('the file is damaged')", "the file is damaged", False, False),
        ("raise RuntimeUnavailable('nothing here runs it')", "nothing here runs it", True, False),
        ("raise ValueError('no such\\nop')", "ValueError: no such", False, False),
        ("raise ValueError", "ValueError", False, False),
        ("raise MemoryError", "it ran out of memory", False, True),
        ("raise RuntimeError('std::bad_alloc')", "it ran out of memory", False, True),
    ],
)
def test_an_exception_ends_the_request_and_not_the_worker(
    worker: Worker, do: str, reason: str, unavailable: bool, out_of_memory: bool
) -> None:
    with pytest.raises(WorkerError) as raised:
        worker.ask({"do": do})
    assert str(raised.value) == reason
    assert (raised.value.unavailable, raised.value.out_of_memory) == (unavailable, out_of_memory)
    assert worker.ask({"do": "answer({'alive': True})"}) == {"alive": True}


@pytest.mark.parametrize(
    ("do", "reason", "out_of_memory"),
    [
        ("os.write(2, b'the last words'); os.abort()", "its process crashed with SIGABRT: the last words", False),
        ("os._exit(7)", "its process exited with status 7", False),
        ("os._exit(0)", "its process exited before answering", False),
        ("os.kill(os.getpid(), 9)", "its process was killed, most likely because memory ran out", True),
    ],
)
def test_a_worker_that_ends_is_told_in_words(worker: Worker, do: str, reason: str, out_of_memory: bool) -> None:
    with pytest.raises(WorkerError) as raised:
        worker.ask({"do": do})
    assert (str(raised.value), raised.value.out_of_memory) == (reason, out_of_memory)
    # Nor is one that has ended answered by an exception of another kind.
    with pytest.raises(WorkerError):
        worker.ask({"do": "answer({})"})


def test_what_it_wrote_is_kept_for_whoever_debugs(worker: Worker) -> None:
    with pytest.raises(WorkerError) as raised:
        worker.ask({"do": "os.write(2, b'the first words\\nthe last words'); os._exit(1)"})
    assert raised.value.__notes__ == ["The process wrote:\nthe first words\nthe last words"]


def test_a_worker_that_hangs_is_ended(worker: Worker) -> None:
    pid = worker.ask({"do": "answer({'pid': os.getpid()})"})["pid"]
    with pytest.raises(WorkerError, match=r"^it did not answer within 0 s$"):
        worker.ask({"do": "time.sleep(600)"}, seconds=0.01)
    assert gone(pid)


@pytest.mark.parametrize("said", ["print('nonsense')", "print('[1]')", "sys.stdout.buffer.write(b'\\xff\\n')"])
def test_what_is_no_message_is_an_error_and_ends_the_worker(said: str) -> None:
    with (
        Worker((sys.executable, "-c", f"import sys, time; {said}; sys.stdout.flush(); time.sleep(600)")) as worker,
        pytest.raises(WorkerError, match="sent an invalid message"),
    ):
        worker.receive()
    assert gone(worker._process.pid)


def test_a_program_that_never_was_a_worker_is_told_by_its_status() -> None:
    with Worker(("false",)) as worker, pytest.raises(WorkerError, match="its process exited with status 1"):
        worker.ask({"do": "answer({})"})


def test_a_session_and_variables_of_its_own(worker: Worker) -> None:
    session = worker.ask({"do": "answer({'session': os.getsid(0), 'pid': os.getpid()})"})
    # Ctrl-C at a terminal reaches the group of the command alone.
    assert session["session"] == session["pid"] != os.getsid(0)
    with Worker(COMMAND, {"EDGE_CIFAR_TEST": "1"}) as other:
        assert other.ask({"do": "answer({'value': os.environ['EDGE_CIFAR_TEST']})"}) == {"value": "1"}
    assert "EDGE_CIFAR_TEST" not in os.environ


@pytest.mark.parametrize("doing", ["pass", "time.sleep(600)"], ids=["idle", "busy"])
def test_no_worker_outlives_a_client_that_is_killed(doing: str, tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    client = (
        "import sys\n"
        "from edge_cifar.processes.worker import Worker\n"
        "worker = Worker((sys.executable, '-c', sys.argv[1]))\n"
        "worker.ask({'do': sys.argv[2]})\n"
        "sys.stdin.read()\n"
    )
    do = f"open({str(pid)!r}, 'w').write(str(os.getpid())); answer({{}}); {doing}"
    with subprocess.Popen([sys.executable, "-c", client, OBEDIENT, do], stdin=subprocess.PIPE) as process:
        try:
            worker = int(wait_for(pid))
        finally:
            process.kill()
    assert gone(worker)


def test_no_module_comes_from_the_working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It may be the folder of a bundle that somebody sent."""
    (tmp_path / "edge_cifar").mkdir()
    (tmp_path / "edge_cifar" / "__init__.py").write_text("raise SystemExit('code of a stranger')")
    (tmp_path / "numpy.py").write_text("raise SystemExit('code of a stranger')")
    monkeypatch.chdir(tmp_path)
    # An empty entry stands for the working directory.
    monkeypatch.setenv("PYTHONPATH", ":/nowhere")
    with Worker(worker_command("edge_cifar.bench.worker")) as worker:
        assert worker.ask({"do": "memory"})["peak_bytes"] > 0


def test_a_checkout_that_is_not_installed_is_found_by_its_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PYTHONPATH", raising=False)
    home = Path(edge_cifar.__file__).resolve().parent.parent
    assert worker_environment()["PYTHONPATH"] == ("" if home.name == "site-packages" else str(home))
