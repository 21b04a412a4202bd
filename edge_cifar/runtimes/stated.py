"""What a model file's metadata say of its input and its classes, read without running the file.

TensorFlow Lite: https://ai.google.dev/edge/litert/conversion/tensorflow/metadata (its schema is metadata_schema.fbs).
ONNX: https://github.com/onnx/onnx/blob/main/docs/MetadataProps.md. Ultralytics writes texts of its own into either.
"""

from __future__ import annotations

import mmap
import struct
from collections.abc import Mapping, Sequence
from pathlib import Path

from edge_cifar.errors import BundleError, UsageError
from edge_cifar.flatbuffer import Flatbuffer
from edge_cifar.model_options import ModelOptions
from edge_cifar.preprocessing import Preprocessing
from edge_cifar.protobuf import LENGTH, Budget, Message
from edge_cifar.runtimes import embedded_labels
from edge_cifar.storage import archives

_RAW = (0.0, 255.0)
# ONNX's own names for ranges of pixels, and for their order.
_NOMINAL_RANGES = {
    "NominalRange_0_255": _RAW,
    "Normalized_0_1": (0.0, 1.0),
    "Normalized_1_1": (-1.0, 1.0),
}
_MODEL_METADATA_PROPS = 14
_ENTRY_KEY, _ENTRY_VALUE = 1, 2

# Places of the fields in the tables of TensorFlow Lite's metadata.
_METADATA_BUFFER = "TFLITE_METADATA"
_METADATA_SUBGRAPHS, _SUBGRAPH_INPUTS, _SUBGRAPH_OUTPUTS = 3, 2, 3
_TENSOR_PROCESS_UNITS, _TENSOR_FILES = 4, 6
_UNIT_KIND, _UNIT, _NORMALIZATION_KIND, _NORMALIZATION_MEAN, _NORMALIZATION_STD = 0, 1, 1, 0, 1
_FILE_NAME, _FILE_KIND, _AXIS_LABELS = 0, 2, 2
# Files that stand behind the model in a .tflite file, as in an archive.
_ULTRALYTICS_FILES = ("metadata.json", "temp_meta.txt")


def by_onnx(path: Path) -> ModelOptions:
    """What an ``.onnx`` file says.

    Raises:
        BundleError: the file is damaged.
    """
    if not path.stat().st_size:
        return ModelOptions()
    with path.open("rb") as stream:
        # Not closed by hand: fields of the file that an error still holds are views of it.
        content = mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)
    texts: dict[str, str] = {}
    for field in Message(memoryview(content), Budget()):
        if field.number == _MODEL_METADATA_PROPS and field.wire == LENGTH:
            entry = {part.number: part for part in field.message() if part.wire == LENGTH}
            if _ENTRY_KEY in entry and _ENTRY_VALUE in entry:
                texts[entry[_ENTRY_KEY].text()] = entry[_ENTRY_VALUE].text()
    return _of_texts(texts, path.name)


def by_tflite(path: Path) -> ModelOptions:
    """What a ``.tflite`` file says.

    Raises:
        BundleError: the file's tables point outside it.
    """
    if not path.stat().st_size:
        return ModelOptions()
    wanted = (embedded_labels.LABELS, embedded_labels.DESCRIPTION, *embedded_labels.FOREIGN_LABELS)
    texts = dict(embedded_labels.texts_of_tflite(path, wanted))
    for name in _ULTRALYTICS_FILES:
        found = embedded_labels.literal(archives.text(path, name) or "")
        if isinstance(found, dict):
            texts |= {str(key): str(value) for key, value in found.items()}
    return _of_metadata(path).over(_of_texts(texts, path.name))


def _of_texts(texts: Mapping[str, str], source: str) -> ModelOptions:
    """What named texts say: our own, ONNX's and Ultralytics'."""
    if embedded_labels.take_raw_pixels(texts):
        preprocessing = Preprocessing(input_range=_RAW)
    elif "Ultralytics" in texts.get("author", "") + texts.get("description", ""):
        # Of its tasks only this one takes what is one answer an image.
        preprocessing = Preprocessing(input_range=(0.0, 1.0))
    else:
        preprocessing = Preprocessing(
            input_range=_NOMINAL_RANGES.get(texts.get("Image.NominalPixelRange", "")),
            # Whether there is one channel or three, the input's shape says.
            channels="bgr" if texts.get("Image.BitmapPixelFormat") == "Bgr8" else None,
        )
    return ModelOptions(
        preprocessing=preprocessing,
        labels=embedded_labels.of_texts(texts, source),
        image_size=_size(texts.get("imgsz", "")),
    )


def _size(text: str) -> tuple[int, int] | None:
    """Ultralytics' ``imgsz``: height and width."""
    sides = embedded_labels.literal(text)
    if isinstance(sides, list | tuple) and len(sides) == 2 and all(isinstance(side, int) for side in sides):
        return (sides[0], sides[1]) if min(sides) > 0 else None
    return None


def _of_metadata(path: Path) -> ModelOptions:
    """What the metadata of TensorFlow Lite's own tools say."""
    content = embedded_labels.buffers_of_tflite(path, (_METADATA_BUFFER,)).get(_METADATA_BUFFER)
    if not content:
        return ModelOptions()
    try:
        metadata = Flatbuffer(content)
        subgraphs = metadata.tables(metadata.root(), _METADATA_SUBGRAPHS)
        inputs = metadata.tables(subgraphs[0], _SUBGRAPH_INPUTS) if subgraphs else []
        outputs = metadata.tables(subgraphs[0], _SUBGRAPH_OUTPUTS) if subgraphs else []
        return ModelOptions(
            preprocessing=_preprocessing(metadata, inputs[0]) if inputs else Preprocessing(),
            labels=_labels(metadata, outputs, path),
        )
    except struct.error as error:
        raise BundleError(f"{path} is corrupt: its metadata points outside the file; export it again") from error


def _preprocessing(metadata: Flatbuffer, tensor: int) -> Preprocessing:
    for unit in metadata.tables(tensor, _TENSOR_PROCESS_UNITS):
        options = metadata.table(unit, _UNIT)
        if metadata.number(unit, _UNIT_KIND, "<B") != _NORMALIZATION_KIND or options is None:
            continue
        mean = tuple(map(float, metadata.array(options, _NORMALIZATION_MEAN, "<f4")))
        std = tuple(map(float, metadata.array(options, _NORMALIZATION_STD, "<f4")))
        return _normalized(mean, std)
    return Preprocessing()


def _normalized(mean: tuple[float, ...], std: tuple[float, ...]) -> Preprocessing:
    """TensorFlow Lite's normalization of raw pixels, ``(pixel - mean) / std``; numbers that make no sense say nothing.

    Other numbers up to 1 can only be those of pixels scaled to 0..1, which some exporters write there.
    """
    if set(mean) == {0.0} and set(std) == {1.0}:
        return Preprocessing(input_range=_RAW)
    try:
        return Preprocessing(mean=mean or None, std=std or None)
    except UsageError:
        return Preprocessing()


def _labels(metadata: Flatbuffer, outputs: Sequence[int], path: Path) -> tuple[str, ...] | None:
    """Class names in a file that is appended to the model's, as an archive."""
    for tensor in outputs:
        for file in metadata.tables(tensor, _TENSOR_FILES):
            name = metadata.bytes(file, _FILE_NAME).decode("utf-8", errors="replace")
            if metadata.number(file, _FILE_KIND, "<b") == _AXIS_LABELS:
                names = tuple(line.strip() for line in (archives.text(path, name) or "").splitlines() if line.strip())
                return names if names and all(one.isprintable() for one in names) else None
    return None
