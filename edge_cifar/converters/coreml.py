"""Core ML: ``.mlpackage`` programs for iPhones and Macs, written on any system."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from edge_cifar import conversion_cache, packages
from edge_cifar.converters import (
    AS_THEY_COME,
    Calibration,
    Options,
    _coreml_activations,
    _coreml_bias,
    _coreml_observed,
)
from edge_cifar.converters.shared import tf_graph
from edge_cifar.documents.conversion_record import CalibrationRecord, ConversionRecord, TensorSpec
from edge_cifar.errors import UsageError, unknown
from edge_cifar.precision import Precision
from edge_cifar.preprocessing import Range
from edge_cifar.processes import output_capture
from edge_cifar.storage import files, strict_json

_EXTRA = "convert"
# Systems that a package can be made for, by name, and which of Core ML's generations each is.
TARGETS: Mapping[str, int] = {
    **{f"iOS{version}": version for version in (15, 16, 17, 18)},
    **{f"macOS{version}": version + 3 for version in (12, 13, 14, 15)},
}
# Programs hold palettes and quantized weights from iOS 16 on, quantized activations from 17.
_LOWEST = {"fp32": 15, "fp16": 15, "w8": 16, "w6": 16, "w4": 16, "int8": 17}
_USUAL = "iOS16"
_BLOCKS_OF_WEIGHTS = 18
_BLOCK = 32
_SCALES_TO_BATCH_NORMS = "common::fuse_elementwise_to_batchnorm"
_CONVERSION_DATE = "com.github.apple.coremltools.conversion_date"
# Any fixed name space will do; items are told apart by their paths.
_NAMESPACE = uuid.UUID("7d0c1c5e-3f1b-5c0e-9f57-6f3b3a2c9b11")


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
    """Write a ``.mlpackage`` folder: an image classifier as Vision wants it.

    Its input is an RGB image of the model's size, its outputs are the label and a dictionary of
    probabilities.

    Args:
        model: a Keras model in float32.
        precision: one of the format's.
        labels: class names, which the program answers with.
        calibration: training images for ``int8``, ``w6`` and ``w4``; the others need none.
        metadata: kept in the package beside the labels.
        path: where to write.
        options: the deployment target.

    Returns:
        what the manifest tells of it.

    Raises:
        UsageError: the deployment target is unknown, or older than the precision.
        ConversionError: the converter cannot carry the model.
        MissingPackage: coremltools or TensorFlow is not installed.
    """
    system = target(precision.name, options.deployment_target)
    with output_capture.captured():
        # Says at import which of its parts only work on a Mac.
        coremltools = packages.require("coremltools", _EXTRA)
    chatter = output_capture.Chatter()
    try:
        with output_capture.captured() as chatter:
            start = program = _in_floats(coremltools, model, precision.name, system, labels)
            if precision.calibration == "ranges":
                program = _coreml_activations.quantized(coremltools, program, _seen(model, start, system, calibration))
            program = _compressed(coremltools, program, precision.name, TARGETS[system])
            if precision.calibration == "means":
                program = _coreml_bias.corrected(program, start, _seen(model, start, system, calibration))
    except Exception as error:
        # coremltools raises whatever its passes raise, down to bare Exception.
        raise tf_graph.failed("coreml", precision.name, error, chatter, model) from error
    program.short_description = metadata.get("description", "")
    program.user_defined_metadata.pop(_CONVERSION_DATE, None)
    program.user_defined_metadata["labels"] = json.dumps(list(labels))
    for name, text in metadata.items():
        program.user_defined_metadata[name] = text
    with files.atomic_write(path) as partial, output_capture.captured():
        program.save(str(partial))
        _reproducible(coremltools, partial)
    answer = str(program.get_spec().description.predictedProbabilitiesName)
    return ConversionRecord(
        input=TensorSpec(name=tf_graph.INPUT, shape=model.input_shape[1:], range=(0, 255), type="image"),
        output=TensorSpec(name=answer, shape=(len(labels),), type="dictionary"),
        calibration=_calibration_record(calibration, precision),
        details={"deployment_target": system},
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
    """What calibration images gave, and the program in floats that they were shown to.

    Args:
        model: the Keras model.
        precision: one that reads ranges from the images.
        labels: class names.
        calibration: the images.
        path: where to write the program.
        options: the deployment target.
    """
    system = target(precision.name, options.deployment_target)
    with output_capture.captured():
        program = _in_floats(packages.require("coremltools", _EXTRA), model, precision.name, system, labels)
        seen = _seen(model, program, system, calibration)
        program.save(str(path))
    return {name: (low, seen.highs[name]) for name, low in seen.lows.items()}


def _in_floats(coremltools: Any, model: Any, precision: str, system: str, labels: Sequence[str]) -> Any:
    """The program that a precision starts from."""
    floats = "fp32" if precision == "fp32" else "fp16"
    return conversion_cache.once(
        model,
        ("coreml", floats, system, tuple(labels)),
        lambda: _program(coremltools, model, floats, system, labels),
    )


def _seen(model: Any, program: Any, system: str, calibration: Calibration) -> _coreml_observed.Observed:
    what = ("coreml observed", system, calibration.digest())
    return conversion_cache.once(model, what, lambda: _coreml_observed.observe(program, calibration))


def _calibration_record(calibration: Calibration, precision: Precision) -> CalibrationRecord | None:
    """What the manifest says of the images that a precision looked at."""
    if precision.calibration == "ranges":
        # Weights of 8 bits with a scale a channel are so near that their biases have nothing to correct.
        return replace(calibration.record(), bias_correction=False)
    # Means need no method by which ranges follow.
    return replace(calibration.record(), method=None) if precision.calibration == "means" else None


def _program(coremltools: Any, model: Any, floats: str, system: str, labels: Sequence[str]) -> Any:
    image = coremltools.ImageType(
        name=tf_graph.INPUT, shape=(1, *model.input_shape[1:]), color_layout=coremltools.colorlayout.RGB
    )
    compute = coremltools.precision.FLOAT32 if floats == "fp32" else coremltools.precision.FLOAT16
    passes = coremltools.PassPipeline.DEFAULT
    # This pass turns a scale and a shift into a batch norm of variance 1 and forgets that a batch norm adds 1e-5
    # to it: every such layer comes out 5e-6 too small. Behind the passes that fold both into a convolution as they
    # are, it only finds those that no convolution takes; left out, the compression of weights, which runs it again,
    # would fail on them in half precision.
    passes.remove_passes({_SCALES_TO_BATCH_NORMS})
    passes.insert_pass(passes.passes.index("common::add_fp16_cast"), _SCALES_TO_BATCH_NORMS)
    return coremltools.convert(
        [tf_graph.frozen(model, batch=1)],
        source="tensorflow",
        convert_to="mlprogram",
        inputs=[image],
        classifier_config=coremltools.ClassifierConfig(list(labels)),
        compute_precision=compute,
        minimum_deployment_target=coremltools.target[system],
        pass_pipeline=passes,
        skip_model_load=True,
    )


def target(precision: str, named: str | None) -> str:
    """The system that a package is made for.

    Args:
        precision: one of the format's.
        named: one of :data:`TARGETS`; None for iOS 16, or the first that has the precision.

    Raises:
        UsageError: the name is unknown, or the system older than the precision.
    """
    lowest = _LOWEST[precision]
    if named is None:
        return _USUAL if TARGETS[_USUAL] >= lowest else f"iOS{lowest}"
    if named not in TARGETS:
        raise unknown("deployment target", named, TARGETS)
    if TARGETS[named] < lowest:
        raise UsageError(f"coreml-{precision} requires iOS{lowest} (macOS{lowest - 3}) or newer, not {named}")
    return named


def _compressed(coremltools: Any, program: Any, precision: str, generation: int) -> Any:
    """A program with its weights in the bits that a precision names."""
    optimize = coremltools.optimize.coreml
    if precision in ("w8", "int8"):
        channels = optimize.OpLinearQuantizerConfig(mode="linear_symmetric", dtype="int8")
        return optimize.linear_quantize_weights(program, optimize.OptimizationConfig(global_config=channels))
    if precision == "w4" and generation >= _BLOCKS_OF_WEIGHTS:
        blocks = optimize.OpLinearQuantizerConfig(
            mode="linear_symmetric", dtype="int4", granularity="per_block", block_size=_BLOCK
        )
        return optimize.linear_quantize_weights(program, optimize.OptimizationConfig(global_config=blocks))
    if precision in ("w6", "w4"):
        palette = optimize.OpPalettizerConfig(mode="kmeans", nbits=int(precision[1:]))
        return optimize.palettize_weights(program, optimize.OptimizationConfig(global_config=palette))
    return program


def _reproducible(coremltools: Any, package: Path) -> None:
    """Take out of a package what differs from one conversion to the next.

    coremltools gives its items random identifiers, and writes maps in whatever order they have in memory.
    """
    manifest_path = package / "Manifest.json"
    manifest = strict_json.message(manifest_path.read_text(encoding="utf-8"))
    items: dict[str, Any] = manifest["itemInfoEntries"]
    identifiers = {old: str(uuid.uuid5(_NAMESPACE, item["path"])) for old, item in items.items()}
    manifest["itemInfoEntries"] = dict(sorted((identifiers[old], item) for old, item in items.items()))
    manifest["rootModelIdentifier"] = identifiers[manifest["rootModelIdentifier"]]
    manifest_path.write_text(json.dumps(manifest, indent=4) + "\n", encoding="utf-8")
    root = manifest["itemInfoEntries"][manifest["rootModelIdentifier"]]
    specification = package / "Data" / root["path"]
    message = coremltools.proto.Model_pb2.Model()
    message.ParseFromString(specification.read_bytes())
    specification.write_bytes(message.SerializeToString(deterministic=True))
