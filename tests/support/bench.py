"""What the tests of the benchmark share: subjects in the fake runtime, and quick settings."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import edge_cifar.formats
from edge_cifar.bench import session
from edge_cifar.bench.protocol import Protocol
from edge_cifar.bench.subject import Subject
from edge_cifar.documents.artifact import Artifact
from edge_cifar.documents.benchmark_result import BenchmarkResult
from edge_cifar.documents.bundle import Bundle
from edge_cifar.documents.dataset import DatasetInfo
from edge_cifar.documents.reference import Reference
from edge_cifar.parity import processes
from edge_cifar.progress import SILENT
from edge_cifar.steps.bench import measure
from edge_cifar.steps.bench_subjects import find_subjects
from edge_cifar.storage import files
from edge_cifar.variant import Variant
from support import SUPPORT
from support.pace import PATIENCE_SECONDS

FORMATS = SUPPORT / "formats"

QUICK = Protocol(
    seconds=0.12,
    processes=2,
    windows=6,
    minimum_inferences=2,
    warm_up_seconds=0.3,
    reloads=1,
    answer_seconds=PATIENCE_SECONDS,
)

# The fake runtime calls an image by its first byte: 18 of these 20 labels are what it answers.
IMAGES = np.zeros((20, 4, 4, 3), np.uint8)
IMAGES[:, 0, 0, 0] = np.arange(20) % 3
LABELS = (np.arange(20) % 3).astype(np.int64)
LABELS[:2] = 2


# A worker with the made-up format among its own.
_WORKER = """
import sys
sys.path.append(sys.argv[2])
import edge_cifar.formats
edge_cifar.formats.__path__.append(sys.argv[3])
import runpy
runpy.run_module(sys.argv[1], run_name="__main__")
"""


def install(monkeypatch: pytest.MonkeyPatch, folder: Path = FORMATS) -> None:
    """Make the made-up format one of the formats, here and in the workers that measure and that verify."""
    monkeypatch.setattr(edge_cifar.formats, "__path__", [*edge_cifar.formats.__path__, str(folder)])
    for module, name in ((session, "edge_cifar.bench.worker"), (processes, "edge_cifar.parity.worker")):
        monkeypatch.setattr(module, "WORKER", (sys.executable, "-c", _WORKER, name, str(SUPPORT.parent), str(folder)))


def fake_file(path: Path, **settings: Any) -> Path:
    """A file of the fake runtime."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(settings))
    return path


def fake_bundle(folder: Path, settings: dict[str, dict[str, Any]], model: str = "toy") -> Bundle:
    """A bundle with one artifact a precision, and its reference.

    Args:
        folder: the bundle's folder.
        settings: of each artifact's file, by precision.
        model: name of the run.
    """
    artifacts = []
    for precision, one in settings.items():
        path = fake_file(folder / f"fake-{precision}.fake", **one)
        artifacts.append(
            Artifact(
                path=path,
                variant=Variant("fake", precision),
                sha256=files.sha256(path),
                size_bytes=files.size_bytes(path),
                labels=("a", "b", "c"),
            )
        )
    toys = DatasetInfo(
        name="toys",
        checksum="c0ffee",
        synthetic=True,
        labels=(),
        image_shape=(),
        limit=None,
        train_images=None,
        validation_images=None,
        test_images=20,
    )
    bundle = Bundle(path=folder, model=model, artifacts=tuple(artifacts), dataset=toys)
    bundle.write_manifest()
    write_reference(bundle)
    return bundle


def write_reference(bundle: Bundle, labels: NDArray[np.int64] = LABELS) -> None:
    """The bundle's images, with the answers that the fake runtime gives."""
    answers = np.eye(3, dtype=np.float32)[IMAGES[:, 0, 0, 0]]
    Reference(images=IMAGES, labels=labels, probabilities=answers).write(bundle.reference_path)


def subjects(bundle: Bundle) -> list[Subject]:
    """A bundle's subjects, as ``bench`` finds them."""
    found, _ = find_subjects([bundle])
    return found


def measured(chosen: list[Subject], protocol: Protocol) -> list[BenchmarkResult]:
    """The rows of subjects that no target names."""
    return list(measure(chosen, protocol, None, SILENT).results)
