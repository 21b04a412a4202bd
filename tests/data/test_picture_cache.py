"""A folder is decoded once: what is stored is used while it is true, whole or not at all, and can be removed."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image
from support.listener import Listener

from edge_cifar import machine
from edge_cifar.cli.main import main
from edge_cifar.data import Dataset, decoding, loading, picture_cache, pictures
from edge_cifar.data.mapped_images import MappedImages
from edge_cifar.errors import EdgeCifarError


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    place = tmp_path / "cache"
    monkeypatch.setenv("EDGE_CIFAR_CACHE", str(place))
    return place


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    generator = np.random.default_rng(0)
    for label in ("blue", "red"):
        (folder / label).mkdir(parents=True)
        for number in range(6):
            pixels = generator.integers(0, 256, (12, 15, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / label / f"{number}.png")
    return folder


def _load(folder: Path, size: int = 8) -> Dataset:
    return loading.load(str(folder), image_size=size)


@pytest.fixture
def decodings(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the files that are decoded."""
    names: list[str] = []
    decode = decoding.decode

    def counted(job: decoding.Job) -> decoding.Decoded:
        names.extend(job.names)
        return decode(job)

    monkeypatch.setattr(decoding, "decode", counted)
    return names


def test_a_second_start_decodes_nothing(cache: Path, photos: Path, decodings: list[str]) -> None:
    first = _load(photos)
    assert len(decodings) == 12
    second = _load(photos)
    assert len(decodings) == 12
    assert isinstance(second.train.images, MappedImages)
    assert second.checksum == first.checksum
    assert np.array_equal(second.train.images[:], first.train.images[:])


@pytest.mark.parametrize("change", ["content", "new file", "removed file", "renamed file", "exchanged unseen"])
def test_what_changed_is_decoded_again(cache: Path, photos: Path, decodings: list[str], change: str) -> None:
    before = _load(photos)
    file = photos / "red" / "3.png"
    if change == "content":
        Image.new("RGB", (9, 9), "green").save(file)
    elif change == "new file":
        Image.new("RGB", (9, 9), "green").save(photos / "red" / "new.png")
    elif change == "removed file":
        file.unlink()
    elif change == "renamed file":
        file.rename(photos / "blue" / "moved.png")
    else:
        # Another picture of the very size and modification time, as some tools write them.
        was, content = file.stat(), file.read_bytes()
        file.write_bytes((photos / "red" / "2.png").read_bytes().ljust(len(content), b"\0")[: len(content)])
        os.utime(file, ns=(was.st_atime_ns, was.st_mtime_ns))
    decodings.clear()
    after = _load(photos)
    assert decodings
    assert after.checksum != before.checksum
    # The old images are replaced, not kept beside the new ones; who has them still reads them.
    assert len(list(cache.glob("*-8x8"))) == 1
    assert before.train.images[:].shape[1:] == (8, 8, 3)


def test_each_size_is_stored_by_itself(cache: Path, photos: Path) -> None:
    _load(photos), _load(photos, 6)
    assert [(entry.height, entry.images) for entry in picture_cache.entries()] == [(6, 12), (8, 12)]


@pytest.mark.parametrize("damage", ["about.json", "index.npz", "images.npy"])
@pytest.mark.parametrize("how", ["gone", "cut"])
def test_what_is_damaged_is_decoded_again(
    cache: Path, photos: Path, decodings: list[str], damage: str, how: str
) -> None:
    before = _load(photos).checksum
    (entry,) = picture_cache.entries()
    path = entry.path / damage
    content = path.read_bytes()
    path.unlink()
    if how == "cut":
        path.write_bytes(content[: len(content) // 2])
    decodings.clear()
    assert _load(photos).checksum == before
    assert len(decodings) == 12


def test_an_interrupted_decoding_leaves_nothing(cache: Path, photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:

        def interrupt(*arguments: object) -> None:
            raise KeyboardInterrupt

        patch.setattr(decoding, "decode_all", interrupt)
        with pytest.raises(KeyboardInterrupt):
            _load(photos)
    assert list(cache.glob("*")) == []
    assert len(_load(photos).labels) == 2


def test_a_disk_without_room_is_one_sentence(cache: Path, photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda place: SimpleNamespace(free=12 * 8 * 8 * 3 - 1))
    with pytest.raises(EdgeCifarError, match="set EDGE_CIFAR_CACHE to a directory on a larger disk"):
        _load(photos)


def test_a_place_that_cannot_be_written_is_one_sentence(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("EDGE_CIFAR_CACHE", str(tmp_path / "file" / "cache"))
    with pytest.raises(EdgeCifarError, match="cannot be written: Not a directory; set EDGE_CIFAR_CACHE"):
        _load(photos)


def test_workers_decode_what_this_process_would(cache: Path, photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (photos / "red" / "notes.txt").write_text("not an image")
    alone = _load(photos)
    monkeypatch.setattr(decoding, "_FEWEST_BYTES", 0)
    monkeypatch.setattr(decoding, "_FILES_AT_ONCE", 2)
    monkeypatch.setattr(machine, "usable_cores", lambda: 2)
    monkeypatch.setenv("EDGE_CIFAR_CACHE", str(cache.with_name("another")))
    listener = Listener()
    together = loading.load(str(photos), image_size=8, progress=listener)
    assert together.checksum == alone.checksum
    assert "skipped 1 of 13 files that are not readable images: red/notes.txt" in listener.said[0]


def test_a_picture_that_crashes_its_decoder_costs_only_itself(
    cache: Path, photos: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (photos / "red" / "2.png").write_bytes(b"crash")
    (tmp_path / "crashing.py").write_text(
        "import os\n"
        "from pathlib import Path\n"
        "from edge_cifar.data import decode_worker, decoding\n"
        "from edge_cifar.processes import request_loop\n"
        "def handle(request, answer):\n"
        "    for name in request['names']:\n"
        "        if Path(request['root'], name).read_bytes() == b'crash':\n"
        "            os.abort()\n"
        "    decode_worker.handle(request, answer)\n"
        "request_loop.serve(handle)\n"
    )
    monkeypatch.setattr(decoding, "WORKER", (sys.executable, str(tmp_path / "crashing.py")))
    monkeypatch.setattr(decoding, "_FEWEST_BYTES", 0)
    monkeypatch.setattr(machine, "usable_cores", lambda: 1)
    listener = Listener()
    dataset = loading.load(str(photos), image_size=8, progress=listener)
    assert len(dataset.train) + len(dataset.test) == 11
    assert "skipped 1 of 12 files that are not readable images: red/2.png" in listener.said[0]
    everything = np.concatenate([dataset.train.images, dataset.test.images])
    for name in ("blue/0.png", "red/5.png"):
        expected = pictures.read(photos / name, height=8, width=8).pixels
        assert (everything == expected).all(axis=(1, 2, 3)).any()


def test_the_cache_is_listed_and_removed(cache: Path, photos: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _load(photos), _load(photos, 6)
    assert main(["data", "cache", "ls", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert [(entry["height"], entry["images"]) for entry in document["entries"]] == [(6, 12), (8, 12)]
    assert document["directory"] == str(cache)
    assert document["size_bytes"] == sum(entry["size_bytes"] for entry in document["entries"])
    assert main(["data", "cache", "ls"]) == 0
    assert "8×8" in capsys.readouterr().out
    assert main(["data", "cache", "rm", str(photos.parent)]) == 1
    assert "no decoded images of" in capsys.readouterr().err
    assert main(["data", "cache", "rm"]) == 2
    assert "or use --all" in capsys.readouterr().err
    assert main(["data", "cache", "rm", str(photos)]) == 0
    assert "removed 24 decoded images" in capsys.readouterr().out
    assert list(picture_cache.entries()) == []
    assert len(list(photos.rglob("*.png"))) == 12


def test_an_empty_cache_is_listed(cache: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "cache", "ls", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["entries"] == []
    assert main(["data", "cache", "rm", "--all"]) == 0
