"""Activations in 8 bits for Core ML, calibrated without a Mac.

coremltools' own calibration calls Core ML's prediction, which only macOS has, and keeps of each range
only what the last image showed (9.0). Here the reference evaluator computes the calibration images; the
ranges then go through the same passes of coremltools that place the quantizations.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_cifar import packages
from edge_cifar.converters import Calibration, _graph
from edge_cifar.runtimes import coreml_reference

_EXTRA = "convert"
_PASSES = "coremltools.converters.mil.mil.passes"
_BATCH = 25


def quantized(coremltools: Any, program: Any, calibration: Calibration) -> Any:
    """A program with activations in 8 bits, its weights as they are.

    Args:
        coremltools: the namespace.
        program: an ``mlprogram`` for iOS 17 or newer; it stays as it is.
        calibration: the ranges of activations come from these images.
    """
    registry = packages.require(f"{_PASSES}.pass_registry", _EXTRA).PASS_REGISTRY
    option = packages.require(f"{_PASSES}.graph_pass", _EXTRA).PassOption
    ranges = _ranges(program, calibration)
    config = config_8_bits(coremltools)
    passes = []
    for end in ("prefix", "suffix"):
        insertion = registry[f"compression::insert_{end}_quantize_dequantize_pair"]
        insertion.set_options([option("config", config), option("activation_stats", ranges)])
        passes.append(insertion)
    passes.append(registry["common::dequantize_quantize_pair_elimination"])
    apply = packages.require("coremltools.models.utils", _EXTRA)._apply_graph_pass
    return apply(program, passes, spec_version=program.get_spec().specificationVersion, skip_model_load=True)


def config_8_bits(coremltools: Any) -> Any:
    """Symmetric 8-bit integers, one scale an output channel of weights, one a tensor of activations."""
    optimize = coremltools.optimize.coreml
    return optimize.OptimizationConfig(
        global_config=optimize.OpLinearQuantizerConfig(mode="linear_symmetric", dtype="int8")
    )


def _ranges(program: Any, calibration: Calibration) -> dict[str, dict[str, float]]:
    """By the name of a value, the least and the largest number seen in it, as coremltools' passes take them."""
    ranges = {_graph.INPUT: {"rmin": 0.0, "rmax": 255.0}}

    def watch(name: str, value: NDArray[Any]) -> None:
        if value.dtype == np.float32:
            seen = ranges.setdefault(name, {"rmin": np.inf, "rmax": -np.inf})
            seen["rmin"] = min(seen["rmin"], float(value.min()))
            seen["rmax"] = max(seen["rmax"], float(value.max()))

    with tempfile.TemporaryDirectory(prefix="edge-cifar-") as scratch:
        path = Path(scratch) / f"float{coreml_reference.SUFFIX}"
        program.save(str(path))
        runtime = coreml_reference.load(path)
        for start in range(0, len(calibration.images), _BATCH):
            runtime.observe(calibration.images[start : start + _BATCH], watch)
    _join_concatenated(program, ranges)
    return ranges


def _join_concatenated(program: Any, ranges: dict[str, dict[str, float]]) -> None:
    """Give what one concatenation joins, and its result, one range: Core ML's processors want one scale for them."""
    (function,) = program.get_spec().mlProgram.functions.values()
    for operation in function.block_specializations[function.opset].operations:
        if operation.type != "concat":
            continue
        names = [argument.name for argument in operation.inputs["values"].arguments]
        joined = [ranges[name] for name in (*names, operation.outputs[0].name) if name in ranges]
        low, high = min(one["rmin"] for one in joined), max(one["rmax"] for one in joined)
        for one in joined:
            one["rmin"], one["rmax"] = low, high
