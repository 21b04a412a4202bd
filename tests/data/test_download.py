"""Downloading: resumed, checked, unpacked by known names, whole or not at all; every failure one sentence."""

from __future__ import annotations

import errno
import fcntl
from pathlib import Path

import pytest
from support import cifar_files
from support.little_server import FILES, PACKED, Server, server

from edge_cifar.data import acquisition, archive, cifar, download, places
from edge_cifar.errors import DataError
from edge_cifar.progress import SILENT

__all__ = ["server"]  # a fixture, used by name


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(download, "_PAUSES_SECONDS", (0.0, 0.0))
    monkeypatch.delenv("EDGE_CIFAR_DATA", raising=False)
    monkeypatch.setattr(places, "_cache", lambda: tmp_path / "cache")


def _partial(tmp_path: Path, content: bytes) -> Path:
    path = tmp_path / "cache" / "little.tar.gz.part"
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content)
    return path


def test_what_is_nowhere_is_downloaded_into_the_cache_and_read(server: Server, tmp_path: Path) -> None:
    dataset = cifar.load(server.published())
    assert len(dataset.train) == 24
    assert server.asked == [None]
    assert [path.name for path in (tmp_path / "cache").iterdir()] == ["little-batches"]
    cifar.load(server.published())
    assert len(server.asked) == 1, "the second time it comes from the cache"


def test_only_the_known_files_leave_the_archive(server: Server, tmp_path: Path) -> None:
    cifar.load(server.published())
    assert {path.name for path in (tmp_path / "cache" / "little-batches").iterdir()} == set(FILES)
    assert not list(tmp_path.rglob("escaped"))


def test_a_download_goes_on_from_what_an_earlier_one_left(server: Server, tmp_path: Path) -> None:
    _partial(tmp_path, PACKED[:1000])
    assert len(cifar.load(server.published()).train) == 24
    assert server.asked == ["bytes=1000-"]


def test_a_connection_that_is_cut_off_is_taken_up_again(server: Server) -> None:
    server.cut_after = [700, 800]
    assert len(cifar.load(server.published()).train) == 24
    assert server.asked == [None, "bytes=700-", "bytes=1500-"]


def test_a_connection_that_brings_nothing_more_gives_up_and_keeps_what_came(server: Server, tmp_path: Path) -> None:
    server.cut_after = [700, 0, 0, 0]
    with pytest.raises(DataError, match=r"cannot be downloaded \(the connection was interrupted\)"):
        cifar.load(server.published())
    assert (tmp_path / "cache" / "little.tar.gz.part").read_bytes() == PACKED[:700]
    assert not (tmp_path / "cache" / "little-batches").exists()


def test_a_server_that_knows_no_ranges_is_asked_for_the_whole(server: Server, tmp_path: Path) -> None:
    _partial(tmp_path, PACKED[:1000])
    server.ranges = False
    assert len(cifar.load(server.published()).train) == 24


def test_a_server_that_gives_another_range_is_asked_for_the_whole(server: Server, tmp_path: Path) -> None:
    _partial(tmp_path, PACKED[:1000])
    server.shifted = True
    assert len(cifar.load(server.published()).train) == 24
    assert server.asked == ["bytes=1000-", None]


def test_a_part_longer_than_what_the_server_has_does_not_stand_in_the_way_for_ever(
    server: Server, tmp_path: Path
) -> None:
    _partial(tmp_path, PACKED[:1000])
    server.content = PACKED[:500]
    with pytest.raises(DataError, match="interrupted"):
        cifar.load(server.published())
    server.content = PACKED
    assert len(cifar.load(server.published()).train) == 24


def test_a_part_of_something_else_is_dropped_and_the_whole_fetched(server: Server, tmp_path: Path) -> None:
    _partial(tmp_path, b"x" * 1000)
    assert len(cifar.load(server.published()).train) == 24
    assert server.asked == ["bytes=1000-", None]


def test_a_whole_part_needs_no_network(tmp_path: Path) -> None:
    _partial(tmp_path, PACKED)
    assert len(cifar.load(cifar_files.published(FILES, PACKED)).train) == 24


def test_something_else_at_the_address_is_refused_and_not_kept(server: Server, tmp_path: Path) -> None:
    server.content = b"<html>Please log in to this network</html>".ljust(len(PACKED))
    with pytest.raises(DataError, match=r"is not the published archive .*--data synthetic"):
        cifar.load(server.published())
    assert not list((tmp_path / "cache").iterdir())


def test_an_endless_answer_is_not_taken_beyond_the_published_size(server: Server, tmp_path: Path) -> None:
    server.content = PACKED * 3
    cifar.load(server.published())
    assert {path.name for path in (tmp_path / "cache").iterdir()} == {"little-batches"}


def test_no_network_names_the_ways_out(tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught:
        cifar.load(cifar_files.published(FILES, PACKED))
    message = str(caught.value)
    assert message == (
        "no little data found, and http://127.0.0.1:9/little.tar.gz cannot be downloaded (Connection refused); "
        "set --data-dir or EDGE_CIFAR_DATA to a folder with the data, or use --data synthetic"
    )
    assert not list((tmp_path / "cache").iterdir())


def test_a_refusing_server_is_named_with_its_status(server: Server) -> None:
    server.status = 503
    with pytest.raises(DataError, match="HTTP status 503"):
        cifar.load(server.published())
    assert len(server.asked) == 1


def test_a_place_that_cannot_be_written_is_one_sentence(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setattr(places, "_cache", lambda: tmp_path / "file" / "cache")
    with pytest.raises(
        DataError, match=r"little cannot be saved: .* cannot be written \(Not a directory\); set --data-dir"
    ):
        cifar.load(server.published())


def test_a_disk_that_fills_up_while_unpacking_leaves_no_folder(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(archive: object, folder: str, names: object, destination: Path) -> None:
        (destination / "batch_1").write_bytes(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(acquisition, "extract", full)
    with pytest.raises(DataError, match=r"the disk of .*cache is full; set --data-dir"):
        cifar.load(server.published())
    assert [path.name for path in (tmp_path / "cache").iterdir()] == ["little.tar.gz.part"]


def test_a_disk_that_fills_up_while_downloading_is_told_apart_from_the_network(server: Server) -> None:
    with Path("/dev/full").open("r+b", buffering=0) as full, pytest.raises(OSError, match="No space left"):
        download.download(server.url, _Endless(full), size_bytes=len(PACKED), progress=SILENT)


class _Endless:
    """/dev/full that knows its size: nothing was ever written."""

    def __init__(self, stream: object) -> None:
        self._stream = stream

    def seek(self, offset: int, whence: int) -> int:
        return 0

    def __getattr__(self, name: str) -> object:
        return getattr(self._stream, name)


def test_an_interrupt_while_unpacking_leaves_no_folder_and_the_next_command_needs_no_network(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*arguments: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(acquisition, "extract", interrupted)
        with pytest.raises(KeyboardInterrupt):
            cifar.load(server.published())
    assert not (tmp_path / "cache" / "little-batches").exists()
    assert len(cifar.load(server.published()).train) == 24
    assert len(server.asked) == 1


def test_what_a_killed_command_was_unpacking_is_cleared_away(server: Server, tmp_path: Path) -> None:
    abandoned = tmp_path / "cache" / ".little-batches.abc.partial"
    abandoned.mkdir(parents=True)
    cifar.load(server.published())
    assert not abandoned.exists()


def test_two_commands_do_not_write_the_same_download(server: Server, tmp_path: Path) -> None:
    path = _partial(tmp_path, PACKED[:10])
    with path.open("rb") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(DataError, match=r"another command is downloading little .*wait for it"):
            cifar.load(server.published())
    assert path.read_bytes() == PACKED[:10]


def test_an_archive_that_lacks_a_file_says_which(server: Server, tmp_path: Path) -> None:
    server.content = cifar_files.archive({name: content for name, content in FILES.items() if name != "batch_2"})
    with pytest.raises(DataError, match="does not contain little-batches/batch_2"):
        cifar.load(server.published(server.content))


def test_an_archive_with_an_altered_file_is_not_unpacked(server: Server, tmp_path: Path) -> None:
    server.content = cifar_files.archive({**FILES, "batch_2": FILES["batch_1"]})
    with pytest.raises(DataError, match="batch_2 is truncated or altered"):
        cifar.load(server.published(server.content))
    assert not (tmp_path / "cache" / "little-batches").exists()


@pytest.mark.parametrize("content", [b"", b"not gzip", PACKED[:2000]])
def test_a_damaged_archive_is_one_sentence(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a").write_bytes(content)
    with (tmp_path / "a").open("rb") as stream, pytest.raises(DataError, match="damaged"):
        archive.extract(stream, "little-batches", FILES, tmp_path)


def test_fetch_checks_what_is_there_and_replaces_it_only_when_told(server: Server, tmp_path: Path) -> None:
    published = server.published()

    def fetch(overwrite: bool = False) -> Path:
        return places.fetch(published, data_dir=tmp_path / "data", overwrite=overwrite, progress=SILENT)

    folder = fetch()
    assert fetch() == folder == tmp_path / "data" / "little-batches"
    assert len(server.asked) == 1
    (folder / "batch_1").write_bytes(b"damaged")
    with pytest.raises(DataError, match="batch_1 is truncated or altered"):
        fetch()
    fetch(overwrite=True)
    assert (folder / "batch_1").read_bytes() == FILES["batch_1"]


def test_fetch_does_not_replace_a_folder_under_another_name(server: Server, tmp_path: Path) -> None:
    folder = cifar_files.write(FILES, tmp_path / "my-copy")
    with pytest.raises(DataError, match="so it will not be replaced"):
        places.fetch(server.published(), data_dir=folder, overwrite=True, progress=SILENT)
