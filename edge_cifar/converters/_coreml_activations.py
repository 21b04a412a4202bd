"""Activations in 8 bits for Core ML, calibrated without a Mac.

coremltools' own calibration calls Core ML's prediction, which only macOS has, and keeps of each range
only what the last image showed (9.0). Here the reference evaluator computes the calibration images; the
ranges then go through the same passes of coremltools that place the quantizations.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from edge_cifar import packages
from edge_cifar.converters import _coreml_visits
from edge_cifar.converters._coreml_observed import Observed
from edge_cifar.converters.shared import tf_graph

_EXTRA = "convert"
_PASSES = "coremltools.converters.mil.mil.passes"
_MIDDLE = np.uint8(128)
# A scale of a 255th of it is still held by half precision; what never was larger is as good as constant.
_LEAST_RANGE = 1e-3


def quantized(coremltools: Any, program: Any, observed: Observed) -> Any:
    """A program with activations in 8 bits, its weights as they are.

    Args:
        coremltools: the namespace.
        program: an ``mlprogram`` for iOS 17 or newer; it stays as it is.
        observed: the ranges of its activations.
    """
    registry = packages.require(f"{_PASSES}.pass_registry", _EXTRA).PASS_REGISTRY
    option = packages.require(f"{_PASSES}.graph_pass", _EXTRA).PassOption
    ranges = _ranges(program, observed)
    optimize = coremltools.optimize.coreml
    config = optimize.OptimizationConfig(global_config=optimize.OpLinearQuantizerConfig(mode="linear", dtype=np.uint8))
    passes = []
    for end in ("prefix", "suffix"):
        insertion = registry[f"compression::insert_{end}_quantize_dequantize_pair"]
        insertion.set_options([option("config", config), option("activation_stats", ranges)])
        passes.append(insertion)
    passes.append(registry["common::dequantize_quantize_pair_elimination"])
    passes.append(_coreml_visits.visiting(("quantize", "dequantize"), _set_middle))
    return _coreml_visits.applied(program, passes)


def _set_middle(operation: Any) -> None:
    """Put a zero that is not at the end of a range into its middle.

    coremltools computes it in half precision, where it overflows for ranges beyond 257.
    """
    if operation.zero_point is not None and operation.zero_point.val != 0:
        _coreml_visits.set_constant(operation, "zero_point", _MIDDLE)


def _ranges(program: Any, observed: Observed) -> dict[str, dict[str, float]]:
    """By the name of a value, the least and the largest number seen in it, as coremltools' passes take them."""
    ranges = {name: {"rmin": low, "rmax": observed.highs[name]} for name, low in observed.lows.items()}
    ranges[tf_graph.INPUT] = {"rmin": 0.0, "rmax": 255.0}
    _join_concatenated(program, ranges)
    for one in ranges.values():
        # As coremltools' quantizer for PyTorch has it: bytes, with zero at 0 where nothing is negative, as behind a
        # ReLU, and in their middle elsewhere. Symmetric signed integers would leave half of them unused behind a ReLU:
        # MobileNetV2 lost 0.9 points by that, and 0.1 so.
        largest = max(-one["rmin"], one["rmax"], _LEAST_RANGE)
        one["rmin"], one["rmax"] = (-largest if one["rmin"] < 0 else 0.0), largest
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
