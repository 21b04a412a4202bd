"""Core ML: ``.mlpackage`` programs for iPhones and Macs, written on any system."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from edge_cifar import files, packages, quiet
from edge_cifar.converters import AS_THEY_COME, Calibration, Options, _graph, _shared
from edge_cifar.runtimes import coreml as runtime

SUFFIX = runtime.SUFFIX
PACKAGES = ("coremltools",)
PRECISIONS: Mapping[str, str] = {
    "fp32": "weights and activations in 32-bit floats; keeps off the Neural Engine",
    "fp16": "weights and activations in 16-bit floats, what Apple's processors compute in",
    "w8": "weights in 8 bits per channel, activations in 16-bit floats",
    "w6": "weights from palettes of 64 values, activations in 16-bit floats",
    "w4": "weights from palettes of 16 values, activations in 16-bit floats",
}
DEFAULT = ("fp32", "fp16", "w8")
CALIBRATED: tuple[str, ...] = ()
SELECTIVE: tuple[str, ...] = ()
METHODS = ("min-max",)

_EXTRA = "convert"
# The first target whose programs may hold palettes and quantized weights (macOS 13).
_TARGET = "iOS16"
_SCALES_TO_BATCH_NORMS = "common::fuse_elementwise_to_batchnorm"
_CONVERSION_DATE = "com.github.apple.coremltools.conversion_date"
# Any fixed name space will do; items are told apart by their paths.
_NAMESPACE = uuid.UUID("7d0c1c5e-3f1b-5c0e-9f57-6f3b3a2c9b11")


def convert(
    model: Any,
    precision: str,
    *,
    labels: Sequence[str],
    calibration: Calibration,
    metadata: Mapping[str, str],
    path: Path,
    options: Options = AS_THEY_COME,
) -> dict[str, Any]:
    """Write a ``.mlpackage`` folder: an image classifier as Vision wants it.

    Its input is an RGB image of the model's size, its outputs are the label and a dictionary of
    probabilities.

    Args:
        model: a Keras model in float32.
        precision: one of :data:`PRECISIONS`.
        labels: class names, which the program answers with.
        calibration: not used: no precision here quantizes activations.
        metadata: kept in the package beside the labels.
        path: where to write.
        options: not used.

    Returns:
        facts for the manifest: input, output, calibration, deployment target.

    Raises:
        ConversionError: the converter cannot carry the model.
        MissingPackage: coremltools or TensorFlow is not installed.
    """
    with quiet.captured():
        # Says at import which of its parts only work on a Mac.
        coremltools = packages.require("coremltools", _EXTRA)
    chatter = quiet.Chatter()
    try:
        with quiet.captured() as chatter:
            floats = "fp32" if precision == "fp32" else "fp16"
            start = _shared.once(
                model, ("coreml", floats, tuple(labels)), lambda: _program(coremltools, model, floats, labels)
            )
            program = _COMPRESSIONS[precision](coremltools, start)
    except Exception as error:
        # coremltools raises whatever its passes raise, down to bare Exception.
        raise _graph.failed("coreml", precision, error, chatter) from error
    program.short_description = metadata.get("description", "")
    program.user_defined_metadata.pop(_CONVERSION_DATE, None)
    program.user_defined_metadata["labels"] = json.dumps(list(labels))
    for name, text in metadata.items():
        program.user_defined_metadata[name] = text
    with files.appears_whole(path) as partial, quiet.captured():
        program.save(str(partial))
        _reproducible(coremltools, partial)
    description = program.get_spec().description
    return {
        "input": {"name": _graph.INPUT, "shape": list(model.input_shape[1:]), "range": [0, 255], "type": "image"},
        "output": {"name": description.predictedProbabilitiesName, "shape": [len(labels)], "type": "dictionary"},
        "calibration": None,
        "deployment_target": _TARGET,
    }


def _program(coremltools: Any, model: Any, floats: str, labels: Sequence[str]) -> Any:
    image = coremltools.ImageType(
        name=_graph.INPUT, shape=(1, *model.input_shape[1:]), color_layout=coremltools.colorlayout.RGB
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
        [_graph.frozen(model, batch=1)],
        source="tensorflow",
        convert_to="mlprogram",
        inputs=[image],
        classifier_config=coremltools.ClassifierConfig(list(labels)),
        compute_precision=compute,
        minimum_deployment_target=coremltools.target[_TARGET],
        pass_pipeline=passes,
        skip_model_load=True,
    )


def _keep(coremltools: Any, program: Any) -> Any:
    return program


def _quantize_weights(coremltools: Any, program: Any) -> Any:
    optimize = coremltools.optimize.coreml
    config = optimize.OptimizationConfig(
        global_config=optimize.OpLinearQuantizerConfig(mode="linear_symmetric", dtype="int8")
    )
    return optimize.linear_quantize_weights(program, config)


def _palettes(bits: int) -> Callable[[Any, Any], Any]:
    def palettize(coremltools: Any, program: Any) -> Any:
        optimize = coremltools.optimize.coreml
        config = optimize.OptimizationConfig(global_config=optimize.OpPalettizerConfig(mode="kmeans", nbits=bits))
        return optimize.palettize_weights(program, config)

    return palettize


def _reproducible(coremltools: Any, package: Path) -> None:
    """Take out of a package what differs from one conversion to the next.

    coremltools gives its items random identifiers, and writes maps in whatever order they have in memory.
    """
    manifest_path = package / "Manifest.json"
    manifest = json.loads(manifest_path.read_text(encoding="utf-8"))
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


_COMPRESSIONS: Mapping[str, Callable[[Any, Any], Any]] = {
    "fp32": _keep,
    "fp16": _keep,
    "w8": _quantize_weights,
    "w6": _palettes(6),
    "w4": _palettes(4),
}
