"""Whether a file gives the same answers on every processor, from its weights alone."""

from __future__ import annotations

from dataclasses import replace

from edge_cifar import formats
from edge_cifar.documents.artifact import Artifact
from edge_cifar.documents.verification import Verification
from edge_cifar.errors import BundleError


def held(artifact: Artifact, outcome: Verification) -> Verification:
    """An artifact's outcome, failed where its 8-bit products overflow on some processors.

    Args:
        artifact: whose file is read.
        outcome: what was found by its answers, on whatever processor this is.
    """
    unread = outcome.status == "fail" and outcome.figures is None
    format_ = formats.of_file(artifact.path)
    if format_ is None or format_.overflow is None or unread:
        return outcome
    try:
        wrong = format_.overflow(artifact.path)
    except BundleError as error:
        wrong = str(error)
    if wrong is None:
        return outcome
    found = [outcome.reason] if outcome.status == "fail" and outcome.reason else []
    return replace(outcome, status="fail", reason="; ".join([*found, wrong, "export again"]))
