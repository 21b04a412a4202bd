"""Train, convert, prove and measure CIFAR-10 classifiers for phones, Macs and Raspberry Pis.

    import edge_cifar as ec

    run = ec.train("mobilenetv2")
    bundle = ec.export(run, formats=["coreml"])
    ec.verify(bundle)
    ec.bench(bundle)

These are the functions that the commands call. Each is imported when it is first used, so that
``import edge_cifar`` costs next to nothing and works wherever Python and NumPy do.

It does one thing to the process: it turns ONNX Runtime's telemetry off.
"""

from __future__ import annotations

import importlib
import os

# As in typing, which takes longer to import than all of this: while it did, Ctrl-C would show a traceback.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from edge_cifar.model_files import load
    from edge_cifar.steps.bench import bench
    from edge_cifar.steps.export import export
    from edge_cifar.steps.predict import predict
    from edge_cifar.steps.report import report
    from edge_cifar.steps.train import train
    from edge_cifar.steps.verify import verify

# ONNX Runtime 1.31 for Linux connects to the network and leaves a device id, a database and a file in the
# temporary folder when it is imported; `disable_telemetry_events()` afterwards changes nothing. It reads this
# variable before. Every process that runs this package, a worker too, imports this module first.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"

__all__ = ["__version__", "bench", "export", "load", "predict", "report", "train", "verify"]

_HOMES = {
    "bench": "edge_cifar.steps.bench",
    "export": "edge_cifar.steps.export",
    "load": "edge_cifar.model_files",
    "predict": "edge_cifar.steps.predict",
    "report": "edge_cifar.steps.report",
    "train": "edge_cifar.steps.train",
    "verify": "edge_cifar.steps.verify",
}

# Three functions share their names with sub-packages, and the import system sets a sub-package as an
# attribute of its parent, once: when it is first imported. All are imported here (they hold no code
# of their own) and their attributes dropped, so that `edge_cifar.bench` is the function for good,
# while `from edge_cifar.bench import worker` goes by sys.modules and still finds the sub-package.
for _name in ("bench", "export", "report"):
    importlib.import_module(f"edge_cifar.{_name}")
    globals().pop(_name, None)


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib import metadata

        return metadata.version("edge-cifar")
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'edge_cifar' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
