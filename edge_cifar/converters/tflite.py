"""TensorFlow Lite (LiteRT): flatbuffers for phones and Raspberry Pis."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from edge_cifar import conversion_cache, packages
from edge_cifar.converters import AS_THEY_COME, Calibration, Options, _tflite_objects, _tflite_quantization
from edge_cifar.converters.shared import tf_graph
from edge_cifar.documents.conversion_record import CalibrationRecord, ConversionRecord, TensorSpec
from edge_cifar.precision import Precision
from edge_cifar.preprocessing import Range
from edge_cifar.processes import output_capture
from edge_cifar.storage import files

_TRAINED = "int8-qat"
_BYTES = ("int8", _TRAINED)


def convert(
    model: Any,
    precision: Precision,
    *,
    labels: Sequence[str],
    calibration: Calibration,
    metadata: Mapping[str, str],
    path: Path,
    options: Options = AS_THEY_COME,
) -> ConversionRecord:
    """Write a ``.tflite`` file for batches of one.

    Args:
        model: a Keras model in float32.
        precision: one of the format's.
        labels: class names, kept in the file's metadata.
        calibration: training images for ``int8`` and ``int16x8``; the others need none.
        metadata: kept in the file beside the labels.
        path: where to write.
        options: for ``int8`` and ``int8-qat``.

    Returns:
        what the manifest tells of it.

    Raises:
        ConversionError: the converter cannot carry the model.
        MissingPackage: TensorFlow, ai-edge-litert or flatbuffers is not installed.
    """
    tensorflow = packages.require_tensorflow()
    chatter = output_capture.Chatter()
    try:
        with output_capture.captured() as chatter:
            flatbuffer = _flatbuffer(tensorflow, model, precision, calibration, options)
    except Exception as error:
        # TensorFlow's converter raises whatever its passes raise, down to bare Exception.
        raise tf_graph.failed("tflite", precision.name, error, chatter, model) from error
    with files.atomic_write(path) as partial:
        partial.write_bytes(_with_metadata(flatbuffer, labels, metadata))
    image = TensorSpec(name=tf_graph.INPUT, shape=(1, *model.input_shape[1:]), range=(0, 255), type="float32")
    answer = TensorSpec(name=tf_graph.OUTPUT, shape=(1, len(labels)), type="float32")
    if precision.name in _BYTES:
        image = replace(image, type="uint8", scale=1.0, zero_point=0)
        answer = replace(answer, type="uint8", scale=1 / 256, zero_point=0)
    return ConversionRecord(
        input=image,
        output=answer,
        calibration=_calibration_record(precision, calibration),
        kept_float=options.keep_float,
    )


def observed(
    model: Any,
    precision: Precision,
    *,
    labels: Sequence[str],
    calibration: Calibration,
    path: Path,
    options: Options = AS_THEY_COME,
) -> dict[str, Range]:
    """What calibration images gave, and the flatbuffer in floats that they were shown to.

    Args:
        model: the Keras model.
        precision: one that reads ranges from the images.
        labels: not needed.
        calibration: the images.
        path: where to write the flatbuffer.
        options: as for :func:`convert`.
    """
    tensorflow = packages.require_tensorflow()
    with output_capture.captured():
        calibrated = _tflite_quantization.calibrated(
            tensorflow, model, precision.name, calibration, options, lambda start: _fp32(tensorflow, start)
        )
        found = _tflite_quantization.ranges(calibrated)
    path.write_bytes(calibrated)
    return found


def _calibration_record(precision: Precision, calibration: Calibration) -> CalibrationRecord | None:
    if precision.name == _TRAINED:
        # Ranges start there and then follow the training; the biases were trained with the rounding.
        return replace(calibration.record(), method="moving average", bias_correction=False)
    return calibration.record() if precision.calibration == "ranges" else None


def _flatbuffer(tensorflow: Any, model: Any, precision: Precision, calibration: Calibration, options: Options) -> bytes:
    if precision.name == _TRAINED:
        assert options.trained is not None
        return options.trained.read_bytes()
    if precision.calibration == "ranges":
        return _tflite_quantization.quantized(
            tensorflow, model, precision.name, calibration, options, lambda start: _fp32(tensorflow, start)
        )
    if precision.name == "fp32":
        return _fp32(tensorflow, model)
    converter = _converter(tensorflow, model)
    converter.optimizations = [tensorflow.lite.Optimize.DEFAULT]
    if precision.name == "fp16":
        converter.target_spec.supported_types = [tensorflow.float16]
    return bytes(converter.convert())


def _fp32(tensorflow: Any, model: Any) -> bytes:
    return conversion_cache.once(model, "tflite", lambda: bytes(_converter(tensorflow, model).convert()))


def _converter(tensorflow: Any, model: Any) -> Any:
    function = tf_graph.frozen(model, batch=1)
    # The converter wants an object that owns the function's variables; a frozen one has none.
    return tensorflow.lite.TFLiteConverter.from_concrete_functions([function], tensorflow.Module())


def _with_metadata(flatbuffer: bytes, labels: Sequence[str], metadata: Mapping[str, str]) -> bytes:
    """The file with its labels and metadata in the flatbuffer's own table of named buffers."""
    model = _tflite_objects.parsed(flatbuffer)
    for name, text in {"labels": json.dumps(list(labels)), **metadata}.items():
        _tflite_objects.add_metadata(model, name, text)
    return _tflite_objects.packed(model)
