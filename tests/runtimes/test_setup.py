"""Runtimes told how to run a file: by which backend, in batches, its input's range and layout."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.mean_colour import CLASSES, expected, images, onnx_file

from edge_cifar.errors import BundleError, RuntimeUnavailable
from edge_cifar.pixels import Setup
from edge_cifar.preprocessing import Preprocessing
from edge_cifar.runtimes import _ort_profile, litert, onnxruntime


@pytest.mark.parametrize("count", [0, 1, 8, 11])
@pytest.mark.parametrize("backend", litert.BACKENDS)
def test_litert_answers_the_same_by_every_backend_and_in_batches(
    backend: str, count: int, tflite_files: dict[str, Path]
) -> None:
    pytest.importorskip("ai_edge_litert", reason="LiteRT runs it")
    runtime = litert.load(tflite_files["float32"], setup=Setup(backend=backend, batch=4))
    assert runtime.batch == 4
    np.testing.assert_allclose(runtime.predict(images(count)), expected(images(count)), atol=1e-5)
    answers: Any = runtime.single(images(1)[0])()
    np.testing.assert_allclose(answers, expected(images(1)).repeat(4, axis=0), atol=1e-5)


def test_onnx_runtime_runs_a_whole_batch(tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime", reason="ONNX Runtime runs it")
    runtime = onnxruntime.load(onnx_file(tmp_path / "net.onnx"), setup=Setup(batch=4))
    answers: Any = runtime.single(images(1)[0])()
    np.testing.assert_allclose(answers[0], expected(images(1)).repeat(4, axis=0), atol=1e-5)


def test_a_graph_with_a_fixed_batch_takes_no_other(tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime", reason="ONNX Runtime runs it")
    path = onnx_file(tmp_path / "net.onnx", batch=4)
    assert onnxruntime.load(path).batch == 4
    with pytest.raises(RuntimeUnavailable, match="takes batches of 4, not 8"):
        onnxruntime.load(path, setup=Setup(batch=8))


def test_a_provider_that_this_build_lacks_is_named_with_those_it_has() -> None:
    offered = pytest.importorskip("onnxruntime", reason="ONNX Runtime tells").get_available_providers()
    for backend in onnxruntime.BACKENDS:
        reason = onnxruntime.unavailable(backend)
        has = any(backend in provider.lower() for provider in offered)
        assert reason is None if has else reason is not None and "CPUExecutionProvider" in reason


def test_a_provider_that_falls_back_to_the_cpu_is_not_measured(tmp_path: Path) -> None:
    built = pytest.importorskip("onnxruntime", reason="ONNX Runtime falls back")
    if "CUDAExecutionProvider" in built.get_available_providers():
        pytest.skip("this build of ONNX Runtime has CUDA")
    with pytest.raises(RuntimeUnavailable, match="is not usable"):
        onnxruntime.load(onnx_file(tmp_path / "net.onnx"), setup=Setup(backend="cuda"))


@pytest.mark.parametrize(("layout", "channels_first"), [("nhwc", False), ("nchw", True)])
def test_a_layout_that_the_sizes_contradict_is_refused(layout: Any, channels_first: bool, tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime", reason="ONNX Runtime runs it")
    right = onnx_file(tmp_path / "right.onnx", channels_first=channels_first)
    assert (
        onnxruntime.load(right, setup=Setup(preprocessing=Preprocessing(layout=layout))).preprocessing.layout == layout
    )
    wrong = onnx_file(tmp_path / "wrong.onnx", channels_first=not channels_first)
    with pytest.raises(BundleError, match=f"in {layout} layout"):
        onnxruntime.load(wrong, setup=Setup(preprocessing=Preprocessing(layout=layout)))


def test_a_range_that_is_told_is_what_the_network_sees(tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime", reason="ONNX Runtime runs it")
    # A network for pixels from -128 on, which ONNX has no way to say.
    path = onnx_file(tmp_path / "net.onnx", offset=128)
    told = onnxruntime.load(path, setup=Setup(preprocessing=Preprocessing(input_range=(-128.0, 127.0))))
    np.testing.assert_allclose(told.predict(images(5)), expected(images(5)), atol=1e-5)
    assert np.abs(onnxruntime.load(path).predict(images(5)) - expected(images(5))).max() > 1e-3


def test_a_profile_without_a_node_is_refused(tmp_path: Path) -> None:
    (tmp_path / "profile.json").write_text('[{"cat": "Session", "name": "model_run", "dur": 3}]')
    with pytest.raises(BundleError, match="lists no nodes"):
        _ort_profile.operators(tmp_path / "profile.json", 1)


def test_keras_runs_a_whole_batch(tmp_path: Path) -> None:
    pytest.importorskip("tensorflow", reason="the model file is made with Keras")
    import keras as framework

    from edge_cifar.runtimes import keras

    image = framework.Input((6, 5, 3))
    pooled = framework.layers.GlobalAveragePooling2D()(image)
    model = framework.Model(image, framework.layers.Dense(CLASSES, activation="softmax")(pooled))
    answers: Any = keras.KerasRuntime(model, Setup(batch=3)).single(images(1)[0])()
    assert np.asarray(answers).shape == (3, CLASSES)
    with pytest.raises(RuntimeUnavailable, match="does not report"):
        keras.profile(tmp_path, images(1)[0], threads=1, setup=Setup(), seconds=0.1)
