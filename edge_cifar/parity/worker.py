"""The process that runs one artifact: ``python -m edge_cifar.parity.worker``.

A damaged artifact may crash its native runtime, so each runs in its own process
(:mod:`edge_cifar.processes.request_loop`).
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

import numpy as np

from edge_cifar import formats, model_files
from edge_cifar.documents.activations import Activations
from edge_cifar.documents.reference import Reference
from edge_cifar.errors import RuntimeUnavailable, first_line
from edge_cifar.parity.matching import Match, match
from edge_cifar.parity.perturbations import PLAIN, show
from edge_cifar.pixels import PLAIN as PLAIN_SETUP
from edge_cifar.pixels import Images, Setup
from edge_cifar.processes import request_loop
from edge_cifar.processes.request_loop import Answer, Message
from edge_cifar.runtimes import Runtime
from edge_cifar.storage import archives

ANSWERS = "answers.npz"


def answer_images(
    artifact: Path,
    images: Path,
    start: int,
    stop: int,
    views: Sequence[str],
    out: Path,
    setup: Setup = PLAIN_SETUP,
) -> None:
    """Run an artifact on images under each view and write its answers.

    Args:
        artifact: the file or folder to run.
        images: the bundle's ``reference.npz``, or an ``.npy`` file of uint8 ``[N, H, W, 3]``.
        start: number of the first image.
        stop: number of the image behind the last.
        views: names from :mod:`edge_cifar.parity.perturbations`.
        out: an existing folder; ``answers.npz`` appears in it, with the runtime's name, the
            artifact's input shape, how pixels are given to it, the labels that it holds, and float32
            ``[count, classes]`` under ``view:NAME``. Images of another shape than the artifact's are not fed, and no
            view is written. Answers of a runtime's other backends that are verified too, to the images as they are,
            stand there under ``backend:NAME``.
        setup: how to run it.
    """
    runtime = _load(artifact, setup)
    shown = _read(images)[start:stop]
    given = {"preprocessing": dataclasses.asdict(runtime.preprocessing), "ground": runtime.range_ground}
    arrays: dict[str, Any] = {
        "runtime": np.array(runtime.name),
        "input_shape": np.array(runtime.input_shape),
        "input": np.array(json.dumps(given)),
    }
    if runtime.labels is not None:
        arrays["labels"] = np.array(runtime.labels, dtype=np.str_)
    if tuple(runtime.input_shape) == shown.shape[1:]:
        arrays |= {f"view:{view}": runtime.predict(show(shown, view)) for view in views}
        if list(views) == [PLAIN]:
            module = model_files.runtime_for(artifact)
            for backend in module.VERIFIED_TOO:
                arrays[f"backend:{backend}"] = module.load(
                    artifact, setup=dataclasses.replace(setup, backend=backend)
                ).predict(shown)
    np.savez(out / ANSWERS, **arrays)


def match_layers(format_: str, artifact: Path, reference: Path, activations: Path) -> Sequence[Match]:
    """Find the Keras model's layers among the values of an artifact.

    Args:
        format_: the artifact's.
        artifact: the file or folder to compute.
        reference: the bundle's ``reference.npz``.
        activations: its ``activations.npz``.
    """
    load = formats.get(format_).reader
    if load is None:
        raise RuntimeUnavailable(f"no reader for {format_} files")
    reader = load()
    layers = Activations.read(activations)
    images = np.asarray(Reference.read(reference).first(layers.images).images)
    return match(layers, reader.sources(artifact), lambda observer: reader.observe(artifact, images, observer))


def time_inferences(artifact: Path, images: Path, runs: int) -> float:
    """Median time of single inferences, in milliseconds.

    Args:
        artifact: the file or folder to run.
        images: as :func:`answer` takes them; the first is shown.
        runs: how many inferences are timed, after one that is not.
    """
    infer = _load(artifact).single(_read(images)[0])
    infer()
    times = []
    for _ in range(runs):
        start = perf_counter()
        infer()
        times.append(perf_counter() - start)
    return 1000 * median(times)


def handle(request: Message, answer: Answer) -> None:
    """Carry out a request: ``answer``, ``layers`` or ``latency``, with its own arguments.

    Raises:
        RuntimeUnavailable: no runtime of this machine runs the artifact; a broken installation counts as none.
    """
    artifact = Path(request["artifact"])
    try:
        if request["do"] == "answer":
            views, out = tuple(request["views"]), Path(request["out"])
            setup = Setup.from_json(request["setup"])
            answer_images(artifact, Path(request["images"]), request["start"], request["stop"], views, out, setup)
            answer({"done": True})
        elif request["do"] == "layers":
            paths = Path(request["reference"]), Path(request["activations"])
            matches = match_layers(request["format"], artifact, *paths)
            answer({"matches": [dataclasses.asdict(match) for match in matches]})
        else:
            answer({"milliseconds": time_inferences(artifact, Path(request["images"]), request["runs"])})
    except ImportError as error:
        raise RuntimeUnavailable(f"{type(error).__name__}: {first_line(error)}") from error


def _load(artifact: Path, setup: Setup = PLAIN_SETUP) -> Runtime:
    if not model_files.is_model(artifact):
        raise RuntimeUnavailable(f"no runtime on this machine runs {artifact.suffix or 'such'} files")
    return model_files.load(artifact, setup=setup)


def _read(images: Path) -> Images:
    if images.suffix == ".npy":
        read: Images = archives.mapped(images)
        return read
    return np.asarray(Reference.read(images).images)


if __name__ == "__main__":
    request_loop.serve(handle)
