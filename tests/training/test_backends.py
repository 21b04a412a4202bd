"""One training, on every backend of Keras that is installed: TensorFlow, JAX, PyTorch."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge_cifar import packages
from edge_cifar.documents.run import Run

# All that a recipe can ask for is in it; the first phase learns the head alone. No TensorFlow may be
# loaded by the training itself where Keras computes with something else.
_SCRIPT = """
import sys
from pathlib import Path
import numpy as np
from edge_cifar import backbones
from edge_cifar.recipe import Augmentation, Phase, Recipe
from edge_cifar.steps.train import train

backbones.get("resnet8").recipes["default"] = Recipe(
    batch_size=40, optimizer="adamw", weight_decay=0.01, label_smoothing=0.1, weight_averaging=0.8,
    batch_norm_momentum=0.9,
    augmentation=Augmentation(flip=True, translation=0.1, rotation=10, zoom=0.1, cutout=0.3, mixup=0.2, cutmix=True),
    phases=(
        Phase(name="head", epochs=1, trainable="head", learning_rate=1e-3),
        Phase(name="rest", epochs=2, learning_rate=1e-3, schedule="cosine", reestimate_batch_norm=True),
    ),
)
run = train("resnet8", data="synthetic", limit=110, device="cpu", out=Path(sys.argv[1]))

import keras
model = keras.saving.load_model(run.model_path, compile=False)
images = np.random.default_rng(0).integers(0, 256, (8, 32, 32, 3)).astype(np.float32)
np.save(sys.argv[2], model.predict(images, verbose=0))
"""


@pytest.fixture(scope="module", params=["tensorflow", "jax", "torch"])
def trained(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Run, Any]:
    """A backend, the run that it trained, and its model's probabilities for a few images."""
    if not packages.installed(request.param):
        pytest.skip(f"Keras on {request.param} is not installed; run: pip install {request.param}")
    folder = tmp_path_factory.mktemp(request.param)
    script = folder / "script.py"
    script.write_text(_SCRIPT)
    done = subprocess.run(
        [sys.executable, str(script), str(folder / "run"), str(folder / "probabilities.npy")],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "KERAS_BACKEND": request.param, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return request.param, Run.open(folder / "run"), np.load(folder / "probabilities.npy")


def test_every_backend_trains_and_the_record_says_which(trained: tuple[str, Run, Any]) -> None:
    backend, run, _ = trained
    record = run.record().to_json()
    assert (record["backend"], record["device"], record["policy"]) == (backend, "cpu", "float32")
    assert {"keras", "numpy", backend} <= record["versions"].keys()
    assert [entry["phase"] for entry in record["history"]] == ["head", "rest", "rest"]
    assert all(np.isfinite(entry["loss"]) for entry in record["history"])
    assert [phase["name"] for phase in record["phases"]] == ["head", "rest"]


def test_a_model_trained_on_any_backend_exports_from_tensorflow(trained: tuple[str, Run, Any], tmp_path: Path) -> None:
    for package in ("tensorflow", "ai_edge_litert"):
        pytest.importorskip(package, reason=f"export to TensorFlow Lite needs {package}")
    from edge_cifar.steps.export import export

    _, run, expected = trained
    bundle = export(
        run,
        formats=["tflite"],
        precisions=["fp32"],
        calibration_images=10,
        reference_images=10,
        max_drop=100.0,
        out=tmp_path / "bundle",
    )
    from edge_cifar.runtimes import litert

    images = np.random.default_rng(0).integers(0, 256, (8, 32, 32, 3)).astype(np.uint8)
    (artifact,) = bundle.artifacts
    # What verify asks of fp32; the backends' own convolutions differ by less.
    np.testing.assert_allclose(litert.load(artifact.path).predict(images), expected, atol=1e-3)
