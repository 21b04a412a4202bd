"""How far an artifact may lie from the Keras model: one place, each figure with its reason."""

from __future__ import annotations

import dataclasses

from edge_cifar.documents.verify_figures import Tolerance
from edge_cifar.variant import Variant

FP32 = Tolerance(
    # The same arithmetic in another order. Rounding adds up with depth: 4e-6 was measured for
    # MobileNetV2, 2e-4 for ResNet50 and InceptionV3. 1e-3 leaves room for other processors and
    # is still far below what one wrong weight, stride or activation does.
    max_abs_diff=1e-3,
    # Two probabilities that each move by 1e-3 can trade places only within 2e-3 of each other;
    # beyond that the class must be the same on every image.
    margin=2e-3,
    confident_agreement=1.0,
)

FP16 = Tolerance(
    # Half precision keeps 11 bits, 5e-4 of each value, rounded again at every layer. The worst of a
    # thousand images was 1e-2 off for MobileNetV2 with every value rounded, 7e-4 for a small CNN: twice
    # the worst passes. The largest of a sample grows with the sample: of MobileNetV2's 10,000 test
    # images four were off by more than that, one by 2.9e-2. So one image in a thousand may be, by at most
    # half as much again as was ever measured; fewer than a thousand images leave no exception.
    max_abs_diff=2e-2,
    outliers=1e-3,
    outlier_abs_diff=4.5e-2,
    # Images on the edge between two classes may tip over: one in two hundred, and one of fewer. None of
    # them hides a fault: where no probability is off by more than 2e-2, only what Keras itself has within
    # 4e-2 can change its class.
    top1_agreement=0.995,
    # Follows from the largest difference as in FP32; stated so that a flip is reported as what it is.
    margin=9e-2,
    confident_agreement=1.0,
)

QUANTIZED = Tolerance(
    # Eight bits and fewer move probabilities of unsure images by tenths, so no bound on a single
    # probability tells a good artifact from a bad one. The class of the images that Keras is sure of
    # does: 98.8 % was measured for int8 MobileNetV2, 100 % for ResNet8; a wrong scale or channel
    # order leaves far less.
    margin=0.2,
    confident_agreement=0.97,
    # How far answers move on average. Sound artifacts of the seven trained networks move by at most 0.043 (Core ML's
    # int8), 0.036 (ONNX's int8), 0.017 (w8), 0.04 (w6); the largest that other bounds reject moved by 0.17. Twice the
    # worst passes. It sees what leaves classes as they are, such as a softmax of twice the sharpness.
    max_variation=0.1,
    # How sure answers are, against how often they are right. Sound artifacts moved the error by at most 0.009 on 2,000
    # images, within the intervals of both.
    max_calibration_shift=0.02,
    # What quantization is commonly allowed to cost. On the same images, by the lower end of the
    # paired interval: a loss that chance explains does not fail an artifact.
    max_drop=1.0,
)

FOUR_BITS = dataclasses.replace(
    QUANTIZED,
    # Sixteen values for all weights of a layer: 0.085 was measured where the answers are kept otherwise, 0.15 where
    # they are not.
    max_variation=0.2,
    max_calibration_shift=0.05,
)


def tolerance_for(variant: Variant) -> Tolerance:
    """The tolerance of a variant, by its precision.

    Fewer bits are held to :data:`QUANTIZED`, four to :data:`FOUR_BITS`; float precisions must reproduce the
    probabilities. So must those of pruned and clustered weights, which are compared with the Keras model that
    holds the same weights: what was done to them is judged by the gate of ``export``, not here.
    """
    return {"fp32": FP32, "fp16": FP16, "w4": FOUR_BITS}.get(variant.base, QUANTIZED)
