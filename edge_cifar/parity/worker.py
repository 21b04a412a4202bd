"""The process that runs one artifact: ``python -m edge_cifar.parity.worker``.

A damaged artifact may take its native runtime down with it. Each therefore answers in a process of
its own, which leaves either its answers or a sentence behind, or is seen to have died.
"""

from __future__ import annotations

import dataclasses
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

import edge_cifar.contents
from edge_cifar import plugins
from edge_cifar.activations import Activations
from edge_cifar.errors import EdgeCifarError, RuntimeUnavailable
from edge_cifar.parity.matching import match
from edge_cifar.parity.views import PLAIN, show
from edge_cifar.reference import Reference
from edge_cifar.runtimes import Setup, loading

ANSWERS = "answers.npz"
MATCHES = "matches.json"
REFUSAL = "refusal.json"


def answer(artifact: Path, reference: Path, count: int, views: list[str], out: Path) -> None:
    """Run an artifact on the reference images under each view and write its answers.

    Args:
        artifact: the file or folder to run.
        reference: the bundle's ``reference.npz``.
        count: how many of its images, from the first.
        views: names from :mod:`edge_cifar.parity.views`.
        out: an existing folder; ``answers.npz`` appears in it, with the runtime's name, the
            artifact's input shape, the labels that it holds, and float32 ``[count, classes]`` under
            ``view:NAME``. Images of another shape than the artifact's are not fed, and no view is written.
            Core ML's answers to the images as they are stand there for each choice of processors, too,
            under ``backend:NAME``: half of them compute with kernels of their own.
    """
    runtime = loading.load(artifact)
    images = Reference.read(reference).first(count).images
    arrays: dict[str, Any] = {"runtime": np.array(runtime.name), "input_shape": np.array(runtime.input_shape)}
    if runtime.labels is not None:
        arrays["labels"] = np.array(runtime.labels, dtype=np.str_)
    if tuple(runtime.input_shape) == images.shape[1:]:
        arrays |= {f"view:{view}": runtime.predict(show(images, view)) for view in views}
        if runtime.name == "coreml" and views == [PLAIN]:
            module = loading.runtime_for(artifact)
            for backend in module.BACKENDS[1:]:
                arrays[f"backend:{backend}"] = module.load(artifact, setup=Setup(backend=backend)).predict(images)
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
    module = plugins.load(edge_cifar.contents, format_, "format")
    layers = Activations.read(activations)
    images = Reference.read(reference).first(layers.images).images
    matches = match(layers, module.sources(artifact), lambda observer: module.observe(artifact, images, observer))
    text = json.dumps([dataclasses.asdict(found) for found in matches])
    (out / MATCHES).write_text(text, encoding="utf-8")


def main() -> int:
    """Do what the arguments say: ``answer`` or ``layers``, its own arguments, the folder for the outcome."""
    task, *arguments, folder = sys.argv[1:]
    out = Path(folder)
    try:
        if task == "answer":
            artifact, reference, count, views = arguments
            answer(Path(artifact), Path(reference), int(count), views.split(","), out)
        else:
            format_, artifact, reference, activations = arguments
            match_layers(format_, Path(artifact), Path(reference), Path(activations), out)
    except (RuntimeUnavailable, ImportError) as error:
        _refuse(out, _sentence(error), unavailable=True)
    except EdgeCifarError as error:
        _refuse(out, str(error), unavailable=False)
    except Exception as error:  # a runtime's bindings raise what they like at a damaged artifact
        _refuse(out, _sentence(error), unavailable=False)
    return 0


def _refuse(out: Path, reason: str, *, unavailable: bool) -> None:
    (out / REFUSAL).write_text(json.dumps({"reason": reason, "unavailable": unavailable}), encoding="utf-8")


def _sentence(error: Exception) -> str:
    if isinstance(error, RuntimeUnavailable):
        return str(error)
    return f"{type(error).__name__}: {str(error).strip().partition(chr(10))[0]}"


if __name__ == "__main__":
    sys.exit(main())
