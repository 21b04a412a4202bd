"""A network small enough to be worked out by hand: a softmax of a linear map of the mean colour."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

CLASSES = 10
WEIGHTS = np.random.default_rng(0).normal(size=(3, CLASSES)).astype(np.float32)


def images(count: int, seed: int = 0) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (count, 6, 5, 3), dtype=np.uint8)


def expected(given: NDArray[np.uint8]) -> NDArray[np.float32]:
    """What the hand-made network answers: softmax of a linear map of the mean colour."""
    logits = given.astype(np.float32).mean(axis=(1, 2)) / 64 @ WEIGHTS
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def onnx_file(
    path: Path,
    *,
    channels_first: bool = False,
    element: str = "FLOAT",
    batch: int | str = "batch",
    offset: float = 0,
    softmax: bool = True,
) -> Path:
    """The hand-made network as ONNX, with or without the softmax at its end."""
    onnx = pytest.importorskip("onnx", reason="the model file is made with onnx")
    helper, numpy_helper = onnx.helper, onnx.numpy_helper
    shape = [batch, 3, 6, 5] if channels_first else [batch, 6, 5, 3]
    axes = [2, 3] if channels_first else [1, 2]
    nodes = [
        helper.make_node("Cast", ["image"], ["real"], to=onnx.TensorProto.FLOAT),
        helper.make_node("Add", ["real", "offset"], ["pixels"]),
        helper.make_node("ReduceMean", ["pixels"], ["mean"], axes=axes, keepdims=0),
        helper.make_node("MatMul", ["mean", "weights"], ["logits"]),
        helper.make_node("Softmax" if softmax else "Identity", ["logits"], ["answer"]),
    ]
    constants = [
        numpy_helper.from_array(np.float32(offset), "offset"),
        numpy_helper.from_array(WEIGHTS / 64, "weights"),
    ]
    kind = getattr(onnx.TensorProto, element)
    graph = helper.make_graph(
        nodes,
        "mean colour",
        [helper.make_tensor_value_info("image", kind, shape)],
        [helper.make_tensor_value_info("answer", onnx.TensorProto.FLOAT, [batch, CLASSES])],
        constants,
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8), path)
    return path


def write_tflite(
    folder: Path, kinds: tuple[str, ...] = ("float32", "int8", "uint8"), batch: int = 1
) -> dict[str, Path]:
    """The hand-made network as TFLite, in floats, and in bytes as MLPerf Tiny has it: pixel minus 128."""
    tensorflow = pytest.importorskip("tensorflow", reason="the model file is made with TensorFlow")
    from edge_cifar.processes import output_capture

    @tensorflow.function(input_signature=[tensorflow.TensorSpec((batch, 6, 5, 3), tensorflow.float32)])
    def network(image: Any) -> Any:
        return tensorflow.nn.softmax(tensorflow.matmul(tensorflow.reduce_mean(image, (1, 2)), WEIGHTS / 64))

    files = {}
    for kind in kinds:
        with output_capture.captured():
            converter = tensorflow.lite.TFLiteConverter.from_concrete_functions(
                [network.get_concrete_function()], tensorflow.Module()
            )
            if kind != "float32":
                converter.optimizations = [tensorflow.lite.Optimize.DEFAULT]
                extremes = np.stack([np.zeros((6, 5, 3)), np.full((6, 5, 3), 255), *images(20)])
                converter.representative_dataset = lambda sample=extremes: (
                    [image[np.newaxis].astype(np.float32)] for image in sample
                )
                converter.target_spec.supported_ops = [tensorflow.lite.OpsSet.TFLITE_BUILTINS_INT8]
                converter.inference_input_type = converter.inference_output_type = getattr(tensorflow, kind)
            flatbuffer = converter.convert()
        files[kind] = folder / f"{kind}.tflite"
        files[kind].write_bytes(flatbuffer)
    return files
