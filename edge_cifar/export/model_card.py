"""The model card of a bundle: what the model is, what it was trained on, and what each file costs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from edge_cifar import backbones, formats
from edge_cifar.data import sets
from edge_cifar.data.loading import is_folder
from edge_cifar.documents.bundle import Artifact
from edge_cifar.documents.run_record import RunRecord


def card(
    model: str,
    record: RunRecord,
    artifacts: Sequence[Artifact],
    labels: Sequence[str],
    rejected: Sequence[Mapping[str, Any]] = (),
) -> str:
    """The card, in Markdown.

    Args:
        model: the run's name.
        record: the run's record.
        artifacts: those in the bundle.
        labels: class names.
        rejected: the manifest's entries of the variants that were asked for and are not in it.
    """
    data, test = record.data, record.test
    height, width, _ = data.image_shape
    synthetic = " The images are made by code: the figures say nothing about photographs." if data.synthetic else ""
    guessed = " That cannot be told from guessing." if test.low <= 1 / len(labels) else ""
    rows = "\n".join(_row(artifact) for artifact in artifacts)
    return f"""# {model}

A `{record.backbone}` that tells {len(labels)} classes apart: {", ".join(labels)}.
Every file takes raw RGB pixels (0..255, {height}x{width}) and gives a probability for each class, in
the order of `labels.txt`; resizing and rescaling are inside. A picture of anything else is given one of these
classes too, often with a high probability.

## How it was made

- Architecture: {record.parameters:,} parameters, {record.multiply_adds:,} multiply-adds an image, which it sees
  at {record.image_size} pixels. Source: {backbones.get(record.backbone).source}.
- Data: `{data.name}`, {data.train_images} images, and {data.validation_images} to choose the best weights
  by.{synthetic}
- Training: recipe `{record.recipe_name}`, {_start(record)}, seed {record.seed}.
- Accuracy of the Keras model on {test.images} test images: {test.top1:.2%}
  (95 % interval {test.low:.2%} to {test.high:.2%}); macro F1 {test.f1:.3f},
  expected calibration error {test.calibration_error:.3f}.{guessed}

## The files

Each was compared with the Keras model on validation images before it was kept.

| file | bytes | images | accuracy | same class as Keras | largest difference of a probability |
|---|---:|---:|---:|---:|---:|
{rows}
{_not_kept(rejected)}{_trained_again(artifacts)}
Check them where they are to run with `edge-cifar verify .`, measure them with `edge-cifar bench .`:
`reference.npz` brings test images and the Keras model's answers.

## How to run them

`pip install "edge-cifar[device]"`, then `edge-cifar predict . picture.jpg`, or `edge-cifar serve .` for a page that
answers in a browser (`[device,serve]`). In a program of your own:

{_uses(artifacts)}

## Licences

- Images: {_licence_of(data.name)}
- Weights: {_licence_of_weights(record)}
"""


def _start(record: RunRecord) -> str:
    if record.weights == "none":
        return "from random weights"
    return "from ImageNet weights" if record.weights == "imagenet" else f"from the weights in `{record.weights}`"


def _uses(artifacts: Sequence[Artifact]) -> str:
    names = dict.fromkeys(artifact.variant.format for artifact in artifacts)
    return "\n\n".join(f"**{name}.** {formats.get(name).usage}" for name in names)


def _licence_of(data: str) -> str:
    if is_folder(data):
        return "a folder of your own; what its pictures allow, only you can know."
    return sets.get(data).licence.replace("\n", "\n  ")


def _licence_of_weights(record: RunRecord) -> str:
    if record.weights == "none":
        return "trained here from random ones; they are yours."
    if record.weights == "imagenet":
        return (
            "trained on from those of Keras Applications (https://keras.io/api/applications/), which keep the licence\n"
            "  of their authors; ImageNet's pictures were given for research and teaching."
        )
    return f"trained on from those in `{record.weights}`, whose licence holds on."


def _trained_again(artifacts: Sequence[Artifact]) -> str:
    changed = [f"`{artifact.variant}`" for artifact in artifacts if artifact.variant.compression]
    if not changed:
        return ""
    return f"""
The weights of {", ".join(changed)} were trained again before they were converted; `manifest.json` tells how, under
`retraining`.
"""


def _not_kept(rejected: Sequence[Mapping[str, Any]]) -> str:
    if not rejected:
        return ""
    rows = "\n".join(
        f"- `{entry['variant']}`: {'; '.join(str(entry[key]) for key in ('reason', 'way_out') if entry.get(key))}."
        for entry in rejected
    )
    return f"""
Asked for, and **not kept**:

{rows}
"""


def _row(artifact: Artifact) -> str:
    parity = artifact.parity
    beginning = f"| `{artifact.path.name}` | {artifact.size_bytes:,} "
    if parity.accuracy is None:
        return beginning + "| not run here | not run here | not run here | not run here |"
    return beginning + (
        f"| {parity.images:,} | {parity.accuracy.top1:.2%} | {parity.top1_agreement:.2%} | {parity.max_abs_diff:.1e} |"
    )
