"""What holds for every format, and for the registry that finds it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from edge_cifar import formats
from edge_cifar.errors import UsageError
from edge_cifar.plugins import Registry

NAMES = formats.names()


def test_the_formats_are_these_and_keras_is_run_only() -> None:
    assert NAMES == ("coreml", "keras", "onnx", "tflite")
    assert formats.exported() == ("coreml", "onnx", "tflite")
    with pytest.raises(UsageError, match="unknown format 'keras'"):
        formats.to_export("keras")
    with pytest.raises(UsageError, match="can be run but not exported"):
        formats.get("keras").converter()


@pytest.mark.parametrize("name", NAMES)
def test_a_format_has_the_name_of_its_file_and_each_runtime_the_name_it_is_listed_by(name: str) -> None:
    format_ = formats.get(name)
    assert format_.name == name
    assert [load().NAME for load in format_.runtimes.values()] == list(format_.runtimes)
    # The rest of the program takes the first that can run a file here.
    devices = [load().DEVICE for load in format_.runtimes.values()]
    assert devices == sorted(devices, reverse=True)


def test_no_two_formats_share_a_suffix_or_a_look() -> None:
    every = [formats.get(name) for name in NAMES]
    suffixes = [suffix for one in every for suffix in one.suffixes]
    assert len(suffixes) == len(set(suffixes))
    assert len({one.marker for one in every}) == len({one.colour for one in every}) == len(every)


@pytest.mark.parametrize("name", formats.exported())
def test_every_format_that_is_exported_can_be_looked_into(name: str) -> None:
    format_ = formats.get(name)
    assert format_.reader is not None
    assert callable(format_.reader().network)
    assert callable(format_.converter().convert)
    assert format_.defaults
    assert set(format_.defaults) <= set(format_.precisions)


@pytest.mark.parametrize(
    ("path", "name"), [("a/net.TFLITE", "tflite"), ("net.h5", "keras"), ("net.onnx", "onnx"), ("net.txt", None)]
)
def test_a_file_is_of_the_format_that_its_suffix_says(path: str, name: str | None) -> None:
    found = formats.of_file(path)
    assert (found.name if found else None) == name


def test_listing_all_that_is_said_of_formats_imports_none_of_their_code() -> None:
    program = (
        "import sys\n"
        "from edge_cifar import formats\n"
        "assert all(formats.get(name).suffixes for name in formats.names())\n"
        "print(*(name for name in sys.modules if name.startswith('edge_cifar.') or name == 'numpy'))\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    rooms = {name.split(".")[1] if "." in name else name for name in done.stdout.split()}
    assert not rooms & {"numpy", "converters", "runtimes", "readers"}


def test_a_runtime_is_found_by_its_name() -> None:
    assert formats.runtime("litert").NAME == "litert"
    with pytest.raises(UsageError, match=r"unknown runtime 'litrt'.*litert"):
        formats.runtime("litrt")


def test_a_plugin_that_does_not_define_its_object_is_refused_by_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "toys"
    (package / "shared").mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "red_ball.py").write_text("TOY = 3\n")
    (package / "_bear.py").write_text("TOY = 'x'\n")
    monkeypatch.syspath_prepend(tmp_path)
    toys = Registry("toys", "toy", "TOY", int)
    # An underscore keeps nothing out: what plugins share lies in a package.
    assert toys.names() == ("-bear", "red-ball")
    assert toys.get("red-ball") == 3
    with pytest.raises(TypeError, match=r"toys\._bear defines no TOY that is a int"):
        toys.get("-bear")
    with pytest.raises(UsageError, match="unknown toy 'ball'"):
        toys.get("ball")
