"""Several devices train one model: on two virtual ones of a CPU, in a process of their own for each backend."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

import numpy as np
import pytest

from edge_cifar import packages

# Fits the same small network on one device and on two, then sends ResNet8 through the whole step with
# the two standing in for GPUs. A layer tells on which device it ran and how much of the batch it saw.
_SCRIPT = """
import json, sys
from pathlib import Path
import keras
import numpy as np

if keras.backend.backend() == "tensorflow":
    import tensorflow as tf
    tf.config.set_logical_device_configuration(
        tf.config.list_physical_devices("CPU")[0], [tf.config.LogicalDeviceConfiguration()] * 2)

from edge_cifar.recipe import Augmentation
from edge_cifar.steps.train import train
from edge_cifar.training import backend, parallel
from edge_cifar.training.averaging import TrainedWeights
from edge_cifar.training.learner import Learner, examples

names = keras.distribution.list_devices("cpu")
shares = set()

class Share(keras.layers.Layer):
    def call(self, inputs):
        if keras.backend.backend() == "tensorflow":
            context = tf.distribute.get_replica_context()
            if context is None:  # the model is being made
                return inputs
            def note(rows, replica):
                shares.add((int(replica), int(rows)))
                return rows
            rows = tf.numpy_function(note, [tf.shape(inputs)[0], context.replica_id_in_sync_group], tf.int32)
            with tf.control_dependencies([rows]):
                return tf.identity(inputs)
        import jax
        def note(sharding):
            rows = sharding.shard_shape(inputs.shape)[0]
            shares.update((device.id, rows) for device in sharding.device_set)
        jax.debug.inspect_array_sharding(inputs, callback=note)
        return inputs

def losses(devices):
    shares.clear()
    keras.utils.set_random_seed(0)
    random = np.random.default_rng(0)
    images = random.integers(0, 256, (64, 8, 8, 3), np.uint8)
    targets = np.eye(3, dtype=np.float32)[random.integers(0, 3, 64)]
    with parallel.over(devices, 16):
        network = keras.Sequential([
            keras.Input((8, 8, 3)), Share(), keras.layers.Rescaling(1 / 255),
            keras.layers.Conv2D(4, 3, activation="relu"), keras.layers.GlobalAveragePooling2D(),
            keras.layers.Dense(3, activation="softmax")])
        learner = Learner(network, Augmentation(), 0)
        learner.compile(
            optimizer=keras.optimizers.SGD(0.1, momentum=0.9, use_ema=True, ema_momentum=0.9),
            loss="categorical_crossentropy", metrics=["accuracy"], jit_compile=keras.backend.backend() == "jax")
        history = []
        for _ in range(3):
            trained = TrainedWeights()
            fitted = learner.fit(
                examples(images, targets), batch_size=16, shuffle=False, verbose=0, callbacks=[trained])
            trained.put_back()
            history.append(fitted.history["loss"][0])
    return {"losses": history, "weights": [weights.tolist() for weights in network.get_weights()],
            "shares": sorted(shares)}

told = {"one": losses([]), "two": losses(names)}
backend._GPUS[keras.backend.backend()] = lambda: ["virtual CPU"] * 2
parallel.devices = lambda: names
run = train(
    "resnet8", data="synthetic", limit=110, epochs=[1], batch_size=32, mixed_precision="off", out=Path(sys.argv[1]))
told["record"] = {name: run.record().to_json()[name] for name in ("backend", "device", "policy", "test", "history")}
print(json.dumps(told))
"""


@pytest.fixture(scope="module", params=["tensorflow", "jax"])
def told(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the script saw under a backend."""
    if not packages.installed(request.param):
        pytest.skip(f"Keras on {request.param} is not installed; run: pip install {request.param}")
    folder = tmp_path_factory.mktemp("parallel")
    script = folder / "script.py"
    script.write_text(_SCRIPT)
    environment = {
        **os.environ,
        "KERAS_BACKEND": request.param,
        "XLA_FLAGS": "--xla_force_host_platform_device_count=2",
        "PYTHONPATH": os.pathsep.join(sys.path),
    }
    done = subprocess.run(
        [sys.executable, str(script), str(folder / "run")], capture_output=True, text=True, check=False, env=environment
    )
    assert done.returncode == 0, done.stderr[-3000:]
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


def test_each_device_takes_its_half_of_every_batch(told: dict[str, Any]) -> None:
    assert told["two"]["shares"] == [[0, 8], [1, 8]]
    assert [0, 16] in told["one"]["shares"]


def test_two_devices_train_as_one_does(told: dict[str, Any]) -> None:
    # The same sums in another order: float32 rounds at 6e-8, and twelve steps pass it on.
    np.testing.assert_allclose(told["two"]["losses"], told["one"]["losses"], rtol=1e-5)
    for two, one in zip(told["two"]["weights"], told["one"]["weights"], strict=True):
        np.testing.assert_allclose(two, one, rtol=1e-4, atol=1e-6)
    assert told["one"]["losses"][-1] < told["one"]["losses"][0]


def test_all_gpus_of_the_machine_train_and_the_record_names_them(told: dict[str, Any]) -> None:
    record = told["record"]
    assert record["device"] == "gpu: 2 x virtual CPU"
    assert np.isfinite(record["history"][0]["loss"])
    # 110 images are no multiple of a batch: neither what is fitted last nor what is predicted divides evenly.
    assert record["test"]["images"] == 110
