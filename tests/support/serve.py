"""A pool and a running server to ask, and the pictures to ask them with."""

from __future__ import annotations

import contextlib
import io
import json
import os
import signal
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any

from PIL import Image

from edge_cifar.documents.bundle import Bundle
from edge_cifar.serve import app
from edge_cifar.serve.hosts import Hosts
from edge_cifar.serve.server import Server
from edge_cifar.serve.worker_pool import ServedModel, WorkerPool
from support.pace import PATIENCE_SECONDS

SERVED = ("tflite-fp32", "onnx-int8")


def served_models(bundle: Bundle, *variants: str) -> list[ServedModel]:
    """Some artifacts of a bundle, by default one of each runtime."""
    return [
        ServedModel(name=str(one.variant), path=one.path, labels=one.labels, variant=str(one.variant))
        for one in bundle.artifacts
        if str(one.variant) in (variants or SERVED)
    ]


def picture(width: int = 48, height: int = 32, kind: str = "png", **save: Any) -> bytes:
    """A picture with some structure, as the bytes of a file."""
    image = Image.linear_gradient("L").resize((width, height))
    stream = io.BytesIO()
    Image.merge("RGB", (image, image.transpose(Image.Transpose.FLIP_LEFT_RIGHT), image)).save(stream, kind, **save)
    return stream.getvalue()


@contextlib.contextmanager
def asking(bundle: Bundle) -> Iterator[Any]:
    """Flask's client of an application with one worker."""
    pool = WorkerPool(served_models(bundle), workers=1, places=4)
    yield app.create(
        pool, model="resnet8", hosts=Hosts("127.0.0.1"), left_out=[("coreml-w8", "not on this machine")]
    ).test_client()
    pool.close()


def ask(client: Any, body: bytes | None, kind: str | None = "image/png", query: str = "") -> Any:
    """Send a body to /predict through that client."""
    return client.post(f"/predict{query}", data=body, content_type=kind)


@contextlib.contextmanager
def running(pool: WorkerPool) -> Iterator[Server]:
    """A server in a thread of this process, at any free port."""
    server = Server(
        app.create(pool, model="model", hosts=Hosts("127.0.0.1")),
        host="127.0.0.1",
        port=0,
        busy_threads=pool.workers + pool.places,
        max_body_bytes=app.MAX_BODY_BYTES,
    )
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        yield server
    finally:
        server.stop()
        thread.join()


@contextlib.contextmanager
def command(*arguments: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """``edge-cifar serve`` as a process of its own, with the address that it told."""
    process = subprocess.Popen(
        [sys.executable, "-m", "edge_cifar", "serve", "--port", "0", *arguments],
        stderr=subprocess.PIPE,
        text=True,
        # A shell's background jobs are deaf to SIGINT, and so would be what they start.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    try:
        assert process.stderr is not None
        told = []
        for line in process.stderr:
            told.append(line)
            if " at http://" in line:
                break
        else:
            raise AssertionError("".join(told))
        yield process, line.rpartition(" at ")[2].strip()
    finally:
        process.kill()
        process.communicate()


def request(
    url: str, body: bytes | None = None, kind: str = "image/png", seconds: float = PATIENCE_SECONDS
) -> tuple[int, dict[str, str], bytes]:
    """Status, headers and body of an answer, whatever the status."""
    asked = urllib.request.Request(url, data=body, headers={"Content-Type": kind} if body is not None else {})
    try:
        with urllib.request.urlopen(asked, timeout=seconds) as answer:
            return answer.status, dict(answer.headers), answer.read()
    except urllib.error.HTTPError as refused:
        return refused.code, dict(refused.headers), refused.read()


def predicted(url: str, body: bytes, query: str = "") -> dict[str, Any]:
    """The answer to a picture, which must be one."""
    status, _, answer = request(f"{url}/predict{query}", body)
    assert status == 200, answer
    document: dict[str, Any] = json.loads(answer)
    return document
