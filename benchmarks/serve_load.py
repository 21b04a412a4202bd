"""Load-test `edge-cifar serve` with 1,000 images from 16 concurrent clients, checking every response.

    python benchmarks/serve_load.py models/resnet8/export [--requests 1000] [--clients 16] [--output FILE]

Starts the server as a separate process on this machine and sends HTTP requests; each client opens one connection after
another. The images are as large as photographs (JPEG, 640×480), so decoding is included. A client that gets 503 because
the queue is full waits for the time that the response states and tries again. Writes the results. Exits with 1 if any
response is an error or differs from the first response to the same image.
"""

from __future__ import annotations

import argparse
import io
import json
import re
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from edge_cifar import machine
from edge_cifar.documents.provenance import Provenance
from edge_cifar.storage import files

RESULT = Path(__file__).resolve().parent / "results" / "serve-load.json"
PICTURES = 20
SIZE = (640, 480)
PATIENCE_SECONDS = 120.0


@dataclass(frozen=True)
class Answer:
    """One image: seconds until the response, number of 503s, and the response."""

    seconds: float
    sent_away: int
    labels: Any


def main() -> int:
    """Run the load test; returns 1 if something went wrong."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("target", help="the run, bundle or model file to serve")
    parser.add_argument("--requests", type=int, default=1000)
    parser.add_argument("--clients", type=int, default=16)
    parser.add_argument("--output", type=Path, default=RESULT)
    chosen = parser.parse_args()
    command = [sys.executable, "-m", "edge_cifar", "serve", chosen.target, "--port", "0"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as server:
        try:
            url = address(server)
            models = json.load(urllib.request.urlopen(f"{url}/models", timeout=PATIENCE_SECONDS))
            health = json.load(urllib.request.urlopen(f"{url}/healthz", timeout=PATIENCE_SECONDS))
            start = time.perf_counter()
            answers, errors = storm(url, chosen.requests, chosen.clients)
            seconds = time.perf_counter() - start
        finally:
            server.terminate()
            status = server.wait(PATIENCE_SECONDS)
    document = {
        "what": "edge-cifar serve under load",
        **Provenance.now("flask", "waitress", "pillow", "onnxruntime", "ai-edge-litert").to_json(),
        "command": f"python benchmarks/serve_load.py {chosen.target} --requests {chosen.requests} "
        f"--clients {chosen.clients}",
        "machine": machine.facts(),
        "model": models["model"],
        "artifacts": [entry["name"] for entry in models["models"]],
        "workers": health["workers"],
        "places": health["places"],
        "picture": f"JPEG, {SIZE[0]}×{SIZE[1]}",
        "clients": chosen.clients,
        "requests": chosen.requests,
        "answered": len(answers),
        "errors": errors[:10],
        "sent_away": sum(answer.sent_away for answer in answers),
        "seconds": seconds,
        "per_second": len(answers) / seconds,
        "latency_ms": percentiles([1e3 * answer.seconds for answer in answers]),
        "server_ended_with": status,
    }
    document["comparison"] = table(document)
    files.write_json(chosen.output, document)
    print(json.dumps({key: document[key] for key in ("answered", "sent_away", "per_second", "latency_ms", "errors")}))
    return 1 if errors or status else 0


def table(document: dict[str, Any]) -> dict[str, Any]:
    """The documents' table."""
    latency = document["latency_ms"]
    shown = {
        "artifacts that answer each picture": len(document["artifacts"]),
        "workers": document["workers"],
        "clients at once": document["clients"],
        "pictures answered": f"{document['answered']:,} of {document['requests']:,}",
        "errors": len(document["errors"]),
        "told to come back (503)": document["sent_away"],
        "pictures a second": f"{document['per_second']:.0f}",
        "answer, median": f"{latency['median']:.0f} ms",
        "answer, p99": f"{latency['p99']:.0f} ms",
    }
    return {
        "columns": [f"{document['model']}, {document['picture']}", ""],
        "rows": [list(row) for row in shown.items()],
    }


def address(server: subprocess.Popen[str]) -> str:
    """The address that the server prints; later output is read and dropped."""
    assert server.stderr is not None
    for line in server.stderr:
        told = re.search(r" at (http://\S+)", line)
        if told:
            threading.Thread(target=server.stderr.read, daemon=True).start()
            return told.group(1)
    raise SystemExit("the server did not start")


def storm(url: str, requests: int, clients: int) -> tuple[list[Answer], list[str]]:
    """All responses, and all errors."""
    pictures = [photograph(seed) for seed in range(PICTURES)]
    answers: list[Answer] = []
    errors: list[str] = []

    def one(number: int) -> None:
        try:
            answers.append(ask(f"{url}/predict", pictures[number % PICTURES]))
            expected = firsts.setdefault(number % PICTURES, answers[-1].labels)
            if answers[-1].labels != expected:
                errors.append(f"request {number} was answered differently")
        except OSError as error:
            errors.append(f"request {number}: {error}")

    firsts: dict[int, Any] = {}
    with ThreadPoolExecutor(clients) as pool:
        list(pool.map(one, range(requests)))
    return answers, errors


def ask(url: str, picture: bytes) -> Answer:
    """Send the image until there is a response."""
    start = time.perf_counter()
    sent_away = 0
    while True:
        request = urllib.request.Request(url, data=picture, headers={"Content-Type": "image/jpeg"})
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE_SECONDS) as reply:
                results = json.load(reply)["results"]
        except urllib.error.HTTPError as refused:
            if refused.code != 503:
                raise
            sent_away += 1
            time.sleep(float(refused.headers["Retry-After"]))
            continue
        return Answer(time.perf_counter() - start, sent_away, [one["predictions"] for one in results])


def photograph(seed: int) -> bytes:
    """An image with soft colors, as large in bytes as a small photograph."""
    colours = np.random.default_rng(seed).integers(0, 256, (24, 32, 3), np.uint8)
    stream = io.BytesIO()
    Image.fromarray(colours).resize(SIZE, Image.Resampling.BICUBIC).save(stream, "jpeg", quality=92)
    return stream.getvalue()


def percentiles(values: Sequence[float]) -> dict[str, float]:
    """p50, p90, p99 and the maximum."""
    named = {"median": 50, "p90": 90, "p99": 99, "max": 100}
    return {name: float(np.percentile(values, share)) for name, share in named.items()} if values else {}


if __name__ == "__main__":
    sys.exit(main())
