"""GPUs are found, named, hidden and asked for; stand-ins take the place of those that this machine lacks."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence

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
    with pytest.raises(TrainingError, match=rf"found no GPU .*installed: keras {keras.__version__}.*--device cpu"):
        backend.select_device("gpu")
    assert backend.select_device("auto") == Device(name="cpu")


def test_the_cpu_asked_for_leaves_a_gpu_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    entered = []

    @contextlib.contextmanager
    def device(name: str) -> Iterator[None]:
        entered.append(name)
        yield

    _gpus(monkeypatch, ["NVIDIA H200"], ["gpu:0"])
    monkeypatch.setattr(backend, "_hide_from_tensorflow", lambda: entered.append("hidden"))
    monkeypatch.setattr(keras, "device", device)
    chosen = backend.select_device("cpu")
    assert chosen == Device(name="cpu", pinned=True)
    with chosen.scope():
        assert entered == (["hidden", "cpu"] if NAME == "tensorflow" else ["cpu"])
    with Device(name="gpu: NVIDIA H200").scope(), Device(name="cpu").scope():
        assert entered[-1] == "cpu"
        assert entered.count("cpu") == 1


def test_tensors_are_made_on_the_cpu_in_its_scope() -> None:
    with Device(name="cpu", pinned=True).scope():
        made = keras.Variable(np.zeros(2, np.float32)).value
    assert "cpu" in str(made.device).lower()


@pytest.mark.skipif(NAME != "tensorflow", reason="only TensorFlow takes hold of a GPU for good")
def test_a_gpu_that_tensorflow_has_used_cannot_be_left_alone_any_more(monkeypatch: pytest.MonkeyPatch) -> None:
    import tensorflow

    def refuse(devices: object, kind: str) -> None:
        raise RuntimeError("Visible devices cannot be modified after being initialized")

    _gpus(monkeypatch, ["NVIDIA H200"])
    monkeypatch.setattr(tensorflow.config, "set_visible_devices", refuse)
    with pytest.raises(TrainingError, match="in a new process"):
        backend.select_device("cpu")


def test_jax_is_deterministic_on_the_cpu_of_a_machine_with_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    backend.make_deterministic(Device(name="cpu", pinned=True))
    with pytest.raises(TrainingError, match="use --device cpu"):
        backend.make_deterministic(Device(name="gpu: NVIDIA H200"))


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
    with pytest.raises(TrainingError, match="multiple of 2, got 33"), parallel._over_jax(["cpu:0", "cpu:1"], 33):
        pass


def test_one_device_trains_on_whole_epochs() -> None:
    with parallel.over(["gpu:0"], 33):
        np.testing.assert_array_equal(parallel.even(np.arange(7)), np.arange(7))
