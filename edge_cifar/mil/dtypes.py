"""MIL's element types: their codes, their size, how those below a byte are packed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_cifar.errors import BundleError

Array = NDArray[Any]


@dataclass(frozen=True, kw_only=True)
class ElementType:
    """One element type.

    Attributes:
        name: as MIL's text form has it (``fp16``, ``int8``, ``uint4``).
        code: its number in MIL's ``DataType``.
        blob_code: its number in the weight file; None where it cannot stand there.
        storage: the NumPy type that holds one element.
        bits: bits of one element in the file.
    """

    name: str
    code: int
    blob_code: int | None
    storage: type[np.generic]
    bits: int

    @property
    def floating(self) -> bool:
        """Whether elements are floating-point numbers."""
        return issubclass(self.storage, np.floating)

    @property
    def signed(self) -> bool:
        """Whether elements are signed integers."""
        return issubclass(self.storage, np.signedinteger)

    def packed_bytes(self, count: int) -> int:
        """Bytes that ``count`` elements take in the file."""
        return (count * self.bits + 7) // 8

    def decode(self, raw: bytes | memoryview, shape: tuple[int, ...]) -> Array:
        """Elements as the file packs them, little-endian, those below a byte from the lowest bit up.

        Returns:
            An array of ``storage`` and ``shape`` that owns its memory.

        Raises:
            BundleError: the number of bytes is not that of ``shape``.
        """
        count = count_of(shape)
        if len(raw) != self.packed_bytes(count):
            raise BundleError(
                f"{len(raw)} bytes are stored for {count} elements of type {self.name}, "
                f"which take {self.packed_bytes(count)}"
            )
        if self.bits < 8:
            return unpack(np.frombuffer(raw, np.uint8), self.bits, count, signed=self.signed).reshape(shape)
        stored = np.frombuffer(raw, np.dtype(self.storage).newbyteorder("<"))
        return stored.astype(self.storage).reshape(shape)


def _element(
    name: str, code: int, blob_code: int | None, storage: type[np.generic], bits: int | None = None
) -> ElementType:
    bits = np.dtype(storage).itemsize * 8 if bits is None else bits
    return ElementType(name=name, code=code, blob_code=blob_code, storage=storage, bits=bits)


# Codes: DataType in MIL.proto, and BlobDataType in coremltools' mlmodel/src/MILBlob/Blob/BlobDataType.hpp.
BOOL = _element("bool", 1, None, np.bool_)
FP16 = _element("fp16", 10, 1, np.float16)
FP32 = _element("fp32", 11, 2, np.float32)
FP64 = _element("fp64", 12, None, np.float64)
INT8 = _element("int8", 21, 4, np.int8)
INT16 = _element("int16", 22, 6, np.int16)
INT32 = _element("int32", 23, 14, np.int32)
INT64 = _element("int64", 24, None, np.int64)
INT4 = _element("int4", 25, 8, np.int8, bits=4)
UINT8 = _element("uint8", 31, 3, np.uint8)
UINT16 = _element("uint16", 32, 7, np.uint16)
UINT32 = _element("uint32", 33, 15, np.uint32)
UINT64 = _element("uint64", 34, None, np.uint64)
UINT4 = _element("uint4", 35, 11, np.uint8, bits=4)
UINT2 = _element("uint2", 36, 10, np.uint8, bits=2)
UINT1 = _element("uint1", 37, 9, np.uint8, bits=1)
UINT6 = _element("uint6", 38, 13, np.uint8, bits=6)
UINT3 = _element("uint3", 39, 12, np.uint8, bits=3)

STRING_CODE = 2
"""Code of text in MIL's ``DataType``; it has no elements of a size."""

BY_CODE = {
    element.code: element
    for element in (
        BOOL, FP16, FP32, FP64, INT8, INT16, INT32, INT64, INT4,
        UINT8, UINT16, UINT32, UINT64, UINT4, UINT2, UINT1, UINT6, UINT3,
    )
}  # fmt: skip

BY_NAME = {element.name: element for element in BY_CODE.values()}


_BLOCK = 1 << 16


def count_of(shape: tuple[int, ...]) -> int:
    """Elements of a tensor, in Python's integers, which do not overflow."""
    count = 1
    for size in shape:
        count *= size
    return count


def unpack(
    packed: NDArray[np.uint8], bits: int, count: int, *, signed: bool = False
) -> NDArray[np.uint8] | NDArray[np.int8]:
    """Integers of ``bits`` bits that were packed into bytes, lowest bit first, across byte boundaries.

    Args:
        packed: the bytes; at least ``count * bits`` bits.
        bits: 1 to 8.
        count: how many integers.
        signed: whether the highest bit is a sign.

    Returns:
        uint8 or int8 ``[count]``.
    """
    if bits == 8:
        values = packed[:count].copy()
    else:
        values = np.zeros(count, np.uint8)
        # One bit becomes a byte on the way, so this goes block by block; each starts at a whole byte.
        for start in range(0, count, _BLOCK):
            block = values[start : start + _BLOCK]
            content = packed[start * bits // 8 :]
            digits = np.unpackbits(content[: block.size], count=block.size * bits, bitorder="little")
            for place in range(bits):
                block |= digits[place::bits] << np.uint8(place)
    if not signed:
        return values
    # Lift the sign bit to the top of the byte and shift back, which copies it downwards.
    spare = np.int8(8 - bits)
    return (values << spare.astype(np.uint8)).view(np.int8) >> spare
