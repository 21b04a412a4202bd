"""Which layers are sensitive to int8, and the fewest to leave in float.

Each layer is quantized alone, in a network that is otherwise as trained, and the answers are set
against those of the model itself: what they differ by is that layer's doing and no other's. A layer
whose input or output has channels of very different ranges stands out so even where its own weights
are harmless.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from edge_cifar import conversion_cache, formats
from edge_cifar.converters import Options
from edge_cifar.errors import RunError, RuntimeUnavailable, unknown
from edge_cifar.export.conversion import LoadedModel
from edge_cifar.parity.perturbations import PLAIN
from edge_cifar.parity.processes import Answers, Question, Refusal, Workers
from edge_cifar.pixels import Images
from edge_cifar.progress import Progress
from edge_cifar.runtimes import Probabilities
from edge_cifar.storage import files, scratch
from edge_cifar.variant import Variant

# The precision that layers are ranked for.
PRECISION = "int8"


@dataclass(frozen=True, kw_only=True)
class LayerNoise:
    """The effect of quantizing one layer alone.

    Attributes:
        layer: its name.
        kind: its class, or its operator.
        signal_to_noise_db: power of the model's probabilities over that of their change, in
            decibels; 20 dB is an error of a tenth. None where there are no answers to compare.
        reason: why there are none, in words; None where there are.
    """

    layer: str
    kind: str
    signal_to_noise_db: float | None
    reason: str | None = None


def refuse_unknown(names: Sequence[str], known: Iterable[str]) -> None:
    """Refuse names of layers that do not exist or have no weights.

    Raises:
        RunError: there is one; the nearest is suggested.
    """
    known = tuple(known)
    for name in names:
        if name not in known:
            raise RunError(f"--keep-float: {unknown('layer', name, known)}")


def rank(
    loaded: LoadedModel, format_: str, images: Images, expected: Probabilities, progress: Progress
) -> list[LayerNoise]:
    """Quantize each layer alone.

    Args:
        loaded: the model.
        format_: to quantize it in.
        images: uint8 ``[N, H, W, 3]``, none of them a calibration image.
        expected: float32 ``[N, classes]``, the model's own probabilities for them.
        progress: told of each layer.

    Returns:
        the layers, the worst first: those with which the artifact gives no answers, as where its runtime
        crashes, before all others.

    Raises:
        RuntimeUnavailable: no runtime for the format can run on this machine.
    """
    layers = loaded.source.layers
    found = []
    with (
        scratch.folder("layers") as folder,
        Workers() as workers,
        conversion_cache.unchanged(loaded.source.native),
        progress.bar(f"Quantizing {format_} layer by layer", len(layers)) as advance,
    ):
        path = folder / f"one{formats.get(format_).suffix}"
        question = Question(images=folder / "images.npy", stop=len(images))
        np.save(question.images, images)
        for name, kind in layers.items():
            loaded.convert(Variant(format_, PRECISION), path, Options(only=(name,)))
            decibels, reason = _noise(workers.answers(path, question), expected)
            found.append(LayerNoise(layer=name, kind=kind, signal_to_noise_db=decibels, reason=reason))
            files.remove(path)
            advance(1)
    return sorted(found, key=lambda noise: -np.inf if noise.signal_to_noise_db is None else noise.signal_to_noise_db)


def _noise(given: Answers | Refusal, expected: Probabilities) -> tuple[float | None, str | None]:
    """Signal to noise of answers, or why there is none."""
    if isinstance(given, Refusal):
        if given.unavailable:
            raise RuntimeUnavailable(given.reason)
        return None, given.reason
    answers = given.views.get(PLAIN)
    if answers is None or answers.shape != expected.shape:
        return None, "its output shape differs from the Keras model's"
    if not np.isfinite(answers).all():
        return None, "outputs NaN or infinity"
    return _decibels(expected, answers), None


def fewest(worst_first: Sequence[str], suffices: Callable[[tuple[str, ...]], bool]) -> tuple[str, ...] | None:
    """The fewest layers, from the most sensitive on, that suffice when left in float.

    Args:
        worst_first: names of layers.
        suffices: whether leaving some in floats is enough; more never do worse.

    Returns:
        their names; None when not even all of them suffice.
    """
    low, high = 0, 1
    while not suffices(tuple(worst_first[:high])):
        if high >= len(worst_first):
            return None
        low, high = high, min(2 * high, len(worst_first))
    while high - low > 1:
        middle = (low + high) // 2
        if suffices(tuple(worst_first[:middle])):
            high = middle
        else:
            low = middle
    return tuple(worst_first[:high])


def _decibels(expected: Probabilities, answers: Probabilities) -> float:
    noise = float(np.square(expected - answers, dtype=np.float64).sum())
    signal = float(np.square(expected, dtype=np.float64).sum())
    # Equal answers have no noise; float32 resolves no more than 140 dB.
    return 10 * float(np.log10(signal / max(noise, 1e-14 * signal)))
