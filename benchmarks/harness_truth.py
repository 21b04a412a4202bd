"""Check the harness: compare its median with that of a hand-written loop on the same file.

    python benchmarks/harness_truth.py models/resnet8/export/tflite-fp32.tflite [FILE…] [--rounds 20] [--output FILE]

The loop shares no code with the harness. It calls LiteRT or ONNX Runtime in its own process, and reads the clock once
for several short inferences (0.2 ms in total; other processes' time slices would interrupt longer stretches). Windows
of the two alternate, so other load on the machine affects both. Prints one ratio per file, harness over loop, with its
95 % interval. Exits with 1 if one is outside 0.97 to 1.03. Run it on a quiet machine.
"""

from __future__ import annotations

import argparse
import gc
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

LOWEST, HIGHEST = 0.97, 1.03
BLOCK_SECONDS = 0.0002
PATIENCE_SECONDS = 120.0


def tight_loop(infer: Callable[[], object], seconds: float) -> None:
    """Serve windows: for each line read, print the median milliseconds of one inference."""
    gc.disable()
    infer()
    start = time.perf_counter()
    infer()
    size = max(1, round(BLOCK_SECONDS / (time.perf_counter() - start)))
    for _ in sys.stdin:
        for _ in range(size):
            infer()
        blocks = []
        end = time.perf_counter() + seconds
        while not blocks or time.perf_counter() < end:
            start = time.perf_counter()
            for _ in range(size):
                infer()
            blocks.append(time.perf_counter() - start)
        print(1e3 * statistics.median(blocks) / size, flush=True)


def by_hand(path: Path) -> Callable[[], object]:
    """One inference on one thread: set the input, run, read the output."""
    noise = np.random.default_rng(0)
    if path.suffix == ".tflite":
        from ai_edge_litert.interpreter import Interpreter

        interpreter = Interpreter(model_path=str(path), num_threads=1)
        interpreter.allocate_tensors()
        wanted, given = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
        tensor = noise.integers(0, 127, wanted["shape"]).astype(wanted["dtype"])

        def tflite() -> object:
            interpreter.set_tensor(wanted["index"], tensor)
            interpreter.invoke()
            return interpreter.get_tensor(given["index"])

        return tflite
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"  # read when it is imported
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    wanted_input = session.get_inputs()[0]
    shape = [size if isinstance(size, int) else 1 for size in wanted_input.shape]
    kind = {"tensor(float)": np.float32, "tensor(uint8)": np.uint8, "tensor(int8)": np.int8}[wanted_input.type]
    feed = {wanted_input.name: noise.integers(0, 127, shape).astype(kind)}
    return lambda: session.run(None, feed)


def compare(path: Path, rounds: int, seconds: float) -> dict[str, Any]:
    """Measure one file and print the ratio with its interval."""
    from edge_cifar.bench.session import WORKER
    from edge_cifar.bench.statistics import median_interval
    from edge_cifar.bench.subject import runtime_name, timed_runtime
    from edge_cifar.processes.worker import Worker

    ratios, harness_ms, loop_ms = [], [], []
    command = [sys.executable, __file__, "--serve", str(path), "--seconds", str(seconds)]
    with (
        Worker(WORKER) as worker,
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1) as loop,
    ):
        assert loop.stdin is not None
        assert loop.stdout is not None

        def ask(action: str, **arguments: Any) -> Any:
            return worker.ask({"do": action, **arguments}, seconds=PATIENCE_SECONDS)

        def by_harness() -> float:
            answer = ask("window", seconds=seconds, minimum=3)
            return statistics.median(answer["samples_ns"]) / 1e6

        def by_loop() -> float:
            loop.stdin.write("go\n")
            return float(loop.stdout.readline())

        ask("start", runtime=runtime_name(timed_runtime(path)))
        ask("load", path=str(path), threads=1)
        ask("first", images=None)
        ask("warm_up", seconds=1.0)
        by_loop()
        for number in range(rounds):
            if number % 2:
                loop_ms.append(by_loop())
                harness_ms.append(by_harness())
            else:
                harness_ms.append(by_harness())
                loop_ms.append(by_loop())
            ratios.append(harness_ms[-1] / loop_ms[-1])
        loop.stdin.close()
    ratio = median_interval(ratios)
    print(
        f"{path.name}: harness {statistics.median(harness_ms):.4f} ms, loop {statistics.median(loop_ms):.4f} ms, "
        f"ratio {ratio.value:.4f} [{ratio.low:.4f}, {ratio.high:.4f}]",
        flush=True,
    )
    return {
        "file": path.name,
        "harness_ms": statistics.median(harness_ms),
        "loop_ms": statistics.median(loop_ms),
        "ratio": ratio.value,
        "low": ratio.low,
        "high": ratio.high,
        "rounds": ratio.count,
    }


def main() -> int:
    """Compare the files named on the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="*", type=Path)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=0.1, help="seconds per window")
    parser.add_argument("--output", type=Path, help="write the results as JSON")
    parser.add_argument("--serve", metavar="FILE", help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.serve:
        tight_loop(by_hand(Path(chosen.serve)), chosen.seconds)
        return 0
    if not chosen.files:
        parser.error("name at least one .tflite or .onnx file")
    results = [compare(path, chosen.rounds, chosen.seconds) for path in chosen.files]
    if chosen.output:
        import _results

        _results.write(
            chosen.output,
            results,
            columns=["file", "harness, ms", "loop, ms", "ratio (95 % interval)"],
            rows=[
                [
                    one["file"],
                    f"{one['harness_ms']:.4f}",
                    f"{one['loop_ms']:.4f}",
                    f"{one['ratio']:.4f} ({one['low']:.4f} to {one['high']:.4f})",
                ]
                for one in results
            ],
        )
    return 0 if all(LOWEST <= one["ratio"] <= HIGHEST for one in results) else 1


if __name__ == "__main__":
    sys.exit(main())
