"""Weights that are trained again: what comes back from the process that does it."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.retraining import kernels, model, pictures, request

from edge_cifar import packages
from edge_cifar.compression import retraining
from edge_cifar.compression.exchange import Outcome, Request
from edge_cifar.converters.shared import bias_correction
from edge_cifar.errors import ConversionError, MissingPackage
from edge_cifar.runtimes import keras as keras_runtime
from edge_cifar.runtimes import litert

# Not importorskip: what is imported here sets the variable that a test below wants unset.
pytestmark = pytest.mark.skipif(
    retraining.missing() is not None, reason="training again needs tensorflow-model-optimization"
)

NAME = "resnet8"


@pytest.fixture(scope="module")
def rounded() -> Outcome:
    return retraining.retrain(request(NAME, "qat"))


@pytest.fixture(scope="module")
def pruned() -> Outcome:
    return retraining.retrain(request(NAME, "pruned", 50))


@pytest.fixture(scope="module")
def clustered() -> Outcome:
    return retraining.retrain(request(NAME, "cluster", 16))


def test_the_file_for_8_bits_takes_the_bytes_themselves(rounded: Outcome, tmp_path: Path) -> None:
    interpreter = _interpreter(rounded, tmp_path)
    (image,) = interpreter.get_input_details()
    (answer,) = interpreter.get_output_details()
    assert (image["dtype"], image["quantization"]) == (np.uint8, (1.0, 0))
    assert (answer["dtype"], answer["quantization"]) == (np.uint8, (1 / 256, 0))


def test_nothing_in_it_is_left_in_floats(rounded: Outcome, tmp_path: Path) -> None:
    kinds = {detail["dtype"] for detail in _interpreter(rounded, tmp_path).get_tensor_details()}
    assert kinds == {np.uint8, np.int8, np.int32}


def test_the_weights_that_come_back_compute_what_the_file_does(rounded: Outcome, tmp_path: Path) -> None:
    images = pictures(32, 100, 5)
    expected = _answers(rounded, images)
    given = litert.load(_file(rounded, tmp_path)).predict(images)
    # Untrained, with wide logits: activations in 8 bits cost a few hundredths on average, anything wrong tenths.
    assert np.abs(given - expected).mean() < 0.02
    assert np.mean(given.argmax(axis=1) == expected.argmax(axis=1)) > 0.9


def test_kernels_lie_on_the_grid_that_they_were_trained_for(rounded: Outcome) -> None:
    for kernel in kernels(rounded.weights):
        np.testing.assert_allclose(bias_correction.rounded(kernel), kernel, rtol=1e-5, atol=1e-7)


def test_training_moves_what_is_not_rounded_too(rounded: Outcome) -> None:
    # The last bias is the only one that no batch norm stands behind.
    assert not np.array_equal(rounded.weights[-1], model(NAME).get_weights()[-1])
    np.testing.assert_allclose(rounded.weights[-1], model(NAME).get_weights()[-1], atol=1e-3)


def test_the_history_tells_of_the_state_before_the_first_step_and_of_the_training(rounded: Outcome) -> None:
    steps = [measured.step for measured in rounded.history]
    assert (steps[0], steps[-1]) == (0, rounded.steps)
    assert all(0 <= measured.val_accuracy <= 1 for measured in rounded.history)
    assert rounded.history[0].loss is None
    assert all(np.isfinite(measured.loss) for measured in rounded.history[1:])


def test_half_of_the_weights_of_each_layer_are_zero(pruned: Outcome) -> None:
    for kernel in kernels(pruned.weights):
        assert np.mean(kernel == 0) == pytest.approx(0.5, abs=0.02)
    assert pruned.flatbuffer is None


@pytest.mark.parametrize("which", ["pruned", "clustered"])
def test_thinned_weights_are_values_that_half_precision_holds(which: str, request: pytest.FixtureRequest) -> None:
    outcome: Outcome = request.getfixturevalue(which)
    for kernel in kernels(outcome.weights):
        np.testing.assert_array_equal(kernel.astype(np.float16).astype(np.float32), kernel)


def test_zeros_stay_zeros_in_8_bits(pruned: Outcome) -> None:
    for kernel in kernels(pruned.weights):
        assert np.all(bias_correction.rounded(kernel)[kernel == 0] == 0)


def test_a_layer_has_no_more_values_than_were_asked_for(clustered: Outcome) -> None:
    for kernel in kernels(clustered.weights):
        assert len(np.unique(kernel)) <= 16


@pytest.mark.parametrize("which", ["pruned", "clustered"])
def test_few_steps_leave_the_answers_near(which: str, request: pytest.FixtureRequest) -> None:
    outcome: Outcome = request.getfixturevalue(which)
    images = pictures(32, 100, 5)
    apart = np.abs(_answers(outcome, images) - keras_runtime.of_model(model(NAME)).predict(images)).mean()
    # Random weights do not thin well, but a layer in another's place would leave nothing alike.
    assert 0 < apart < 0.12


def test_the_environment_of_the_caller_stays_with_keras_3(rounded: Outcome) -> None:
    assert "TF_USE_LEGACY_KERAS" not in os.environ


# ---- what goes wrong


def test_weights_of_another_network_are_one_sentence() -> None:
    asked = request(NAME, "qat")
    broken = _with(asked, weights=asked.weights[:-1])
    with pytest.raises(ConversionError, match="the model's weights do not fit resnet8 as this version builds it"):
        retraining.retrain(broken)


@pytest.mark.slow
def test_a_training_that_diverges_is_one_sentence() -> None:
    asked = request(NAME, "qat")
    weights = [np.full_like(array, np.nan) if array.ndim == 4 else array for array in asked.weights]
    with pytest.raises(ConversionError, match="its training diverged at step 1 of 2"):
        retraining.retrain(_with(asked, weights=weights))


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("import os; os.abort()", "its weights cannot be retrained: its process crashed with SIGABRT"),
        (
            "raise RuntimeError('no such device')",
            "its weights cannot be retrained: its process exited with status 1: RuntimeError: no such device",
        ),
        ("import time; time.sleep(600)", "its weights cannot be retrained: it did not answer within 1 s"),
    ],
)
def test_a_process_that_dies_or_hangs_is_one_sentence(
    script: str, message: str, stand_in: Callable[[str], None]
) -> None:
    stand_in(script)
    with pytest.raises(ConversionError, match=message):
        retraining.retrain(request(NAME, "qat"))


def test_an_interrupt_ends_the_process_too(stand_in: Callable[[str], None], tmp_path: Path) -> None:
    alive = tmp_path / "alive"
    stand_in(
        "import os, time, pathlib\n"
        f"pathlib.Path({str(alive)!r}).write_text(str(os.getpid()))\n"
        "print('{\"steps\": 10}', flush=True)\n"
        "print('{\"step\": 1}', flush=True)\n"
        "time.sleep(600)"
    )

    def interrupted(steps: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        retraining.retrain(request(NAME, "qat"), advanced=interrupted)
    with pytest.raises(ProcessLookupError):
        os.kill(int(alive.read_text()), 0)


def test_a_missing_package_is_the_command_to_type(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packages, "installed", lambda module: module != "tensorflow_model_optimization")
    with pytest.raises(MissingPackage, match=r'is not installed; run: pip install "edge-cifar\[convert\]"'):
        retraining.retrain(request(NAME, "qat"))


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Runs a script in place of the worker, and waits for it no longer than a second."""

    def run(script: str) -> None:
        monkeypatch.setattr(retraining, "WORKER", (retraining.WORKER[0], "-c", script))
        monkeypatch.setattr(retraining, "_SILENCE_SECONDS", 1.0)

    return run


def _with(asked: Request, **changes: Any) -> Request:
    import dataclasses

    return dataclasses.replace(asked, **changes)


def _answers(outcome: Outcome, images: Any) -> Any:
    import keras

    changed = keras.models.clone_model(model(NAME))
    changed.set_weights(outcome.weights)
    return keras_runtime.of_model(changed).predict(images)


def _file(outcome: Outcome, folder: Path) -> Path:
    assert outcome.flatbuffer is not None
    path = folder / "network.tflite"
    path.write_bytes(outcome.flatbuffer)
    return path


def _interpreter(outcome: Outcome, folder: Path) -> Any:
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_path=str(_file(outcome, folder)))
    interpreter.allocate_tensors()
    return interpreter
