"""A stand-in for LiteRT's package, whose files do what they say: answer, crash, hang, refuse."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest

from edge_cifar.documents.artifact import Artifact
from edge_cifar.documents.bundle import Bundle
from edge_cifar.documents.reference import Reference
from edge_cifar.readers import Link, Network, tflite
from edge_cifar.storage import files
from edge_cifar.variant import Variant

# A flatbuffer whose root table, at 8 with its vtable at 12, has no field: no metadata, so no labels.
EMPTY_FLATBUFFER = struct.pack("<IIiHH", 8, 0, -4, 4, 4)

# What follows it in a `.tflite` file for the stand-in holds one line of Python, run when it is loaded or invoked.
STAND_IN = """
import os, signal, time, pathlib
import numpy as np

class Interpreter:
    def __init__(self, model_path, num_threads):
        self._text = pathlib.Path(model_path).read_bytes()[16:].decode()
        if self._text.startswith("load:"):
            exec(self._text[5:])

    def allocate_tensors(self):
        pass

    def get_input_details(self):
        shape = np.array([1, 2, 2, 3])
        facts = {"index": 0, "name": "pixels", "dtype": np.uint8, "quantization": (1.0, 0)}
        return [{**facts, "shape": shape, "shape_signature": shape}]

    def get_output_details(self):
        shape = np.array([1, 3])
        facts = {"index": 1, "name": "probabilities", "dtype": np.float32, "quantization": (0.0, 0)}
        return [{**facts, "shape": shape, "shape_signature": shape}]

    def set_tensor(self, index, value):
        self._image = value

    def invoke(self):
        if self._text.startswith("invoke:"):
            exec(self._text[7:])

    def get_tensor(self, index):
        first = self._image[0, 0, 0].astype(np.float32) + 1
        return (first / first.sum())[None]
"""

IMAGES = np.random.default_rng(0).integers(0, 256, (20, 2, 2, 3), np.uint8)
PIXEL = IMAGES[:, 0, 0].astype(np.float32) + 1
PROBABILITIES = PIXEL / PIXEL.sum(axis=1, keepdims=True)


def install(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Put the stand-in on the workers' path, in a folder of its own; returns its package."""
    package = folder / "packages" / "ai_edge_litert"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "interpreter.py").write_text(STAND_IN)
    monkeypatch.setenv("PYTHONPATH", str(package.parent))
    # The stand-in's files hold no graph: what is read of one is that of a file which hands its image on.
    monkeypatch.setattr(tflite, "network", lambda path: Network(operations=(), answer=Link(source=None)))
    return package


def bundle_of(folder: Path, **contents: str) -> Bundle:
    """A bundle with one file an argument, all called ``tflite-...``."""
    folder.mkdir(exist_ok=True)
    Reference(images=IMAGES, labels=PROBABILITIES.argmax(axis=1), probabilities=PROBABILITIES).write(
        folder / "reference.npz"
    )
    artifacts = []
    for precision, text in contents.items():
        path = folder / f"tflite-{precision}.tflite"
        path.write_bytes(EMPTY_FLATBUFFER + text.encode())
        artifacts.append(
            Artifact(
                path=path,
                variant=Variant("tflite", precision),
                sha256=files.sha256(path),
                size_bytes=files.size_bytes(path),
                labels=("bird", "cat", "dog"),
            )
        )
    bundle = Bundle(path=folder, model="tiny", artifacts=tuple(artifacts), labels=("bird", "cat", "dog"))
    bundle.write_manifest()
    return bundle
