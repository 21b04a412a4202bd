"""Mutants of sound artifacts, each with what it does to the answers and whether ``verify`` would see it.

As ``verify`` does it, but in this process: its parts are called as it calls them. Run as a program it studies a
bundle and prints the shares: ``python tests/support/study.py BUNDLE IMAGES [VARIANT ...]``.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from edge_cifar import model_files
from edge_cifar.documents.artifact import Artifact
from edge_cifar.documents.bundle import Bundle
from edge_cifar.documents.reference import Reference
from edge_cifar.parity import inspection
from edge_cifar.parity.comparison import judge
from edge_cifar.parity.tolerances import tolerance_for
from edge_cifar.processes import output_capture
from edge_cifar.storage import files
from support import mutations_coreml, mutations_onnx, mutations_tflite, study_coreml, study_onnx, study_tflite

# A change that matters: what it does to the probability that it changes most.
EFFECT = 0.02
STUDIES: Mapping[str, tuple[Any, Any]] = {
    "tflite": (mutations_tflite, study_tflite),
    "onnx": (mutations_onnx, study_onnx),
    "coreml": (mutations_coreml, study_coreml),
}


@dataclass(frozen=True)
class Mutant:
    """What came of one change.

    Attributes:
        variant: of the artifact that was changed.
        name: of the change.
        reason: what is wrong with the artifact, by its file and its answers; None where nothing is.
        effect: largest change of a probability; infinite where it gives none.
        by: ``file`` or ``answers``, what found it.
    """

    variant: str
    name: str
    reason: str | None
    effect: float
    by: str | None


def ranged(artifact: Artifact) -> Artifact:
    """An artifact with its ranges in its manifest entry, as ``export`` lists them."""
    return replace(artifact, ranges=inspection.stored_ranges(artifact))


def opened(artifact: Artifact) -> Any:
    """An artifact's file as its changes take it."""
    if artifact.variant.format == "onnx":
        import onnx

        return onnx.load(artifact.path)
    if artifact.variant.format == "coreml":
        return mutations_coreml.Package(artifact.path)
    from tensorflow.lite.tools import flatbuffer_utils

    return flatbuffer_utils.convert_bytearray_to_object(bytearray(artifact.path.read_bytes()))


def changed(artifact: Artifact, edit: Any, folder: Path) -> Artifact:
    """A copy of an artifact with a change, its manifest entry signed anew."""
    path = folder / artifact.path.name
    files.remove(path) if path.exists() else None
    _copy(artifact.path, path)
    STUDIES[artifact.variant.format][0].apply(edit, path)
    return replace(artifact, path=path, sha256=files.sha256(path), size_bytes=files.size_bytes(path))


def _copy(source: Path, target: Path) -> None:
    import shutil

    (shutil.copytree if source.is_dir() else shutil.copy)(source, target)


def answers(artifact: Artifact, reference: Reference) -> np.ndarray | None:
    """An artifact's probabilities; None where its runtime refuses it."""
    try:
        with output_capture.captured(), np.errstate(all="ignore"):
            return np.asarray(model_files.load(artifact.path).predict(reference.images))
    except Exception:  # a runtime's bindings raise what they like at a broken file
        return None


def judged(artifact: Artifact, sibling: Artifact | None, reference: Reference, given: np.ndarray | None) -> list[str]:
    """What is wrong by the file, and by the answers, each where something is."""
    found = inspection.inspect(artifact, sibling).wrong
    by_answers: str | None = "it gives no answers"
    if given is not None:
        shape = reference.images.shape[1:]
        by_answers = judge(reference, shape, given, tolerance_for(artifact.variant)).reason
    return [f"{by}: {reason}" for by, reason in (("file", found), ("answers", by_answers)) if reason]


def study(
    artifact: Artifact, sibling: Artifact | None, reference: Reference, *, every: int = 1, harmless: bool = False
) -> Iterator[Mutant]:
    """Change an artifact in every way, or every so manieth, and judge what comes of it."""
    sound = answers(artifact, reference)
    assert sound is not None
    changes = STUDIES[artifact.variant.format][1]
    edits = list(changes.HARMLESS.items() if harmless else changes.mutants(opened(artifact)))
    with tempfile.TemporaryDirectory() as folder:
        for name, edit in edits[::every]:
            mutant = changed(artifact, edit, Path(folder))
            given = answers(mutant, reference)
            effect = np.inf
            if given is not None and given.shape == sound.shape and np.isfinite(given).all():
                effect = float(np.abs(given - sound).max())
            reasons = judged(mutant, sibling, reference, given)
            reason = reasons[0] if reasons else None
            by = reason.partition(":")[0] if reason else None
            yield Mutant(str(artifact.variant), name, reason, effect, by)


def main() -> None:
    """Study a bundle."""
    bundle = Bundle.open(Path(sys.argv[1]))
    count = int(sys.argv[2])
    wanted = sys.argv[3:]
    by_variant = {artifact.variant: artifact for artifact in bundle.artifacts}
    reference = Reference.read(bundle.reference_path).first(count)
    total: list[Mutant] = []
    for artifact in bundle.artifacts:
        if wanted and str(artifact.variant) not in wanted:
            continue
        sibling = by_variant.get(inspection.sibling_of(artifact.variant) or artifact.variant)
        sibling = None if sibling is artifact else sibling
        few = reference.first(100) if artifact.variant.format == "coreml" else reference
        for harmless in (True, False):
            rows = list(study(ranged(artifact), sibling, few, harmless=harmless))
            if harmless:
                alarms = [row for row in rows if row.reason]
                print(f"{artifact.variant}: {len(alarms)} false alarms in {len(rows)}", flush=True)
                for row in alarms:
                    print("   ALARM", row.name, row.reason)
                for row in rows:
                    if row.effect > 1e-3:
                        print("   not harmless", row.name, row.effect)
                continue
            total += rows
            tell(str(artifact.variant), rows)
    tell("all", total)


def tell(what: str, rows: list[Mutant]) -> None:
    """Print the shares, and what was missed."""
    matter = [row for row in rows if row.effect > EFFECT]
    caught = [row for row in matter if row.reason]
    by_file = sum(row.by == "file" for row in caught)
    print(f"{what}: {len(rows)} mutants, {len(matter)} matter, {len(caught)} caught, {by_file} by the file", flush=True)
    for row in matter:
        if not row.reason:
            print(f"   MISSED {row.variant}: {row.name}: {row.effect:.3f}")


if __name__ == "__main__":
    main()
