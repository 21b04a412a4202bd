"""Small model files of the kinds that other people make, and pictures that they tell apart."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

SIDE = 8
COLOURS = {"red": (255, 0, 0), "green": (0, 255, 0), "blue": (0, 0, 255)}
BRIGHTNESS = {"dark": 20, "middling": 128, "bright": 235}


def colour_pictures(folder: Path) -> list[Path]:
    """A red, a green and a blue picture."""
    return [_picture(folder / f"{name}.png", colour) for name, colour in COLOURS.items()]


def brightness_pictures(folder: Path) -> list[Path]:
    """A dark, a middling and a bright picture."""
    return [_picture(folder / f"{name}.png", (value,) * 3) for name, value in BRIGHTNESS.items()]


def brightness_folder(folder: Path, each: int = 20) -> Path:
    """Classes of pictures by brightness, in the order of the network's classes."""
    for number, (name, value) in enumerate(BRIGHTNESS.items()):
        (folder / f"{number}{name}").mkdir(parents=True)
        for shade in range(each):
            # No two alike, and none near another class.
            path = _picture(folder / f"{number}{name}" / f"{shade}.png", (value + shade % 40 - 20,) * 3)
            with Image.open(path) as picture:
                picture.putpixel((shade // 40, 0), (value, value, 0))
                picture.save(path)
    return folder


def colour_onnx(
    path: Path,
    *,
    output: Sequence[int] = (3,),
    metadata: Mapping[str, str] | None = None,
    size: int | str = SIDE,
    second_output: bool = False,
    single: str | None = None,
    zipmap: bool = False,
    opset: int = 13,
) -> Path:
    """Classes by the strongest of red, green and blue, of raw pixels in planes.

    Args:
        output: sides of the output behind the batch.
        metadata: texts that the file carries.
        size: sides of the input, or a name for any.
        second_output: whether the colours' means are an output, too.
        single: ``Sigmoid`` or ``Identity`` for one score alone: of red.
        zipmap: whether the scores come as Custom Vision gives them: by name, beside the number of the likeliest.
        opset: that the file asks for.
    """
    onnx = pytest.importorskip("onnx", reason="the model file is made with onnx")
    helper, constant = onnx.helper, onnx.numpy_helper.from_array
    weights = np.array([[20.0], [-20.0], [-20.0]]) if single else 20 * np.eye(3)
    nodes = [
        helper.make_node("ReduceMean", ["image"], ["mean"], axes=[2, 3], keepdims=0),
        helper.make_node("MatMul", ["mean", "weights"], ["logits"]),
        helper.make_node(single or "Softmax", ["logits"], ["scores"]),
        helper.make_node("Reshape", ["scores", "shape"], ["answer"]),
    ]
    outputs = [_value(onnx, "answer", ["batch", *((1,) if single else output)])]
    if second_output:
        outputs.append(_value(onnx, "mean", ["batch", 3]))
    opsets = [helper.make_opsetid("", opset)]
    if zipmap:
        nodes.append(helper.make_node("ArgMax", ["scores"], ["number"], axis=1, keepdims=0))
        ml = {"domain": "ai.onnx.ml", "classlabels_strings": list(COLOURS)}
        nodes.append(helper.make_node("ZipMap", ["answer"], ["loss"], **ml))
        score = helper.make_tensor_type_proto(onnx.TensorProto.FLOAT, [])
        by_name = helper.make_sequence_type_proto(helper.make_map_type_proto(onnx.TensorProto.STRING, score))
        number = helper.make_tensor_value_info("number", onnx.TensorProto.INT64, ["batch"])
        outputs = [number, helper.make_value_info("loss", by_name)]
        opsets.append(helper.make_opsetid("ai.onnx.ml", 2))
    graph = helper.make_graph(
        nodes,
        "colour",
        [_value(onnx, "image", ["batch", 3, size, size])],
        outputs,
        [
            constant((weights / 255).astype(np.float32), "weights"),
            constant(np.array([-1, *((1,) if single else output)], np.int64), "shape"),
        ],
    )
    model = helper.make_model(graph, opset_imports=opsets, ir_version=8)
    helper.set_model_props(model, metadata or {})
    onnx.save(model, path)
    return path


def brightness_onnx(
    path: Path,
    *,
    mean: Sequence[float] = (0, 0, 0),
    deviation: Sequence[float] = (1, 1, 1),
    metadata: Mapping[str, str] | None = None,
) -> Path:
    """Classes dark, middling and bright, of pixels in 0..1 that were standardized by a mean and a deviation."""
    onnx = pytest.importorskip("onnx", reason="the model file is made with onnx")
    helper, constant = onnx.helper, onnx.numpy_helper.from_array
    # The nearest of three centres: the largest of c * brightness - c * c / 2.
    centres = np.array([0.0, 0.5, 1.0], np.float32)
    arrays = {
        "deviation": np.float32(deviation),
        "center": np.float32(mean),
        "weights": np.tile(80 * centres / 3, (3, 1)),
        "bias": -40 * centres**2,
    }
    nodes = [
        helper.make_node("ReduceMean", ["image"], ["standard"], axes=[1, 2], keepdims=0),
        helper.make_node("Mul", ["standard", "deviation"], ["wide"]),
        helper.make_node("Add", ["wide", "center"], ["unit"]),
        helper.make_node("MatMul", ["unit", "weights"], ["sums"]),
        helper.make_node("Add", ["sums", "bias"], ["logits"]),
        helper.make_node("Softmax", ["logits"], ["answer"]),
    ]
    graph = helper.make_graph(
        nodes,
        "brightness",
        [_value(onnx, "image", ["batch", SIDE, SIDE, 3])],
        [_value(onnx, "answer", ["batch", 3])],
        [constant(array.astype(np.float32), name) for name, array in arrays.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    helper.set_model_props(model, metadata or {})
    onnx.save(model, path)
    return path


def gray_onnx(path: Path, shape: Sequence[int | str]) -> Path:
    """Classes dark and bright, of raw grayscale pixels; the input has any shape behind the batch."""
    onnx = pytest.importorskip("onnx", reason="the model file is made with onnx")
    helper, constant = onnx.helper, onnx.numpy_helper.from_array
    nodes = [
        helper.make_node("ReduceMean", ["image"], ["mean"], axes=list(range(1, len(shape) + 1)), keepdims=0),
        helper.make_node("Reshape", ["mean", "column"], ["brightness"]),
        helper.make_node("MatMul", ["brightness", "weights"], ["sums"]),
        helper.make_node("Add", ["sums", "bias"], ["logits"]),
        helper.make_node("Softmax", ["logits"], ["answer"]),
    ]
    arrays = [
        constant(np.array([-1, 1], np.int64), "column"),
        constant(np.array([[-1.0, 1.0]], np.float32), "weights"),
        constant(np.array([128.0, -128.0], np.float32), "bias"),
    ]
    image, answer = _value(onnx, "image", ["batch", *shape]), _value(onnx, "answer", ["batch", 2])
    graph = helper.make_graph(nodes, "gray", [image], [answer], arrays)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8), path)
    return path


def with_metadata(
    source: Path, path: Path, *, mean: Sequence[float], std: Sequence[float], labels: Sequence[str] = ()
) -> Path:
    """A ``.tflite`` file with the metadata of TensorFlow Lite's own tools, and its labels appended as an archive."""
    flatbuffers = pytest.importorskip("flatbuffers", reason="the metadata are written with flatbuffers")
    objects = pytest.importorskip("edge_cifar.converters._tflite_objects")
    build = flatbuffers.Builder(256)
    options = _table(build, {0: build.CreateNumpyVector(np.float32(mean)), 1: build.CreateNumpyVector(np.float32(std))})
    normalization = _table(build, {1: options}, kinds={0: 1})
    image = _table(build, {4: _tables(build, [normalization])})
    file = _table(build, {0: build.CreateString("names.txt")}, kinds={2: 2})
    scores = _table(build, {6: _tables(build, [file] if labels else [])})
    subgraph = _table(build, {2: _tables(build, [image]), 3: _tables(build, [scores])})
    build.Finish(_table(build, {3: _tables(build, [subgraph])}), file_identifier=b"M001")
    model = objects.parsed(source.read_bytes())
    objects.add_metadata(model, "TFLITE_METADATA", bytes(build.Output()))
    path.write_bytes(objects.packed(model))
    if labels:
        with zipfile.ZipFile(path, "a") as archive:
            archive.writestr("names.txt", "\n".join(labels))
    return path


def _table(build: Any, offsets: Mapping[int, int], kinds: Mapping[int, int] | None = None) -> int:
    """A table of a flatbuffer, with other tables or vectors by field, and small numbers."""
    build.StartObject(8)
    for field, offset in offsets.items():
        build.PrependUOffsetTRelativeSlot(field, offset, 0)
    for field, kind in (kinds or {}).items():
        build.PrependUint8Slot(field, kind, 0)
    return int(build.EndObject())


def _tables(build: Any, offsets: Sequence[int]) -> int:
    build.StartVector(4, len(offsets), 4)
    for offset in reversed(offsets):
        build.PrependUOffsetTRelative(offset)
    return int(build.EndVector())


def with_weights_outside(path: Path, location: str) -> Path:
    """A colour network whose weights lie in another file, which is written where ``location`` says."""
    onnx = pytest.importorskip("onnx", reason="the model file is made with onnx")
    model = onnx.load(colour_onnx(path))
    (weights,) = (tensor for tensor in model.graph.initializer if tensor.name == "weights")
    (path.parent / location).write_bytes(weights.raw_data)
    onnx.external_data_helper.set_external_data(weights, location=location, offset=0, length=len(weights.raw_data))
    weights.ClearField("raw_data")
    weights.data_location = onnx.TensorProto.EXTERNAL
    path.write_bytes(model.SerializeToString())
    return path


def _value(onnx: Any, name: str, shape: Sequence[int | str]) -> Any:
    return onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, list(shape))


def _picture(path: Path, colour: tuple[int, ...]) -> Path:
    Image.new("RGB", (SIDE, SIDE), colour).save(path)
    return path
