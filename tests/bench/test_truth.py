"""The harness against the truth: an inference of known length, and a loop written by hand.

Bounds are loose here, since tests share their machine; benchmarks/harness_truth.py holds them tight.
"""

from __future__ import annotations

import time
import timeit
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support import bench as bench_support
from support.bench import fake_file
from support.small_onnx import convolution

from edge_cifar import model_files
from edge_cifar.bench import session
from edge_cifar.processes.worker import Worker


def samples_ms(path: Path, runtime: str) -> np.ndarray[Any, np.dtype[np.float64]]:
    """What a worker says of single inferences."""
    with Worker(session.WORKER) as worker:
        for request in (
            {"do": "start", "runtime": runtime},
            {"do": "load", "path": str(path), "threads": 1},
            {"do": "first", "images": None},
            {"do": "warm_up", "seconds": 0.3},
        ):
            worker.ask(request)
        answer = worker.ask({"do": "window", "seconds": 0.3, "minimum": 50})
    return np.array(answer["samples_ns"]) / 1e6


def test_an_inference_of_known_length_is_measured_as_that(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    bench_support.install(monkeypatch)
    path = fake_file(tmp_path / "a.fake", milliseconds=1.0)
    samples = samples_ms(path, "fake")
    infer = model_files.load(path).single(np.zeros((4, 4, 3), np.uint8))
    by_hand = min(timeit.repeat(infer, number=1, repeat=100)) * 1e3
    # The least disturbed inference: other processes lengthen the rest.
    assert 1.0 <= samples.min() < 1.05 * by_hand


def test_the_harness_agrees_with_a_loop_written_by_hand(tmp_path: Path) -> None:
    pytest.importorskip("onnx", reason="the test's model is written with onnx")
    onnxruntime = pytest.importorskip("onnxruntime", reason="the test's model is run by ONNX Runtime")
    path = convolution(tmp_path / "small.onnx")
    harness = float(np.quantile(samples_ms(path, "onnxruntime"), 0.1))
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    feed = {"image": np.random.default_rng(0).integers(0, 256, (1, 32, 32, 3)).astype(np.float32)}
    durations = []
    for _ in range(300):
        start = time.perf_counter()
        session.run(["probabilities"], feed)
        durations.append(1e3 * (time.perf_counter() - start))
    by_hand = float(np.quantile(durations[50:], 0.1))
    assert 0.7 < harness / by_hand < 1.4
