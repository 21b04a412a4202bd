"""The server as it runs: a real socket, a queue that fills, limits before anything is read, a good end."""

from __future__ import annotations

import io
import json
import shutil
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from support.pace import PATIENCE_SECONDS
from support.serve import command, picture, predicted, request, running, served_models

from edge_cifar.cli.main import main
from edge_cifar.documents.bundle import Bundle
from edge_cifar.serve import app, worker_pool
from edge_cifar.serve.worker_pool import WorkerPool
from edge_cifar.steps.choice import choose_all

pytest.importorskip("flask", reason="serving needs Flask")
pytest.importorskip("waitress", reason="serving needs waitress")


@pytest.fixture(scope="module")
def address(tiny_bundle: Bundle) -> Iterator[str]:
    served = WorkerPool(served_models(tiny_bundle), workers=2, places=32)
    with running(served) as server:
        yield server.url
    served.close()


def test_many_clients_at_once_are_all_answered_alike(address: str) -> None:
    pictures = [picture(width=32 + number) for number in range(8)]
    wanted = [labels(predicted(address, one)) for one in pictures]
    with ThreadPoolExecutor(16) as clients:
        answers = list(clients.map(lambda number: predicted(address, pictures[number % 8]), range(160)))
    for number, answer in enumerate(answers):
        assert labels(answer) == wanted[number % 8]


def labels(answer: object) -> object:
    """An answer without its times."""
    assert isinstance(answer, dict)
    return [(result["name"], result["predictions"]) for result in answer["results"]]


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """No picture is worked on before it is set."""
    gate = threading.Event()
    decode = worker_pool.pictures.decode
    monkeypatch.setattr(
        worker_pool.pictures, "decode", lambda *a, **k: (gate.wait(PATIENCE_SECONDS), decode(*a, **k))[1]
    )
    return gate


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_full_queue_is_told_and_the_rest_answered(tiny_bundle: Bundle, gate: threading.Event) -> None:
    served = WorkerPool(served_models(tiny_bundle), workers=1, places=2)
    with running(served) as server, ThreadPoolExecutor(16) as clients:
        asked = [clients.submit(request, f"{server.url}/predict", picture()) for _ in range(10)]
        wait_until(lambda: sum(one.done() for one in asked) == 7)
        # One is worked on, two wait, seven were sent away; and whoever asks after its health is still answered.
        assert json.loads(request(f"{server.url}/healthz")[2])["waiting"] == 2
        gate.set()
        answers = [one.result() for one in asked]
    served.close()
    assert sorted(status for status, _, _ in answers) == [200] * 3 + [503] * 7
    for status, headers, body in answers:
        if status == 503:
            assert int(headers["Retry-After"]) >= 1
            assert "try again" in json.loads(body)["error"]


def test_what_was_asked_before_the_end_is_answered(tiny_bundle: Bundle, gate: threading.Event) -> None:
    served = WorkerPool(served_models(tiny_bundle), workers=1, places=8)
    with ThreadPoolExecutor(4) as clients:
        with running(served) as server:
            asked = [clients.submit(predicted, server.url, picture()) for _ in range(4)]
            wait_until(lambda: served.waiting() == 3)
            server.stop()
            time.sleep(0.1)
            with pytest.raises(TimeoutError):
                request(f"{server.url}/healthz", seconds=0.2)
            gate.set()
        assert all(one.result()["results"] for one in asked)
    served.close()
    with pytest.raises(worker_pool.BusyError):
        served.ask(worker_pool.Question(picture=io.BytesIO(picture()), models=(), top=1, threshold=0.0))


def test_each_worker_has_interpreters_of_its_own(tiny_bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    used: dict[int, set[str]] = {}
    classify = worker_pool.Classifier.classify

    def watched(self: worker_pool.Classifier, *arguments: object, **options: object) -> object:
        used.setdefault(id(self), set()).add(threading.current_thread().name)
        time.sleep(0.01)
        return classify(self, *arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(worker_pool.Classifier, "classify", watched)
    served = WorkerPool(served_models(tiny_bundle), workers=3, places=32)
    with running(served) as server, ThreadPoolExecutor(8) as clients:
        list(clients.map(lambda _: predicted(server.url, picture()), range(24)))
    served.close()
    assert all(len(threads) == 1 for threads in used.values())
    assert len({name for threads in used.values() for name in threads}) == 3


def test_body_over_the_limit_is_refused_before_it_is_sent(address: str) -> None:
    host, port = address.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=PATIENCE_SECONDS) as client:
        head = f"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: {app.MAX_BODY_BYTES + 1}\r\n\r\n"
        client.sendall(head.encode())
        assert client.recv(100).startswith(b"HTTP/1.1 413 ")


def test_client_that_goes_away_harms_nobody(address: str) -> None:
    host, port = address.removeprefix("http://").split(":")
    body = picture()
    for sent in (body[: len(body) // 2], body):
        with socket.create_connection((host, int(port)), timeout=PATIENCE_SECONDS) as client:
            client.sendall(
                f"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n\r\n".encode() + sent
            )
    assert predicted(address, body)["results"]


def test_port_in_use_is_told(tiny_bundle: Bundle, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        assert main(["serve", str(served_models(tiny_bundle)[0].path), "--port", port, "--workers", "1"]) == 1
    assert f"cannot listen on 127.0.0.1 port {port}" in capsys.readouterr().err


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)], ids=["SIGTERM", "SIGINT"])
def test_signals_end_it(number: signal.Signals, status: int, tiny_bundle: Bundle) -> None:
    with command(str(served_models(tiny_bundle)[0].path), "--workers", "1") as (process, url):
        assert predicted(url, picture())["results"]
        process.send_signal(number)
        assert process.wait(30) == status


def test_bundle_is_served_with_what_cannot_run_here_left_out(tiny_bundle: Bundle) -> None:
    with command(str(tiny_bundle.path), "--workers", "1") as (_, url):
        told = json.loads(request(f"{url}/models")[2])
    everything = {str(one.variant) for one in tiny_bundle.artifacts}
    served, left_out = ({entry["name"] for entry in told[kind]} for kind in ("models", "left_out"))
    assert served | left_out == everything
    assert {"tflite-int8", "onnx-fp32"} <= served


def test_clients_are_not_told_where_files_lie(tiny_bundle: Bundle, tmp_path: Path) -> None:
    folder = tmp_path / "secret place" / "export"
    bundle = Bundle.open(Path(shutil.copytree(tiny_bundle.path, folder)))
    broken = next(one for one in bundle.artifacts if str(one.variant) == "onnx-fp32")
    broken.path.write_bytes(b"altered")
    reasons = dict(choose_all(bundle).left_out)
    assert "onnx-fp32.onnx is not the file" in reasons["onnx-fp32"]
    assert not any("secret place" in reason for reason in reasons.values())
