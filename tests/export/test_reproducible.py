"""The same run gives the same bytes, whichever process converts it, and the manifest says so."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from support.export import LABELS, calibration, network

from edge_cifar import formats
from edge_cifar.export.options import ExportOptions
from edge_cifar.export.worker import Task, write_calibration
from edge_cifar.storage import files
from edge_cifar.variant import Variant

pytest.importorskip("tensorflow", reason="conversion needs TensorFlow")

WORKER = (sys.executable, "-m", "edge_cifar.export.worker")


@pytest.mark.slow
@pytest.mark.parametrize("name", formats.exported())
def test_two_processes_write_the_same_bytes(name: str, tmp_path: Path) -> None:
    format_ = formats.get(name)
    for package in format_.packages:
        pytest.importorskip(package, reason=f"{name} needs {package}")
    network().save(tmp_path / "model.keras")
    write_calibration(calibration(), tmp_path / "calibration.npz")
    precisions = tuple(precision for precision in format_.precisions if "-" not in precision)
    digests = []
    # The seed of Python's hashes decides the order of its sets, and is another in every process.
    for seed in ("1", "2"):
        folder = tmp_path / seed
        folder.mkdir()
        task = Task(
            format=name,
            precisions=precisions if seed == "1" else tuple(reversed(precisions)),
            model=str(tmp_path / "model.keras"),
            folder=str(folder),
            labels=LABELS,
            calibration=str(tmp_path / "calibration.npz"),
            options=ExportOptions(),
            metadata={precision: {"model": "stand-in"} for precision in precisions},
        )
        with subprocess.Popen(
            WORKER, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env={**os.environ, "PYTHONHASHSEED": seed}
        ) as process:
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.write(task.request().encode() + b"\n")
            process.stdin.flush()
            assert len(process.stdout.readlines()) == len(precisions)
        digests.append(
            {
                precision: files.sha256(folder / f"{Variant(name, precision)}{format_.suffix}")
                for precision in precisions
            }
        )
    assert digests[0] == digests[1]
