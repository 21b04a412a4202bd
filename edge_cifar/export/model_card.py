"""The model card of a bundle: what the model is, what it was trained on, and what each file costs."""

from __future__ import annotations

from collections.abc import Sequence

from edge_cifar import backbones, formats
from edge_cifar.data import sets
from edge_cifar.data.loading import is_archive, is_folder
from edge_cifar.documents.artifact import Artifact
from edge_cifar.documents.parity_check import Rejection
from edge_cifar.documents.run_record import RunRecord


def card(
    model: str,
    record: RunRecord,
    artifacts: Sequence[Artifact],
    labels: Sequence[str],
    rejected: Sequence[Rejection] = (),
) -> str:
    """The card, in Markdown.

    Args:
        model: the run's name.
        record: the run's record.
        artifacts: those in the bundle.
        labels: class names.
        rejected: the variants that were asked for and are not in it.
    """
    source = f"{'ONNX' if record.model_file.endswith('.onnx') else 'Keras'} model"
    data, test = record.data, record.test
    height, width, _ = data.image_shape
    synthetic = " The images are synthetic, so the figures do not apply to photographs." if data.synthetic else ""
    guessed = " That is no better than chance." if test.low <= 1 / len(labels) else ""
    rows = "\n".join(_row(artifact) for artifact in artifacts)
    return f"""# {model}

A `{record.backbone}` image classifier with {len(labels)} classes: {", ".join(labels)}.
Each file takes raw RGB pixels (0..255, {height}×{width}) and outputs one probability per class, in the order of
`labels.txt`. Resizing and normalization are part of the model. Images of anything else are also assigned one of
these classes, often with a high probability.

## Training

- Architecture: {record.parameters:,} parameters{_macs(record)} at an input resolution of
  {"×".join(map(str, record.image_size))}. {_origin(record)}
- Data: `{data.name}`, {data.train_images:,} training images and {data.validation_images:,} for
  validation.{synthetic}
{_training(record)}
- {source} on {test.images:,} test images: top-1 {test.top1:.2%} (95 % interval {test.low:.2%} to {test.high:.2%}),
  macro F1 {test.f1:.3f}, expected calibration error {test.calibration_error:.3f}.{guessed}

## Files

Each file was compared with the {source} on {_compared_on(artifacts)} before it was accepted.

| file | size (bytes) | images | top-1 | Δ top-1 (pp) | top-1 agreement | max \\|Δ probability\\| |
|---|---:|---:|---:|---:|---:|---:|
{rows}
{_not_kept(rejected)}{_trained_again(artifacts)}
Verify the files on the target machine with `edge-cifar verify .` and benchmark them with `edge-cifar bench .`.
`reference.npz` contains test images and the {source}'s predictions for them.

## Usage

Run `pip install "edge-cifar[device]"`, then `edge-cifar predict . picture.jpg`. For a web page that classifies
images, install `edge-cifar[device,serve]` and run `edge-cifar serve .`. To use a file in your own program:

{_uses(artifacts)}

## Licences

- Images: {_licence_of(data.name)}
- Weights: {_licence_of_weights(record)}
"""


def _macs(record: RunRecord) -> str:
    return "" if record.multiply_adds is None else f", {record.multiply_adds:,} MACs per image"


def _origin(record: RunRecord) -> str:
    if record.imported is None:
        return f"Source: {backbones.get(record.backbone).source}."
    return f"Imported from {record.imported.source}" + (
        f" (SHA-256 {record.imported.sha256})." if record.imported.sha256 else "."
    )


def _training(record: RunRecord) -> str:
    imported = record.imported
    if imported is None:
        return f"- Training: recipe `{record.recipe_name}`, {_start(record)}, seed {record.seed}."
    lines = [f"- Training: elsewhere. Input range: {imported.input_range}; {imported.ground}."]
    if imported.output:
        lines.append(f"- Output: {imported.output}.")
    return "\n".join(lines)


def _start(record: RunRecord) -> str:
    if record.weights == "none":
        return "from random initialization"
    return (
        "from pretrained ImageNet weights"
        if record.weights == "imagenet"
        else f"from the pretrained weights in `{record.weights}`"
    )


def _uses(artifacts: Sequence[Artifact]) -> str:
    names = dict.fromkeys(artifact.variant.format for artifact in artifacts)
    return "\n\n".join(f"**{name}.** {formats.get(name).usage}" for name in names)


def _licence_of(data: str) -> str:
    if is_archive(data):
        return "your own; check the licences of the images."
    if is_folder(data):
        return "from your own folder; check the licences of its images."
    return sets.get(data).licence.replace("\n", "\n  ")


def _licence_of_weights(record: RunRecord) -> str:
    if record.imported:
        return "imported; the licence that the model came with applies."
    if record.weights == "none":
        return "trained from random initialization; the weights are yours."
    if record.weights == "imagenet":
        return (
            "fine-tuned from Keras Applications (https://keras.io/api/applications/), whose weights keep their\n"
            "  authors' licence; the ImageNet images were released for research and teaching."
        )
    return f"fine-tuned from `{record.weights}`, whose licence still applies."


def _compared_on(artifacts: Sequence[Artifact]) -> str:
    split = next((one.parity.split for one in artifacts if one.parity and one.parity.split), "validation")
    known = " (whose top-1 is higher than that of new images)" if "training" in split else ""
    return f"{split} images{known}"


def _trained_again(artifacts: Sequence[Artifact]) -> str:
    changed = [f"`{artifact.variant}`" for artifact in artifacts if artifact.variant.compression]
    if not changed:
        return ""
    return f"""
The weights of {", ".join(changed)} were retrained before conversion; see `retraining` in `manifest.json`.
"""


def _not_kept(rejected: Sequence[Rejection]) -> str:
    if not rejected:
        return ""
    rows = "\n".join(f"- `{one.variant}`: {'; '.join(filter(None, (one.reason, one.way_out)))}." for one in rejected)
    return f"""
Requested but **rejected**:

{rows}
"""


def _row(artifact: Artifact) -> str:
    parity = artifact.parity
    beginning = f"| `{artifact.path.name}` | {artifact.size_bytes:,} "
    if parity is None or parity.accuracy is None or parity.drop is None:
        return beginning + "| not run " * 5 + "|"
    return beginning + (
        f"| {parity.images:,} | {parity.accuracy.top1:.2%} | {0 - parity.drop.points:+.2f} "
        f"| {parity.top1_agreement:.2%} | {parity.max_abs_diff:.1e} |"
    )
