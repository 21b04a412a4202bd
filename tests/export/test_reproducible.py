"""The same run gives the same bytes, whichever process converts it, and the manifest says so."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.export import LABELS, calibration, network

from edge_cifar import formats
from edge_cifar.export import pool
from edge_cifar.export.options import ExportOptions
from edge_cifar.export.worker import Task, write_calibration
from edge_cifar.processes.worker import Worker
from edge_cifar.storage import files
from edge_cifar.variant import Variant

pytest.importorskip("tensorflow", reason="conversion needs TensorFlow")


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
        with Worker(pool.WORKER, {"PYTHONHASHSEED": seed}) as worker:
            worker.send(task.to_json())
            assert [worker.receive()["variant"] for _ in precisions] == [f"{name}-{one}" for one in task.precisions]
        digests.append(
            {
                precision: files.sha256(folder / f"{Variant(name, precision)}{format_.suffix}")
                for precision in precisions
            }
        )
    assert digests[0] == digests[1]
