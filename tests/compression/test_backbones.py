"""Every backbone can be trained for 8 bits, and thinned."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from support.retraining import kernels, model, pictures, request

from edge_cifar import backbones
from edge_cifar.compression import retraining
from edge_cifar.runtimes import keras as keras_runtime
from edge_cifar.runtimes import litert

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(retraining.missing() is not None, reason="training again needs tensorflow-model-optimization"),
]


@pytest.mark.parametrize("name", backbones.names())
def test_the_trained_file_answers_as_the_weights_that_come_back(name: str, tmp_path: Path) -> None:
    outcome = retraining.retrain(request(name, "qat", images=32))
    assert outcome.flatbuffer is not None
    path = tmp_path / "network.tflite"
    path.write_bytes(outcome.flatbuffer)
    keras_model = model(name)
    keras_model.set_weights(outcome.weights)
    images = pictures(keras_model.input_shape[1], 50, 5)
    runtime = litert.load(path)
    assert runtime.input_shape == keras_model.input_shape[1:]
    apart = np.abs(runtime.predict(images) - keras_runtime.of_model(keras_model).predict(images))
    # Random weights magnify rounding; a layer in the wrong place or a preprocessing left out costs tenths.
    assert apart.mean() < 0.03


@pytest.mark.parametrize("name", backbones.names())
def test_half_of_each_kernel_becomes_zero(name: str) -> None:
    outcome = retraining.retrain(request(name, "pruned", 50, images=64))
    thinned = [kernel for kernel in kernels(outcome.weights) if kernel.size > 100]
    assert thinned
    for kernel in thinned:
        assert np.mean(kernel == 0) == pytest.approx(0.5, abs=0.02)
