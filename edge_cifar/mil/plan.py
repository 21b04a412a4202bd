"""A program, checked and made ready to run: kernels in order, and how long each value lives."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from edge_cifar.mil import limits
from edge_cifar.mil.dtypes import Array
from edge_cifar.mil.ops.kernel import Kernel
from edge_cifar.mil.program import ImageInput, Output, TensorType


@dataclass(frozen=True, kw_only=True)
class Step:
    """One kernel and where its arguments come from.

    Attributes:
        operation: what it is called in messages.
        kernel: what it computes.
        arguments: names of computed values, or constants with a leading axis of length 1.
        output: the name under which the result is kept.
        frees: names that no later step needs.
    """

    operation: str
    kernel: Kernel
    arguments: tuple[str | Array, ...]
    output: str
    frees: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Plan:
    """A program ready to run.

    Attributes:
        input: name and type of its one input.
        image: how that input takes a picture; None where it is a plain tensor.
        steps: in order.
        output: name of the value that holds the probabilities.
        classes: how many there are.
        labels: their names in order; None where the program is no classifier by declaration.
        image_bytes: memory of the values alive at once for one image.
    """

    input: Output
    image: ImageInput | None
    steps: tuple[Step, ...]
    output: str
    classes: int
    labels: tuple[str, ...] | None
    image_bytes: int

    @property
    def chunk(self) -> int:
        """How many images to compute at once."""
        return max(1, min(limits.CHUNK_IMAGES, limits.CHUNK_BYTES // max(1, self.image_bytes)))


def with_lifetimes(steps: Sequence[Step], source: Output, output: str) -> tuple[tuple[Step, ...], int]:
    """Say for each step what is no longer needed after it.

    Args:
        steps: in order, each freeing nothing yet.
        source: the program's input.
        output: the name of the value to keep.

    Returns:
        The steps, and the most bytes that one image needs at once: the values alive while a step runs, and as
        much again as it reads and writes, since a kernel may pad or rearrange a copy.
    """
    last_use = {source.name: -1}
    for position, step in enumerate(steps):
        last_use[step.output] = position
        last_use.update(dict.fromkeys(_names(step), position))
    last_use[output] = len(steps)
    alive = {source.name: _bytes(source.type) if source.type else 0}
    most = sum(alive.values())
    finished = []
    for position, step in enumerate(steps):
        size = _bytes(step.kernel.type)
        copies = size + sum(alive[name] for name in _names(step))
        alive[step.output] = size
        most = max(most, sum(alive.values()) + copies)
        frees = tuple(name for name in alive if last_use[name] <= position)
        for name in frees:
            del alive[name]
        finished.append(replace(step, frees=frees))
    return tuple(finished), most


def _names(step: Step) -> set[str]:
    return {argument for argument in step.arguments if isinstance(argument, str)}


def _bytes(type_: TensorType) -> int:
    # Half precision is held as float32.
    return 4 * type_.count
