"""The process that runs one artifact: ``python -m edge_cifar.parity.worker``.

A damaged artifact may take its native runtime down with it. Each therefore answers in a process of
its own, which leaves either its answers or a sentence behind, or is seen to have died. It reads one
request, a line of JSON, from its standard input, and ends when that does: none outlives its caller.
"""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

import numpy as np

from edge_cifar import formats, model_files
from edge_cifar.documents.activations import Activations
from edge_cifar.documents.reference import Reference
from edge_cifar.errors import EdgeCifarError, RuntimeUnavailable
from edge_cifar.parity.matching import match
from edge_cifar.parity.perturbations import PLAIN, show
from edge_cifar.pixels import Images, Setup
from edge_cifar.processes.launch import end_with_the_caller
from edge_cifar.runtimes import Runtime
from edge_cifar.storage import archives, strict_json

ANSWERS = "answers.npz"
MATCHES = "matches.json"
LATENCY = "latency.json"
REFUSAL = "refusal.json"
# Written last: whatever stands beside it is whole.
DONE = "done"


def answer(artifact: Path, images: Path, start: int, stop: int, views: Sequence[str], out: Path) -> None:
    """Run an artifact on images under each view and write its answers.

    Args:
        artifact: the file or folder to run.
        images: the bundle's ``reference.npz``, or an ``.npy`` file of uint8 ``[N, H, W, 3]``.
        start: number of the first image.
        stop: number of the image behind the last.
        views: names from :mod:`edge_cifar.parity.perturbations`.
        out: an existing folder; ``answers.npz`` appears in it, with the runtime's name, the
            artifact's input shape, the labels that it holds, and float32 ``[count, classes]`` under
            ``view:NAME``. Images of another shape than the artifact's are not fed, and no view is written.
            Answers of a runtime's other backends that are verified too, to the images as they are, stand there
            under ``backend:NAME``.
    """
    runtime = _load(artifact)
    shown = _read(images)[start:stop]
    arrays: dict[str, Any] = {"runtime": np.array(runtime.name), "input_shape": np.array(runtime.input_shape)}
    if runtime.labels is not None:
        arrays["labels"] = np.array(runtime.labels, dtype=np.str_)
    if tuple(runtime.input_shape) == shown.shape[1:]:
        arrays |= {f"view:{view}": runtime.predict(show(shown, view)) for view in views}
        if list(views) == [PLAIN]:
            module = model_files.runtime_for(artifact)
            for backend in module.VERIFIED_TOO:
                arrays[f"backend:{backend}"] = module.load(artifact, setup=Setup(backend=backend)).predict(shown)
    np.savez(out / ANSWERS, **arrays)


def match_layers(format_: str, artifact: Path, reference: Path, activations: Path, out: Path) -> None:
    """Find the Keras model's layers among the values of an artifact and write the matches.

    Args:
        format_: the artifact's.
        artifact: the file or folder to compute.
        reference: the bundle's ``reference.npz``.
        activations: its ``activations.npz``.
        out: an existing folder; ``matches.json`` appears in it.
    """
    load = formats.get(format_).reader
    if load is None:
        raise RuntimeUnavailable(f"nothing here reads {format_} files")
    reader = load()
    layers = Activations.read(activations)
    images = Reference.read(reference).first(layers.images).images
    matches = match(layers, reader.sources(artifact), lambda observer: reader.observe(artifact, images, observer))
    text = json.dumps([dataclasses.asdict(found) for found in matches])
    (out / MATCHES).write_text(text, encoding="utf-8")


def time_inferences(artifact: Path, images: Path, runs: int, out: Path) -> None:
    """Time single inferences and write their median in milliseconds.

    Args:
        artifact: the file or folder to run.
        images: as :func:`answer` takes them; the first is shown.
        runs: how many inferences are timed, after one that is not.
        out: an existing folder; ``latency.json`` appears in it.
    """
    infer = _load(artifact).single(_read(images)[0])
    infer()
    times = []
    for _ in range(runs):
        start = perf_counter()
        infer()
        times.append(perf_counter() - start)
    (out / LATENCY).write_text(json.dumps(1000 * median(times)), encoding="utf-8")


def main() -> int:
    """Do what the request says: ``answer``, ``layers`` or ``latency``, with its own arguments."""
    request: dict[str, Any] = strict_json.message(sys.stdin.buffer.readline())
    end_with_the_caller()
    task, out = request["do"], Path(request["out"])
    artifact = Path(request["artifact"])
    try:
        if task == "answer":
            answer(artifact, Path(request["images"]), request["start"], request["stop"], tuple(request["views"]), out)
        elif task == "layers":
            match_layers(request["format"], artifact, Path(request["reference"]), Path(request["activations"]), out)
        else:
            time_inferences(artifact, Path(request["images"]), request["runs"], out)
        (out / DONE).touch()
    except (RuntimeUnavailable, ImportError) as error:
        _refuse(out, _sentence(error), unavailable=True)
    except EdgeCifarError as error:
        _refuse(out, str(error), unavailable=False)
    except Exception as error:  # a runtime's bindings raise what they like at a damaged artifact
        _refuse(out, _sentence(error), unavailable=False)
    return 0


def _load(artifact: Path) -> Runtime:
    if artifact.suffix not in model_files.suffixes():
        raise RuntimeUnavailable(f"no runtime here runs {artifact.suffix or 'such'} files")
    return model_files.load(artifact)


def _read(images: Path) -> Images:
    if images.suffix == ".npy":
        read: Images = archives.mapped(images)
        return read
    return Reference.read(images).images


def _refuse(out: Path, reason: str, *, unavailable: bool) -> None:
    (out / REFUSAL).write_text(json.dumps({"reason": reason, "unavailable": unavailable}), encoding="utf-8")


def _sentence(error: Exception) -> str:
    if isinstance(error, RuntimeUnavailable):
        return str(error)
    return f"{type(error).__name__}: {str(error).strip().partition(chr(10))[0]}"


if __name__ == "__main__":
    sys.exit(main())
