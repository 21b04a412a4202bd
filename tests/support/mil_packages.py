"""Writes Core ML packages by hand, sound or broken on purpose, without coremltools."""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_cifar.mil import dtypes
from edge_cifar.mil.dtypes import ElementType

Array = NDArray[Any]


def varint(value: int) -> bytes:
    value &= (1 << 64) - 1
    out = b""
    while value > 0x7F:
        out += bytes([value & 0x7F | 0x80])
        value >>= 7
    return out + bytes([value])


def number(field: int, value: int) -> bytes:
    return varint(field << 3) + varint(value)


def chunk(field: int, content: bytes | str) -> bytes:
    raw = content.encode() if isinstance(content, str) else content
    return varint(field << 3 | 2) + varint(len(raw)) + raw


def tensor_type(element: ElementType | int, shape: Sequence[int]) -> bytes:
    code = element if isinstance(element, int) else element.code
    dimensions = b"".join(chunk(3, chunk(1, number(1, size))) for size in shape)
    return chunk(1, number(1, code) + number(2, len(shape)) + dimensions)


def named(name: str, element: ElementType, shape: Sequence[int]) -> bytes:
    return chunk(1, name) + chunk(2, tensor_type(element, shape))


def literal(value: Any, element: ElementType | None = None) -> bytes:
    """A ``Value`` message with its content in place."""
    if isinstance(value, str):
        return chunk(2, tensor_type(dtypes.STRING_CODE, ())) + chunk(3, chunk(1, chunk(4, chunk(1, value))))
    if isinstance(value, list) and value and isinstance(value[0], str):
        items = b"".join(chunk(1, literal(item)) for item in value)
        return chunk(2, chunk(2, chunk(1, tensor_type(dtypes.STRING_CODE, ())))) + chunk(
            3, chunk(3, chunk(1, items)[:0] + items)
        )
    array = np.asarray(value)
    element = element or {"b": dtypes.BOOL, "i": dtypes.INT32, "u": dtypes.UINT8, "f": dtypes.FP32}[array.dtype.kind]
    flat = array.reshape(-1)
    if element is dtypes.FP16 or (element.bits <= 8 and element is not dtypes.BOOL):
        content = chunk(7, chunk(1, pack(array, element)))
    elif element is dtypes.FP32:
        content = chunk(1, chunk(1, flat.astype("<f4").tobytes()))
    elif element is dtypes.BOOL:
        content = chunk(3, chunk(1, b"".join(varint(int(v)) for v in flat)))
    else:
        content = chunk(2, chunk(1, b"".join(varint(int(v)) for v in flat)))
    return chunk(2, tensor_type(element, array.shape)) + chunk(3, chunk(1, content))


def pack(array: Array, element: ElementType) -> bytes:
    """Elements as a file holds them."""
    flat = array.reshape(-1)
    if element.bits == 8 * np.dtype(element.storage).itemsize:
        return flat.astype(np.dtype(element.storage).newbyteorder("<")).tobytes()
    digits = (flat.astype(np.uint8)[:, None] >> np.arange(element.bits, dtype=np.uint8)) & 1
    return np.packbits(digits.reshape(-1), bitorder="little").tobytes()


def blob_literal(
    element: ElementType, shape: Sequence[int], offset: int, file: str = "@model_path/weights/weight.bin"
) -> bytes:
    return chunk(2, tensor_type(element, shape)) + chunk(5, chunk(1, file) + number(2, offset))


def entry(field: int, key: str, value: bytes) -> bytes:
    return chunk(field, chunk(1, key) + chunk(2, value))


def argument(*values: str | bytes) -> bytes:
    """Names are text, literals are bytes."""
    return b"".join(chunk(1, chunk(1, value) if isinstance(value, str) else chunk(2, value)) for value in values)


def operation(
    kind: str,
    inputs: Mapping[str, bytes],
    outputs: Sequence[bytes],
    attributes: Mapping[str, bytes] | None = None,
) -> bytes:
    return (
        chunk(1, kind)
        + b"".join(entry(2, name, value) for name, value in inputs.items())
        + b"".join(chunk(3, output) for output in outputs)
        + b"".join(entry(5, name, value) for name, value in (attributes or {}).items())
    )


def const(name: str, element: ElementType, shape: Sequence[int], value: bytes) -> bytes:
    return operation("const", {}, [named(name, element, shape)], {"name": literal(name), "val": value})


def model(
    operations: Sequence[bytes],
    outputs: Sequence[str],
    *,
    input_shape: Sequence[int] = (1, 3, 8, 8),
    image: bool = True,
    color: int = 20,
    element: ElementType = dtypes.FP32,
) -> bytes:
    height, width = input_shape[-2:]
    kind = chunk(4, number(1, width) + number(2, height) + number(3, color)) if image else chunk(5, b"")
    description = chunk(1, chunk(1, "image") + chunk(3, kind))
    description += chunk(100, chunk(3, "an author") + chunk(100, chunk(1, "key") + chunk(2, "value")))
    block = b"".join(chunk(2, name) for name in outputs) + b"".join(chunk(3, item) for item in operations)
    function = chunk(1, named("image", element, input_shape)) + chunk(2, "CoreML6") + entry(3, "CoreML6", block)
    program = number(1, 1) + entry(2, "main", function)
    return number(1, 7) + chunk(2, description) + chunk(502, program)


class Weights:
    """A weight file under construction."""

    def __init__(self) -> None:
        self.content = struct.pack("<II", 0, 2).ljust(64, b"\0")

    def add(self, array: Array, element: ElementType) -> int:
        """Append a blob; returns the offset of its header."""
        data = pack(array, element)
        offset = len(self.content)
        unused = len(data) * 8 - array.size * element.bits
        header = struct.pack("<IIQQQ", 0xDEADBEEF, element.blob_code or 0, len(data), offset + 64, unused).ljust(
            64, b"\0"
        )
        self.content += header + data + b"\0" * (-len(data) % 64)
        return offset


def write(
    path: Path, spec: bytes, weights: bytes | None = None, spec_name: str = "com.apple.CoreML/model.mlmodel"
) -> Path:
    folder = path / "Data" / "com.apple.CoreML"
    (folder / "weights").mkdir(parents=True, exist_ok=True)
    (folder / "model.mlmodel").write_bytes(spec)
    if weights is not None:
        (folder / "weights" / "weight.bin").write_bytes(weights)
    manifest = {
        "fileFormatVersion": "1.0.0",
        "itemInfoEntries": {"a": {"author": "com.apple.CoreML", "name": "model.mlmodel", "path": spec_name}},
        "rootModelIdentifier": "a",
    }
    (path / "Manifest.json").write_text(json.dumps(manifest))
    return path


def classifier(path: Path, rng: np.random.Generator | None = None, **changes: Any) -> Path:
    """A small sound classifier of 8 by 8 images in three classes, with weights of several kinds.

    Args:
        path: where to write it.
        rng: where its weights come from.
        **changes: what to say instead of the truth: ``strides``, ``labels``, ``offset``, ...
    """
    rng = rng or np.random.default_rng(0)
    weights = Weights()
    kernel = rng.normal(0, 0.02, (4, 3, 3, 3)).astype(np.float32)
    palette = rng.normal(0, 1, 16).astype(np.float32)
    indices = rng.integers(0, 16, 4 * 4 * 1 * 1, dtype=np.uint8)
    offset = weights.add(kernel, dtypes.FP32)
    quantized = rng.integers(-128, 128, (3, 4)).astype(np.int8)
    file = changes.get("blob_file", "@model_path/weights/weight.bin")
    fp32, declared = dtypes.FP32, changes.get("declared", (1, 4, 4, 4))
    integers = lambda *values: literal(np.array(values, np.int32))  # noqa: E731
    operations = [
        const("kernel", fp32, kernel.shape, blob_literal(fp32, kernel.shape, changes.get("offset", offset), file)),
        const("strides", dtypes.INT32, (2,), integers(*changes.get("strides", (2, 2)))),
        operation(
            "conv",
            {
                "x": argument(changes.get("conv_input", "image")),
                "weight": argument("kernel"),
                "strides": argument("strides"),
                "pad_type": argument(literal("same")),
            },
            [named("conv", fp32, declared)],
        ),
        operation("relu", {"x": argument("conv")}, [named("relu", fp32, (1, 4, 4, 4))]),
        operation(
            "constexpr_lut_to_dense",
            {},
            [named("mix", fp32, (4, 4, 1, 1))],
            {
                "indices": literal(np.frombuffer(pack(indices, dtypes.UINT4), np.uint8), dtypes.UINT8),
                "lut": literal(palette),
                "shape": literal(np.array([4, 4, 1, 1], np.uint32), dtypes.UINT32),
            },
        ),
        operation("conv", {"x": argument("relu"), "weight": argument("mix")}, [named("mixed", fp32, (1, 4, 4, 4))]),
        operation(
            "max_pool",
            {
                "x": argument("mixed"),
                "kernel_sizes": argument(integers(2, 2)),
                "strides": argument(integers(2, 2)),
                "pad_type": argument(literal("valid")),
            },
            [named("pool", fp32, (1, 4, 2, 2))],
        ),
        operation(
            "reduce_mean",
            {"x": argument("pool"), "axes": argument(integers(2, 3)), "keep_dims": argument(literal(np.array(False)))},
            [named("mean", fp32, (1, 4))],
        ),
        operation(
            "constexpr_affine_dequantize",
            {},
            [named("dense", fp32, (3, 4))],
            {
                "quantized_data": literal(quantized, dtypes.INT8),
                "scale": literal(np.array([0.01, 0.02, 0.03], np.float32)),
                "zero_point": literal(np.array([1, 0, -1], np.int8), dtypes.INT8),
                "axis": literal(np.array(0, np.int32)),
            },
        ),
        operation("linear", {"x": argument("mean"), "weight": argument("dense")}, [named("logits", fp32, (1, 3))]),
        operation("softmax", {"x": argument("logits"), "axis": argument(integers(-1))}, [named("p", fp32, (1, 3))]),
        operation(
            "classify",
            {
                "probabilities": argument("p"),
                "classes": argument(literal(changes.get("labels", ["cat", "dog", "ship"]))),
            },
            [chunk(1, "classLabel"), chunk(1, "classLabel_probs")],
        ),
    ]
    spec = model(operations, ["classLabel", "classLabel_probs"])
    return write(path, spec, weights.content, changes.get("spec_name", "com.apple.CoreML/model.mlmodel"))
