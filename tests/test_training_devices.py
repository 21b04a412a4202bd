"""GPUs are found, named, hidden and asked for; stand-ins take the place of those that this machine lacks."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from edge_cifar.errors import TrainingError

keras = pytest.importorskip("keras", reason="training needs Keras")

from edge_cifar.training import backend, parallel  # noqa: E402
from edge_cifar.training.backend import Device  # noqa: E402

NAME = keras.backend.backend()


def _gpus(monkeypatch: pytest.MonkeyPatch, names: Sequence[str], parts: Sequence[str] = ()) -> None:
    monkeypatch.setitem(backend._GPUS, NAME, lambda: list(names))
    monkeypatch.setattr(parallel, "devices", lambda: parts)


@pytest.mark.parametrize("name", ["NVIDIA H200", "METAL", "Apple Metal (MPS)"])
@pytest.mark.parametrize("choice", ["auto", "gpu"])
def test_a_gpu_is_taken_and_named(choice: str, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    _gpus(monkeypatch, [name], ["gpu:0"])
    assert backend.select_device(choice) == Device(name=f"gpu: {name}")


def test_several_gpus_are_all_taken_and_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    parts = ["gpu:0", "gpu:1", "gpu:2"]
    _gpus(monkeypatch, ["NVIDIA H200", "NVIDIA L4", "NVIDIA H200"], parts)
    assert backend.select_device("auto") == Device(name="gpu: 2 x NVIDIA H200, 1 x NVIDIA L4", parts=parts)


def test_several_gpus_that_the_backend_cannot_use_together_are_one(monkeypatch: pytest.MonkeyPatch) -> None:
    _gpus(monkeypatch, ["NVIDIA L4", "NVIDIA L4"])
    assert backend.select_device("gpu") == Device(name="gpu: NVIDIA L4")


def test_a_gpu_asked_for_and_absent_is_an_error_that_says_what_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    _gpus(monkeypatch, [])
    with pytest.raises(TrainingError, match=rf"no GPU found .*installed: keras {keras.__version__}.*--device cpu"):
        backend.select_device("gpu")
    assert backend.select_device("auto") == Device(name="cpu")


def test_the_cpu_asked_for_hides_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    hidden = []
    _gpus(monkeypatch, ["NVIDIA H200"], ["gpu:0"])
    monkeypatch.setitem(backend._HIDE, NAME, lambda: hidden.append(True))
    assert backend.select_device("cpu") == Device(name="cpu")
    assert hidden == [True]


@pytest.mark.parametrize(
    ("choice", "device", "policy"),
    [
        ("auto", "cpu", "float32"),
        ("auto", "gpu: NVIDIA H200", "mixed_bfloat16"),
        ("auto", "gpu: 2 x NVIDIA H200", "mixed_bfloat16"),
        ("auto", "gpu: METAL", "float32"),
        ("off", "gpu: NVIDIA H200", "float32"),
        ("bfloat16", "cpu", "mixed_bfloat16"),
        ("float16", "gpu: METAL", "mixed_float16"),
    ],
)
def test_precision_is_mixed_where_asked_for_or_where_it_pays(choice: str, device: str, policy: str) -> None:
    assert backend.precision_policy(choice, Device(name=device)) == policy


def test_jax_is_not_given_a_batch_that_it_cannot_share_evenly() -> None:
    with pytest.raises(TrainingError, match="multiple of 2, not 33"), parallel._over_jax(["cpu:0", "cpu:1"], 33):
        pass


def test_one_device_trains_on_whole_epochs() -> None:
    with parallel.over(["gpu:0"], 33):
        np.testing.assert_array_equal(parallel.even(np.arange(7)), np.arange(7))
