"""The contents of a file, compared with what they should be: its network, constants and value ranges.

Answers to a few thousand images leave room for a wrong number that changes few of them. What stands in the file does
not: an fp32 artifact of the same weights, which answers as the Keras model does, has the same operations with the same
settings, and constants that each precision rounds in a known way; and the manifest has the ranges that the converter
wrote, and those that calibration images showed.
"""

from __future__ import annotations

from dataclasses import dataclass

from edge_cifar import formats
from edge_cifar.documents.artifact import Artifact
from edge_cifar.documents.file_checks import RangesCheck, WeightsCheck
from edge_cifar.errors import BundleError
from edge_cifar.parity import calibration, pairing, ranges
from edge_cifar.parity.weights import wrong_constant
from edge_cifar.preprocessing import Range
from edge_cifar.readers import Network
from edge_cifar.variant import Variant


@dataclass(frozen=True, kw_only=True)
class Inspection:
    """The outcome of inspecting an artifact's file.

    Attributes:
        sibling: the fp32 artifact that its network and constants were compared with; None where there is none.
        operations: how many operations were compared.
        constants: how many tensors were.
        ranges: how many quantized values were held to the manifest's ranges, 0 at precisions that quantize none; None
            where it should list some and does not, as in bundles that older versions wrote.
        calibrated: how many of them were held to what calibration images showed, besides.
        wrong: what is wrong, in words; None when nothing is.
    """

    sibling: Variant | None
    operations: int = 0
    constants: int = 0
    ranges: int | None = None
    calibrated: int = 0
    wrong: str | None = None

    @property
    def weights_check(self) -> WeightsCheck | None:
        """The report's entry of the comparison with the sibling; None without one."""
        if self.sibling is None:
            return None
        return WeightsCheck(
            compared_with=self.sibling,
            operations=self.operations,
            constants=self.constants,
            proven=self.wrong is None,
        )

    @property
    def ranges_check(self) -> RangesCheck:
        """The report's entry of the ranges."""
        return RangesCheck(
            held=self.ranges or 0,
            held_to_calibration=self.calibrated,
            reason=None if self.ranges is not None else "the manifest has no ranges; export again to have them checked",
        )


def sibling_of(variant: Variant) -> Variant | None:
    """The fp32 variant whose weights a variant's are, but for rounding; None where it has a precision of its own.

    Weights that were pruned or clustered have one that holds the same; training for quantization leaves none.
    """
    precision = formats.precision_of(variant)
    if precision is None or not precision.rounded:
        return None
    return Variant(variant.format, f"fp32-{variant.compression}" if variant.compression else "fp32")


def readable(artifact: Artifact) -> bool:
    """Whether there is a reader for an artifact's format."""
    format_ = formats.find(artifact.variant.format)
    return format_ is not None and format_.reader is not None


def network(artifact: Artifact) -> Network:
    """An artifact's network; it must be :func:`readable`.

    Raises:
        BundleError: its file is damaged.
    """
    load = formats.get(artifact.variant.format).reader
    assert load is not None
    return load().network(artifact.path)


def stored_ranges(artifact: Artifact) -> tuple[Range, ...]:
    """The ranges that an artifact stores its values in, for its manifest; empty where it quantizes none.

    None are known of a format that nothing here reads, or of a file that is broken, which :func:`inspect` says.
    """
    if not readable(artifact):
        return ()
    try:
        return ranges.listed(network(artifact))
    except BundleError:
        return ()


def inspect(artifact: Artifact, sibling: Artifact | None) -> Inspection:
    """Inspect an artifact's file.

    Args:
        artifact: any.
        sibling: the fp32 artifact of the same weights; None where there is none that passed.
    """
    variant = sibling.variant if sibling else None
    try:
        given = network(artifact)
    except BundleError as error:
        return Inspection(sibling=variant, wrong=str(error))
    precision = formats.precision_of(artifact.variant)
    # Precisions without integer values between operations have no ranges to list.
    listed = (artifact.ranges or None) if precision and precision.quantized else ()
    seen = artifact.conversion.calibrated_ranges
    wrong_range = None if listed is None else ranges.wrong_range(listed, given)
    if seen and wrong_range is None:
        wrong_range = calibration.wrong_range(artifact.variant, seen, given)
    held = None if listed is None else len(listed)
    calibrated = sum(one is not None for one in seen)
    if sibling is None:
        return Inspection(sibling=None, ranges=held, calibrated=calibrated, wrong=wrong_range)
    try:
        pairs = pairing.pairs(sibling.variant, network(sibling), given)
    except BundleError as error:
        return Inspection(sibling=variant, ranges=held, calibrated=calibrated, wrong=str(error))
    reasons = (reason for pair in pairs if (reason := wrong_constant(sibling.variant, pair)))
    return Inspection(
        sibling=variant,
        operations=len(pairs),
        constants=sum(len(pair.exact.weights) for pair in pairs),
        ranges=held,
        calibrated=calibrated,
        wrong=next(reasons, None) or wrong_range,
    )
