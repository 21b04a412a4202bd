"""What an operation is made of: the parameters it is given, checked, and the kernel it becomes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from edge_cifar.errors import BundleError
from edge_cifar.mil import limits
from edge_cifar.mil.dtypes import FP16, FP32, Array, count_of
from edge_cifar.mil.program import TensorType

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Operand:
    """A tensor given to an operation.

    Attributes:
        type: element type and shape, per sample.
        constant: its elements where they are known beforehand, half precision widened to float32.
        name: what the program calls it where it is computed.
    """

    type: TensorType
    constant: Array | None = None
    name: str = ""

    @property
    def shape(self) -> Shape:
        """Shape per sample."""
        return self.type.shape


Given = Operand | str | tuple[str, ...] | Sequence[Operand]
"""What may stand under a parameter: a tensor, a text, a list of texts, a list of tensors."""


@dataclass(frozen=True, kw_only=True)
class Kernel:
    """An operation, checked and ready to run.

    Attributes:
        type: element type and shape of its output, per sample.
        run: takes one array an operand, in the order in which they were asked for, each with a leading axis of
            samples (of length 1 for a constant), and returns the output with such an axis. Half
            precision is held and computed as float32.
        exact: whether each output element is an element of an operand or a constant of the program, so that
            there is nothing to round. Only then may the output share memory with an operand.
        work: multiplications for one sample, and what takes as long as them.
    """

    type: TensorType
    run: Callable[..., Array]
    exact: bool = False
    work: int = 0

    def __post_init__(self) -> None:
        if any(size < 1 for size in self.type.shape) or len(self.type.shape) > limits.RANK:
            raise BundleError(f"it outputs a tensor of the invalid shape {list(self.type.shape)}")
        if count_of(self.type.shape) * 4 > limits.IMAGE_BYTES:
            raise BundleError(f"it outputs {self.type}, which takes more than {limits.IMAGE_BYTES >> 20} MiB")


class Inputs:
    """The parameters of one operation, handed out by name as the kind they must be.

    Those asked for with :meth:`operand` become the arguments of the kernel; all others must be constants.
    """

    def __init__(self, given: Mapping[str, Given]) -> None:
        self._given = given
        self._asked: set[str] = set()
        self.operands: list[Operand] = []

    def has(self, name: str) -> bool:
        """Whether the parameter is given."""
        return name in self._given

    def unknown(self) -> list[str]:
        """Parameters that were given but never asked for."""
        return sorted(set(self._given) - self._asked)

    def operand(self, name: str, rank: int | None = None) -> Operand:
        """A tensor that the kernel computes with."""
        operand = self._tensor(name)
        if rank is not None and len(operand.shape) != rank:
            raise BundleError(f"its {name} has shape {list(operand.shape)}; expected {rank} axes")
        if 0 in operand.shape:
            raise BundleError(f"its {name} is empty")
        self.operands.append(operand)
        return operand

    def floating(self, name: str, rank: int | None = None) -> Operand:
        """A tensor of half or single precision that the kernel computes with."""
        operand = self.operand(name, rank)
        if operand.type.element not in (FP16, FP32):
            raise BundleError(f"its {name} is of type {operand.type.element.name}; expected fp16 or fp32")
        return operand

    def operand_list(self, name: str) -> list[Operand]:
        """One or more tensors that the kernel computes with."""
        values = self._get(name)
        if isinstance(values, Operand):
            values = [values]
        found = [value for value in values if isinstance(value, Operand)] if not isinstance(values, str) else []
        if not found or len(found) != len(values):
            raise BundleError(f"its {name} is not a list of tensors")
        self.operands.extend(found)
        return found

    def constant(self, name: str) -> Array:
        """A tensor known beforehand."""
        constant = self._tensor(name).constant
        if constant is None:
            raise BundleError(f"its {name} is computed by the program; only constants are supported")
        return constant

    def type_of(self, name: str) -> TensorType:
        """Element type and shape of a tensor, as the program gives it."""
        return self._tensor(name).type

    def number(self, name: str, default: float | None = None) -> float:
        """A single finite number."""
        if default is not None and not self._ask(name):
            return default
        value = self.constant(name)
        if value.size != 1 or not np.isfinite(value).all():
            raise BundleError(f"its {name} is not a single finite number")
        return float(value.reshape(()))

    def integer(self, name: str, default: int | None = None, least: int | None = None) -> int:
        """A single whole number."""
        return self.integers(name, None if default is None else (default,), count=1, least=least)[0]

    def integers(
        self, name: str, default: Shape | None = None, count: int | None = None, least: int | None = None
    ) -> Shape:
        """Whole numbers, as many as ``count`` says, none below ``least``."""
        if default is not None and not self._ask(name):
            return default
        value = self.constant(name)
        if value.dtype.kind not in "iu" or value.ndim > 2:
            raise BundleError(f"its {name} is not a list of integers")
        numbers = tuple(int(number) for number in value.reshape(-1))
        if count is not None and len(numbers) != count:
            raise BundleError(f"its {name} has {len(numbers)} values; expected {count}")
        if least is not None and any(number < least for number in numbers):
            raise BundleError(f"its {name} is {list(numbers)}; every value must be at least {least}")
        return numbers

    def flag(self, name: str, default: bool) -> bool:
        """A single truth value."""
        return self.flags(name, (default,), count=1)[0]

    def flags(self, name: str, default: tuple[bool, ...], count: int) -> tuple[bool, ...]:
        """Truth values."""
        if not self._ask(name):
            return default
        value = self.constant(name)
        if value.dtype.kind != "b" or value.size != count:
            raise BundleError(f"its {name} is not {count} boolean(s)")
        return tuple(bool(flag) for flag in value.reshape(-1))

    def choice(self, name: str, options: Sequence[str], default: str | None = None) -> str:
        """A text, one of ``options``."""
        if default is not None and not self._ask(name):
            return default
        value = self._get(name)
        if not isinstance(value, str) or value not in options:
            received = repr(value) if isinstance(value, str) else "not a string"
            raise BundleError(f"its {name} is {received}; supported are {', '.join(options)}")
        return value

    def texts(self, name: str) -> tuple[str, ...]:
        """A list of texts."""
        value = self._get(name)
        if not isinstance(value, tuple) or not all(isinstance(text, str) for text in value):
            raise BundleError(f"its {name} is not a list of strings")
        return tuple(str(text) for text in value)

    def _ask(self, name: str) -> bool:
        self._asked.add(name)
        return name in self._given

    def _get(self, name: str) -> Given:
        if not self._ask(name):
            raise BundleError(f"the parameter {name} is missing")
        return self._given[name]

    def _tensor(self, name: str) -> Operand:
        value = self._get(name)
        if not isinstance(value, Operand):
            raise BundleError(f"its {name} is not a tensor")
        return value


Builder = Callable[[Inputs], Kernel]


def axis_of(axis: int, rank: int) -> int:
    """An axis counted from the end, as a negative number, so that leading axes do not matter.

    Raises:
        BundleError: a tensor of that rank has no such axis.
    """
    if not -rank <= axis < rank:
        raise BundleError(f"axis {axis} is out of range for a tensor with {rank} axes")
    return axis if axis < 0 else axis - rank


def axes_of(axes: Shape, rank: int) -> Shape:
    """Several axes counted from the end, sorted.

    Raises:
        BundleError: there is no such axis, or one is named twice.
    """
    found = sorted(axis_of(axis, rank) for axis in axes)
    if len(set(found)) != len(found):
        raise BundleError(f"duplicate axes: {list(axes)}")
    return tuple(found)


def along(values: Array, axis: int) -> Array:
    """A vector set up to be broadcast along one axis, counted from the end; a scalar as it is."""
    return values if values.ndim == 0 else values.reshape(values.shape + (1,) * (-axis - 1))


def samples_inside(array: Any) -> Array:
    """The array with its leading axis of samples moved behind the others, unbroken in memory.

    Args:
        array: ``[N, ...]``.

    Returns:
        ``[..., N]``; a view where the samples already lie innermost in memory.
    """
    return np.ascontiguousarray(np.moveaxis(array, 0, -1))


def samples_outside(array: Array) -> Array:
    """The reverse of :func:`samples_inside`: ``[N, ...]``, as a view whose samples lie innermost in memory."""
    return np.moveaxis(array, -1, 0)
