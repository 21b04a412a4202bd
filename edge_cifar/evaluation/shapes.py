"""Whether a model takes the images it is to be evaluated on, and gives as many probabilities as they have classes."""

from __future__ import annotations

from collections.abc import Sequence


def misfit(
    data: str,
    image: Sequence[int],
    answers: tuple[int, ...],
    *,
    takes: Sequence[int],
    gives: tuple[int, ...] | None,
) -> str | None:
    """Why a model's input or its answers are of another shape than they should be, in words; None when they are not.

    Args:
        data: what to call the images.
        image: (height, width, 3) of one.
        answers: (images, classes), as the answers should be.
        takes: (height, width, 3) of the model's input.
        gives: shape of its answers, whatever it is; None where it could not be shown the images.
    """
    if tuple(takes) != tuple(image):
        return f"expects {_by(takes)} images; {data} has {_by(image)}"
    if gives != answers:
        return f"outputs {'nothing' if gives is None else _by(gives)}; {data} has {_by(answers)} (images × classes)"
    return None


def _by(shape: Sequence[int]) -> str:
    return "×".join(str(side) for side in shape) or "a scalar"
