"""The model card of a bundle: what the model is, what it was trained on, and what each file costs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from edge_cifar.artifact import Artifact


def card(model: str, record: Mapping[str, Any], artifacts: Sequence[Artifact], labels: Sequence[str]) -> str:
    """The card, in Markdown.

    Args:
        model: the run's name.
        record: the run's record.
        artifacts: those in the bundle.
        labels: class names.
    """
    data, test = record["data"], record["test"]
    height, width, _ = data["image_shape"]
    trained_on = (
        f"Trained on `{data['name']}`: {data['train_images']} images, "
        f"{data['validation_images']} more to choose the best weights by."
    )
    if data["synthetic"]:
        trained_on += " The images are made by code: the figures say nothing about photographs."
    accuracy = (
        f"Accuracy of the Keras model on {test['images']} test images: {test['accuracy']:.2%} "
        f"(95 % interval {test['low']:.2%} to {test['high']:.2%})."
    )
    rows = "\n".join(_row(artifact) for artifact in artifacts)
    return f"""# {model}

A `{record["backbone"]}` that tells {len(labels)} classes apart: {", ".join(labels)}.
Every file takes raw RGB pixels (0..255, {height}x{width}) and gives a probability for each class, in
the order of `labels.txt`; resizing and rescaling are inside.

- {trained_on}
- {accuracy}
- Recipe `{record["recipe_name"]}` from weights `{record["weights"]}`, seed {record["seed"]}.

| file | bytes | accuracy on validation images | same answer as Keras |
|---|---:|---:|---:|
{rows}
{_trained_again(artifacts)}
Check the files where they are to run with `edge-cifar verify .`, measure them with `edge-cifar bench .`:
`reference.npz` brings the images and the Keras model's answers.
"""


def _trained_again(artifacts: Sequence[Artifact]) -> str:
    changed = [f"`{artifact.variant}`" for artifact in artifacts if artifact.variant.change]
    if not changed:
        return ""
    return f"""
The weights of {", ".join(changed)} were trained again before they were converted; `manifest.json` tells how, under
`retraining`.
"""


def _row(artifact: Artifact) -> str:
    parity = artifact.facts["parity"]
    if parity["status"] != "checked":
        return f"| `{artifact.path.name}` | {artifact.size_bytes:,} | not run here | not run here |"
    return (
        f"| `{artifact.path.name}` | {artifact.size_bytes:,} | {parity['accuracy']['top1']:.2%} "
        f"| {parity['top1_agreement']:.2%} |"
    )
