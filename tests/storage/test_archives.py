"""Archives that claim more than they hold, or hold more than they weigh: refused before they take memory."""

from __future__ import annotations

import re
import struct
import subprocess
import sys
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import edge_cifar
from edge_cifar.documents.activations import Activations
from edge_cifar.documents.predictions import Predictions
from edge_cifar.documents.reference import Reference
from edge_cifar.errors import BundleError, EdgeCifarError
from edge_cifar.processes.launch import worker_environment
from edge_cifar.runtimes import keras as keras_runtime
from edge_cifar.storage import archives, files
from edge_cifar.training.checkpoint import State

PACKAGE = Path(edge_cifar.__file__).parent


def header(shape: object, descr: str = "|u1") -> bytes:
    """The header of an array that claims a shape and a type."""
    text = f"{{'descr': {descr!r}, 'fortran_order': False, 'shape': {shape!r}, }}\n".encode()
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text


def packed(path: Path, members: Mapping[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def bomb(path: Path, name: str, shape: tuple[int, ...]) -> Path:
    """An archive with one array of zeros, written without ever holding them."""
    left = int(np.prod(shape))
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive,
        archive.open(name, "w", force_zip64=True) as member,
    ):
        member.write(header(shape))
        zeros = bytes(1 << 22)
        while left > 0:
            left -= member.write(zeros[:left])
    return path


READERS: dict[str, tuple[str, Callable[[Path], object]]] = {
    "reference": ("images", Reference.read),
    "activations": ("images", Activations.read),
    "predictions": ("labels", Predictions.read),
    "checkpoint": ("facts", lambda path: State.read(path.parent)),
}


@pytest.mark.parametrize(("array", "read"), READERS.values(), ids=READERS)
def test_an_archive_that_unpacks_to_many_times_its_size_is_refused(
    array: str, read: Callable[[Path], object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archives, "_MOST_BYTES", 5_000_000)
    path = bomb(tmp_path / "state.npz", f"{array}.npy", (600, 100, 100, 1))
    with pytest.raises(EdgeCifarError, match=r"to 6 MB, more than 5 MB and more than 8 times") as refused:
        read(path)
    assert "\n" not in str(refused.value)


def test_it_takes_no_memory(tmp_path: Path) -> None:
    """2.6 MB that unpack to 0.6 GB: they used to be unpacked first and looked at afterwards."""
    code = (
        "import resource, sys; from pathlib import Path; from edge_cifar.documents.reference import Reference\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "try: Reference.read(Path(sys.argv[1]))\n"
        "except Exception as error: print(type(error).__name__)\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)"
    )
    path = bomb(tmp_path / "reference.npz", "images.npy", (20_000, 100, 100, 3))
    done = subprocess.run(
        [sys.executable, "-P", "-c", code, str(path)],
        env=worker_environment(), capture_output=True, text=True, check=True,
    )  # fmt: skip
    kind, grown = done.stdout.split()
    assert kind == "BundleError"
    # In KiB on Linux, in bytes on a Mac.
    assert int(grown) < (32 << 20 if sys.platform == "darwin" else 32 << 10)


CLAIMS: dict[str, bytes] = {
    "more than it holds": header((1 << 40,)) + b"0",
    "less than it holds": header((1,)) + b"00",
    "negative twice": header((-1, -4)) + b"0000",
    "a product beyond 64 bits": header((1 << 40, 1 << 40)),
    "text of a gigabyte": header((1,), f"<U{1 << 28}") + b"0",
    "a pickle": header((1,), "|O") + b"cos\nsystem\n(S'touch owned'\ntR.",
    "records": header((1,), "|V4") + b"0000",
    "a header of 60 kB": header("(" + "1," * 30_000 + ")"),
    "a header that is code": header((1,)).replace(b"(1,)", b"f()"),
    "another version": b"\x93NUMPY\x09\x00" + header((1,))[8:] + b"0",
    "nothing": b"",
}


@pytest.mark.parametrize("content", CLAIMS.values(), ids=CLAIMS)
@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED], ids=["stored", "deflated"])
def test_a_header_that_lies_is_found_before_its_array_is_made(content: bytes, method: int, tmp_path: Path) -> None:
    path = packed(tmp_path / "a.npz", {"images.npy": content}, method)
    with archives.opened(path) as archive, pytest.raises(files.DAMAGE):
        archive.header("images")
    with pytest.raises(BundleError, match="is damaged"):
        Reference.read(path)
    assert not (tmp_path / "owned").exists()


@pytest.mark.parametrize("method", [zipfile.ZIP_LZMA, zipfile.ZIP_BZIP2], ids=["lzma", "bzip2"])
def test_methods_that_take_what_their_header_says_are_refused(method: int, tmp_path: Path) -> None:
    path = packed(tmp_path / "a.npz", {"images.npy": header((1,)) + b"0"}, method)
    with pytest.raises(BundleError, match="uses an unsupported compression"):
        Reference.read(path)


def test_a_directory_without_end_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "_MOST_MEMBERS", 3)
    path = packed(tmp_path / "a.npz", {f"{number}.npy": header((0,)) for number in range(4)})
    with pytest.raises(ValueError, match="it has 4 members"), archives.opened(path):
        pass


@pytest.mark.parametrize(
    "array",
    [
        np.arange(24, dtype=np.int64).reshape(2, 3, 4),
        np.asfortranarray(np.arange(6, dtype=np.float32).reshape(2, 3)),
        np.array(["cat", "naïve"]),
        np.array(True),
        np.zeros((0, 3), np.uint8),
        np.float16(1.5),
    ],
    ids=["integers", "columns first", "text", "truth", "empty", "scalar"],
)
@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_what_numpy_writes_is_read_back(array: Any, save: Callable[..., None], tmp_path: Path) -> None:
    save(tmp_path / "a.npz", a=array, b=np.arange(3))
    with archives.opened(tmp_path / "a.npz") as archive:
        assert archive.names == ("a", "b")
        assert "a" in archive
        assert "c" not in archive
        assert (archive.header("a").shape, archive.header("a").dtype) == (np.shape(array), np.asarray(array).dtype)
        read = archive["a"]
        with pytest.raises(KeyError):
            archive["c"]
    np.testing.assert_array_equal(read, array)
    assert read.dtype == np.asarray(array).dtype


def test_images_of_one_colour_are_no_bomb(tmp_path: Path) -> None:
    """They pack a thousand to one, and are what people try a tool with."""
    images = np.zeros((200, 96, 96, 3), np.uint8)
    reference = Reference(images=images, labels=np.zeros(200, np.int64), probabilities=np.zeros((200, 3), np.float32))
    reference.write(tmp_path / "reference.npz")
    assert (tmp_path / "reference.npz").stat().st_size * 100 < images.nbytes
    assert Reference.read(tmp_path / "reference.npz").images.shape == images.shape


def test_arrays_that_do_not_belong_together_are_not_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    np.savez(tmp_path / "a.npz", images=np.zeros((4, 2, 2, 3)), labels=np.zeros(4), probabilities=np.zeros((4, 3)))
    monkeypatch.setattr(np.lib.format, "read_array", lambda *a, **k: pytest.fail("an array was unpacked"))
    with pytest.raises(BundleError, match="do not match each other"):
        Reference.read(tmp_path / "a.npz")


def test_a_keras_model_that_unpacks_to_many_times_its_size_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archives, "_MOST_BYTES", 5_000_000)
    path = bomb(tmp_path / "model.keras", "model.weights.h5", (600, 100, 100, 1))
    with pytest.raises(BundleError, match=r"loaded \(it would unpack from 0 MB to 6 MB"):
        keras_runtime.load_model(None, path)


def test_a_keras_model_whose_description_unpacks_to_a_lot_is_refused(tmp_path: Path) -> None:
    path = packed(tmp_path / "model.keras", {"config.json": b"[" + b"[]," * 6_000_000 + b"0]"})
    with pytest.raises(BundleError, match=r"its 'config\.json' unpacks to 18 MB"):
        keras_runtime.load_model(None, path)


def test_an_array_file_that_claims_more_than_it_holds_takes_nothing(tmp_path: Path) -> None:
    (tmp_path / "a.npy").write_bytes(header((1 << 40,)) + b"0")
    with pytest.raises(ValueError, match="mmap"):
        archives.mapped(tmp_path / "a.npy")
    np.save(tmp_path / "b.npy", np.arange(5))
    assert archives.mapped(tmp_path / "b.npy").tolist() == [0, 1, 2, 3, 4]


def test_nothing_else_here_unpacks() -> None:
    """One reader, in one place."""
    readers = [
        path.relative_to(PACKAGE).as_posix()
        for path in PACKAGE.rglob("*.py")
        if re.search(r"\bnp\.(load|fromfile)\(|ZipFile\(|NpzFile|read_array\(", path.read_text("utf-8"))
    ]
    assert readers == ["storage/archives.py"]
