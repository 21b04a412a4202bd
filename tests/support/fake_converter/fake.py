"""A converter that writes ``.fake`` files: a format that nothing else in the project knows of.

It holds the one layer that :func:`third_format.network` ends with. Beside ``fp32`` and ``int8`` its precisions are
faults, each of which the runtime (:mod:`fake_runtime.fake`) has as its file says.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from edge_cifar.converters import AS_THEY_COME, Calibration, Options
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
PRECISIONS = {
    "fp32": "as trained",
    "int8": "in steps of a 127th",
    "coarse": "in steps of a half",
    **dict.fromkeys(FAULTS, "wrong"),
}
DEFAULT = ("fp32", "int8")
SUFFIX = ".fake"
PACKAGES = ()
USE = "It cannot."
CALIBRATED = ()
CORRECTED = ()
METHODS = ("min-max",)
# What brings a file through that aborts its runtime is int8 with a layer in floats.
SELECTIVE = ("int8", "aborting")


def convert(
    model: Any,
    precision: str,
    *,
    labels: tuple[str, ...],
    calibration: Calibration,
    metadata: dict[str, str],
    path: Path,
    options: Options = AS_THEY_COME,
) -> dict[str, Any]:
    kernel, bias = model.get_layer("last").get_weights()
    if precision in STEPS:
        step = np.abs(kernel).max() / STEPS[precision]
        kernel = np.round(kernel / step) * step
    settings = {
        "shape": model.input_shape[1:],
        "classes": len(labels),
        "kernel": kernel.tolist(),
        "bias": bias.tolist(),
        # Quantizing one layer alone is what this runtime cannot do.
        **({"fails": {"predict": "crash"}} if options.only else FAULTS.get(precision, {})),
    }
    files.write_text(path, json.dumps(settings))
    return {"input": {"shape": [1, *model.input_shape[1:]]}, "output": {}, "calibration": None}
