"""CIFAR-like files for the tests, written as Python 2 wrote the real ones."""

from __future__ import annotations

import hashlib
import io
import struct
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_cifar.data.cifar import CifarSet

LABELS = ("cat", "dog", "emu")


def python2_pickle(value: Any) -> bytes:
    """Pickle dictionaries, lists, strings, small numbers and uint8 matrices, protocol 2, strings as bytes."""
    return b"\x80\x02" + _opcodes(value) + b"."


def _opcodes(value: Any) -> bytes:
    if isinstance(value, dict):
        pairs = b"".join(_opcodes(key) + _opcodes(item) for key, item in value.items())
        return b"}(" + pairs + b"u"
    if isinstance(value, list):
        return b"](" + b"".join(_opcodes(item) for item in value) + b"e"
    if isinstance(value, int):
        return b"J" + struct.pack("<i", value)
    if isinstance(value, np.ndarray):
        return _array(value)
    return b"T" + struct.pack("<i", len(value)) + value.encode()


def _array(matrix: NDArray[np.uint8]) -> bytes:
    dtype = (
        b"cnumpy\ndtype\n" + _opcodes("u1") + b"K\x00K\x01\x87R(K\x03" + _opcodes("|") + b"NNN"
        b"J\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
    )
    empty = b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85" + _opcodes("b") + b"\x87R"
    shape = _opcodes(matrix.shape[0]) + _opcodes(matrix.shape[1]) + b"\x86"
    pixels = b"T" + struct.pack("<i", matrix.size) + matrix.tobytes()
    return empty + b"(K\x01" + shape + dtype + b"\x89" + pixels + b"tb"


def contents(images: int = 12) -> dict[str, bytes]:
    """File names and bytes of a little set: two training batches, a test batch and the class names."""
    generator = np.random.default_rng(5)
    files = {}
    for name in ("batch_1", "batch_2", "batch_test"):
        pixels = generator.integers(0, 256, (images, 3072), dtype=np.uint8)
        labels = [index % len(LABELS) for index in range(images)]
        files[name] = python2_pickle({"batch_label": name, "labels": labels, "data": pixels})
    files["names"] = python2_pickle({"label_names": list(LABELS)})
    return files


def archive(files: dict[str, bytes], folder: str = "little-batches") -> bytes:
    """A gzipped tar archive with the files in a folder, and things beside them that nobody asked for."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as tar:
        for name, content in {"../escaped": b"evil", f"{folder}/readme.html": b"hello"}.items():
            _add(tar, name, content)
        for name, content in files.items():
            _add(tar, f"{folder}/{name}", content)
        link = tarfile.TarInfo(f"{folder}/link")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(link)
    return stream.getvalue()


def _add(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(content)
    tar.addfile(member, io.BytesIO(content))


def published(files: dict[str, bytes], packed: bytes = b"", url: str = "http://127.0.0.1:9/little.tar.gz") -> CifarSet:
    """The set's description, with the checksums of these very files."""
    return CifarSet(
        name="little",
        folder="little-batches",
        url=url,
        archive_md5=md5(packed),
        archive_bytes=len(packed),
        train_files=("batch_1", "batch_2"),
        test_files=("batch_test",),
        meta_file="names",
        md5={name: md5(content) for name, content in files.items()},
        label_key=b"labels",
        label_names_key=b"label_names",
    )


def write(files: dict[str, bytes], folder: Path) -> Path:
    """Write the files into ``folder``."""
    folder.mkdir(parents=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return folder


def md5(content: bytes) -> str:
    """As CIFAR's checksums are published."""
    return hashlib.md5(content).hexdigest()
