"""Verify every Core ML variant of several backbones on this machine, with or without macOS.

    python benchmarks/coreml_proofs.py [BACKBONE…] [--data cifar10] [--limit N] [--epochs N] [--output FILE]

Uses each backbone's trained run under models/ or runs/. Without one, trains the backbone briefly from scratch, by
default on the built-in synthetic data. Exports it in all Core ML precisions and verifies the bundle layer by layer.
For packages with compressed weights, also lets coremltools decompress them and compares the result with ours bit for
bit. Prints a line per variant. Exits with 1 if a float variant fails, a constant is not what its precision allows, or
a decompressed weight differs in a bit.

A network trained for a few minutes is less confident than a real one. The exit status therefore depends only on
whether the artifact is correct, not on whether 6 or 4 bits suffice; agreement and accuracy are reported.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path
from typing import Any

import _results
import _runs
import numpy as np

import edge_cifar as ec
from edge_cifar import backbones, packages
from edge_cifar.documents.bundle import Bundle
from edge_cifar.documents.run import Run
from edge_cifar.documents.verification import Verification
from edge_cifar.errors import CheckFailed
from edge_cifar.processes import output_capture
from edge_cifar.runtimes import coreml_reference
from edge_cifar.storage import files

BACKBONES = ("mobilenetv2", "resnet8", "deep-cnn", "vgg16", "resnet50", "inceptionv3")
FLOAT = ("fp32", "fp16")
# That 99.5 % of the classes are equal cannot be told from a few hundred.
IMAGES = 1000


def prove(name: str, folder: Path, data: str, limit: int, epochs: int) -> list[dict[str, Any]]:
    """Export and verify one backbone; the result of each variant."""
    run = _runs.trained(name) or trained_a_little(name, folder / name, data, limit, epochs)
    place = folder / "bundle"
    try:
        ec.export(run, formats=["coreml"], precisions=["all"], reference_images=IMAGES, max_drop=100.0, out=place)
    except CheckFailed as rejected:
        print(f"{name}: {rejected}", flush=True)  # there is nothing to prove of what is not kept
    bundle = Bundle.open(place)
    outcomes = ec.verify(bundle, layers=True)
    data = run.record().data
    trained_on = {"name": data.name, "synthetic": data.synthetic, "train_images": data.train_images}
    return [{"backbone": name, "trained_on": trained_on, **found(name, bundle, outcome)} for outcome in outcomes]


def trained_a_little(name: str, folder: Path, data: str, limit: int, epochs: int) -> Run:
    """A run on a few images, from scratch."""
    phases = backbones.get(name).recipe("default", from_scratch=True).phases
    return ec.train(
        name,
        data=data,
        limit=limit,
        weights="none",
        epochs=[0] * (len(phases) - 1) + [epochs],
        batch_size=32,
        out=folder,
    )


def found(name: str, bundle: Bundle, outcome: Verification) -> dict[str, Any]:
    """The measurements of one variant, and whether it is proven."""
    path = next(artifact.path for artifact in bundle.artifacts if artifact.variant == outcome.variant)
    figures, layers, weights = outcome.figures, outcome.layers, outcome.weights
    assert figures is not None
    assert layers is not None
    errors = [layer.error for layer in layers.layers if layer.error is not None]
    equal = None if outcome.variant.precision in FLOAT else equal_tensors(path)
    proven = (
        (outcome.status == "pass" or outcome.variant.precision not in FLOAT)
        and (weights is None or weights.proven)
        and (equal is None or equal["different"] == 0)
    )
    print(
        f"{name} {outcome.variant.precision}: {'proven' if proven else 'NOT PROVEN'}; largest difference "
        f"{figures.max_abs_diff:.1e}, same class {figures.top1_agreement:.1%}, layers "
        f"{len(errors)} of {len(layers.layers)}, the farthest {max(errors):.1e} off"
        + (f", {equal['tensors']} tensors decompressed alike" if equal and not equal["different"] else "")
        + (f"; {outcome.reason}" if outcome.reason else ""),
        flush=True,
    )
    kept = ("variant", "status", "method", "images", "max_abs_diff", "mean_abs_diff", "kl_divergence")
    more = ("top1_agreement", "accuracy", "reference_accuracy", "weights", "reason")
    document = outcome.to_json()
    return {
        "proven": proven,
        **{key: document[key] for key in (*kept, *more)},
        "layers": {
            "matched": len(errors),
            "of": len(layers.layers),
            "largest_error": max(errors),
            "first_apart": layers.first_apart.name if layers.first_apart else None,
        },
        "decompressed": equal,
    }


def equal_tensors(path: Path) -> dict[str, int]:
    """How many constants of a package are equal, bit for bit, to what coremltools decompresses them to."""
    with output_capture.captured(), tempfile.TemporaryDirectory() as folder:
        coremltools = packages.require("coremltools", "convert")
        model = coremltools.models.MLModel(str(path), skip_model_load=True)
        dense = Path(folder) / "dense.mlpackage"
        coremltools.optimize.coreml.decompress_weights(model).save(str(dense))
        theirs = coreml_reference.constants(dense)
    ours = coreml_reference.constants(path)
    alike = [np.array_equal(ours[name], theirs[name]) for name in theirs if name in ours and theirs[name].ndim > 1]
    return {"tensors": len(alike), "different": len(alike) - sum(alike)}


def main() -> int:
    """Verify the backbones named on the command line, or all six."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("backbones", nargs="*", metavar="BACKBONE", help=f"default: {', '.join(BACKBONES)}")
    parser.add_argument("--output", type=Path, help="also write the results as JSON, keeping those in an existing file")
    parser.add_argument("--data", default="synthetic", help="data to train on without a trained run")
    parser.add_argument("--limit", type=int, default=1000, help="training images without a trained run")
    parser.add_argument("--epochs", type=int, default=6, help="epochs without a trained run")
    chosen = parser.parse_args()
    proofs = []
    for name in chosen.backbones or BACKBONES:
        with tempfile.TemporaryDirectory(prefix="edge-cifar-proof-") as folder:
            proofs += prove(name, Path(folder), chosen.data, chosen.limit, chosen.epochs)
        if chosen.output:
            write(chosen.output, proofs)
    return 0 if all(proof["proven"] for proof in proofs) else 1


def write(path: Path, proofs: list[dict[str, Any]]) -> None:
    """Write the results, keeping those of other backbones in the file."""
    named = {proof["backbone"] for proof in proofs}
    before = files.read_json(path, "list of proofs")["results"] if path.exists() else []
    results = [*(proof for proof in before if proof["backbone"] not in named), *proofs]
    _results.write(path, results, **table(results))


def table(results: list[dict[str, Any]]) -> dict[str, Any]:
    """The documents' table: largest difference for floats, accuracy for the others."""
    precisions = list(dict.fromkeys(_precision(result) for result in results))
    rows = []
    for name in dict.fromkeys(result["backbone"] for result in results):
        of = {_precision(result): result for result in results if result["backbone"] == name}
        data = of["fp32"]["trained_on"]
        trained_on = f"{data['train_images']:,} {'synthetic' if data['synthetic'] else data['name']} images"
        cells = [_cell(of[precision], precision) for precision in precisions]
        rows.append([name, trained_on, f"{of['fp32']['reference_accuracy']['value']:.1%}", *cells])
    return {"columns": ["backbone", "trained on", "Keras", *precisions], "rows": rows}


def _precision(result: dict[str, Any]) -> str:
    return str(result["variant"]).partition("-")[2]


def _cell(result: dict[str, Any], precision: str) -> str:
    figure = f"{result['max_abs_diff']:.1e}" if precision in FLOAT else f"{result['accuracy']['value']:.1%}"
    return figure if result["proven"] else f"{figure}, not proven"


if __name__ == "__main__":
    sys.exit(main())
