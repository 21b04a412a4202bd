"""A converter that writes ``.fake`` files.

They hold the one layer that :func:`support.third_format.network` ends with. Beside ``fp32``, ``int8`` and ``coarse``
the precisions are faults, each of which the runtime (:mod:`support.fake.runtime`) has as its file says.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from edge_cifar.converters import AS_THEY_COME, Calibration, Options
from edge_cifar.documents.conversion_record import ConversionRecord, TensorSpec
from edge_cifar.precision import Precision
from edge_cifar.preprocessing import Range
from edge_cifar.storage import files

FAULTS: dict[str, dict[str, Any]] = {
    "aborting": {"fails": {"predict": "crash"}},
    "aborting-at-once": {"fails": {"load": "crash"}},
    "hanging": {"fails": {"predict": "hang"}},
    "raising": {"fails": {"predict": "bug"}},
    "leaving": {"fails": {"predict": "leave"}},
    "nan": {"scale": float("nan")},
    "misshapen": {"classes": 7},
}
# Steps of the kernel in its largest number.
STEPS = {"int8": 127, "coarse": 2}


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
    kernel, bias = model.get_layer("last").get_weights()
    step = None
    if precision.name in STEPS:
        step = float(np.abs(kernel).max()) / STEPS[precision.name]
        kernel = np.round(kernel / step) * step
    # Quantizing one layer alone is what this runtime cannot do.
    faults = {"fails": {"predict": "crash"}} if options.only else FAULTS.get(precision.name, {})
    settings = {
        "shape": model.input_shape[1:],
        "classes": len(labels),
        "kernel": kernel.tolist(),
        "step": step,
        "bias": bias.tolist(),
        **({} if options.keep_float else faults),
    }
    files.write_text(path, json.dumps(settings))
    image = TensorSpec(name="image", shape=(1, *model.input_shape[1:]), range=(0, 255), type="float32")
    return ConversionRecord(input=image)


def observed(
    model: Any,
    precision: Precision,
    *,
    labels: Sequence[str],
    calibration: Calibration,
    path: Path,
    options: Options = AS_THEY_COME,
) -> dict[str, Range]:
    """Nothing: no precision looks at calibration images."""
    return {}
