"""What calibration images showed of each value that an artifact quantizes, for its manifest entry."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from edge_cifar import formats
from edge_cifar.converters import Calibration, Options
from edge_cifar.errors import BundleError
from edge_cifar.export import plan
from edge_cifar.parity import calibration as calibrated
from edge_cifar.storage import scratch
from edge_cifar.variant import Variant


def facts(
    variant: Variant, model: Any, *, labels: Sequence[str], calibration: Calibration, path: Path, options: Options
) -> dict[str, Any]:
    """The ranges for the manifest; nothing where none are known.

    Args:
        variant: that was written.
        model: the Keras model that it was converted from, promised not to change.
        labels: class names.
        calibration: the images that ranges follow from.
        path: the artifact.
        options: that it was converted with.
    """
    format_ = formats.get(variant.format)
    if format_.reader is None:
        return {}
    reader = format_.reader()
    with scratch.folder("ranges") as folder:
        floats = folder / f"floats{format_.suffix}"
        observed = format_.converter().observed(
            model,
            plan.converted_as(variant),
            labels=labels,
            calibration=calibration,
            path=floats,
            options=options,
        )
        if observed is None:
            return {}
        try:
            seen = calibrated.seen(variant, reader.network(floats), reader.network(path), observed)
        except BundleError:
            # Not the same operation by operation; verify holds the artifact to its fp32 sibling by other means.
            return {}
    return {calibrated.MANIFEST: [None if one is None else list(one) for one in seen]}
