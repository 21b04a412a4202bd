"""Hostile and broken Core ML packages: each is refused in one sentence that names it."""

from __future__ import annotations

import os
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support import mil_packages
from support.mil_packages import (
    argument,
    blob_literal,
    chunk,
    classifier,
    const,
    literal,
    model,
    named,
    number,
    operation,
    varint,
    write,
)

from edge_cifar.errors import BundleError
from edge_cifar.mil import dtypes, limits, schema
from edge_cifar.runtimes import coreml_reference

IMAGES = np.zeros((1, 8, 8, 3), np.uint8)


def expect_refused(path: Path, message: str) -> None:
    with pytest.raises(BundleError, match=message) as caught:
        coreml_reference.load(path).predict(IMAGES)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_what_is_no_package_is_refused(tmp_path: Path) -> None:
    expect_refused(tmp_path / "absent.mlpackage", "the package does not exist")
    (tmp_path / "file.mlpackage").write_text("")
    expect_refused(tmp_path / "file.mlpackage", "not a folder")
    (tmp_path / "empty.mlpackage").mkdir()
    expect_refused(tmp_path / "empty.mlpackage", "Manifest.json is missing")


@pytest.mark.parametrize("content", ["", "[]", "{", "nul", '{"rootModelIdentifier": []}', "[" * 100_000, "\udcff"])
def test_a_broken_manifest_is_refused(tmp_path: Path, content: str) -> None:
    path = classifier(tmp_path / "m.mlpackage")
    (path / "Manifest.json").write_bytes(content.encode(errors="surrogateescape"))
    expect_refused(path, "is not the manifest")


@pytest.mark.parametrize(
    "name", ["../../secret", "/etc/passwd", "", "com.apple.CoreML/../../../x", "a\0b", "\ud800", "a" * 5000]
)
def test_a_manifest_that_points_outside_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "secret").write_bytes(b"secret")
    path = classifier(tmp_path / "m.mlpackage", spec_name=name)
    expect_refused(path, "points outside|cannot be read|missing|is not the manifest")


@pytest.mark.parametrize(
    "name", ["/etc/passwd", "@model_path/../../../../x", "@model_path/", "weights/weight.bin", "@model_path/none"]
)
def test_weights_outside_the_package_are_refused(tmp_path: Path, name: str) -> None:
    expect_refused(classifier(tmp_path / "m.mlpackage", blob_file=name), "points outside|outside @model_path|missing")


def test_links_that_lead_out_are_refused(tmp_path: Path) -> None:
    path = classifier(tmp_path / "m.mlpackage")
    weights = path / "Data/com.apple.CoreML/weights/weight.bin"
    weights.rename(tmp_path / "elsewhere.bin")
    weights.symlink_to(tmp_path / "elsewhere.bin")
    expect_refused(path, "points outside")


def test_links_that_go_round_are_refused(tmp_path: Path) -> None:
    path = classifier(tmp_path / "m.mlpackage")
    spec = path / "Data/com.apple.CoreML/model.mlmodel"
    spec.unlink()
    spec.symlink_to(spec)
    expect_refused(path, "points outside")


def test_what_is_no_regular_file_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    path = classifier(tmp_path / "m.mlpackage")
    spec = path / "Data/com.apple.CoreML/model.mlmodel"
    spec.unlink()
    os.mkfifo(spec)
    expect_refused(path, "model.mlmodel is missing")


@pytest.mark.parametrize(
    ("offset", "message"),
    [
        (0, "magic number"),
        (32, "not a multiple of 64"),
        (1 << 40, "truncated or corrupt"),
        ((1 << 64) - 64, "truncated or corrupt"),
    ],
)
def test_wrong_offsets_are_refused(tmp_path: Path, offset: int, message: str) -> None:
    expect_refused(classifier(tmp_path / "m.mlpackage", offset=offset), message)


@pytest.mark.parametrize(
    ("place", "value", "message"),
    [
        (4, struct.pack("<I", 1), "version 2"),
        (64, struct.pack("<I", 0xBEEF), "magic number"),
        (68, struct.pack("<I", 1), "elements of type code 1"),
        (72, struct.pack("<Q", 431), "not the size"),
        (80, struct.pack("<Q", 1 << 62), "truncated or corrupt"),
        (80, struct.pack("<Q", 129), "not aligned"),
    ],
)
def test_a_broken_weight_file_is_refused(tmp_path: Path, place: int, value: bytes, message: str) -> None:
    path = classifier(tmp_path / "m.mlpackage")
    weights = path / "Data/com.apple.CoreML/weights/weight.bin"
    content = bytearray(weights.read_bytes())
    content[place : place + len(value)] = value
    weights.write_bytes(content)
    expect_refused(path, message)


def test_a_truncated_weight_file_is_refused(tmp_path: Path) -> None:
    path = classifier(tmp_path / "m.mlpackage")
    weights = path / "Data/com.apple.CoreML/weights/weight.bin"
    weights.write_bytes(weights.read_bytes()[:200])
    expect_refused(path, "truncated or corrupt")
    weights.write_bytes(b"")
    expect_refused(path, "truncated or corrupt")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"declared": (1, 4, 4, 5)}, "the program declares"),
        ({"declared": (1, 4, 1 << 40, 1 << 40)}, "unsupported shape"),
        ({"declared": (1, 4, 4, 4, 1, 1, 1, 1, 1)}, "more than 8 axes"),
        ({"strides": (0, 2)}, "must be at least 1"),
        ({"labels": ["cat", "dog"]}, "2 labels for 3 probabilities"),
        ({"labels": ["cat", "dog", "dog"]}, "duplicate labels"),
        ({"conv_input": "relu"}, "no earlier operation outputs"),
        ({"conv_input": "conv"}, "no earlier operation outputs"),
        ({"conv_input": "strides"}, "expected . axes"),
    ],
)
def test_a_program_that_contradicts_itself_is_refused(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    expect_refused(classifier(tmp_path / "m.mlpackage", **changes), message)


SMALL = (1, 3, 8, 8)
FP32 = dtypes.FP32


@pytest.mark.parametrize(
    ("operations", "outputs", "message"),
    [
        ([operation("warp", {"x": argument("image")}, [named("p", FP32, SMALL)])], ["p"], "does not support 'warp'"),
        (
            [operation("relu", {"x": argument("image"), "y": argument("image")}, [named("p", FP32, SMALL)])],
            ["p"],
            "parameters that .* y",
        ),
        ([operation("relu", {"x": argument("image")}, [named("image", FP32, SMALL)])], ["image"], "output twice"),
        ([operation("relu", {"x": argument("image")}, [])], ["p"], "0 outputs"),
        (
            [operation("relu", {"x": argument("image")}, [named("p", dtypes.FP16, SMALL)])],
            ["p"],
            "the program declares",
        ),
        (
            [operation("relu", {"x": argument("image")}, [named("p", FP32, SMALL)])],
            ["p"],
            "not a vector of probabilities",
        ),
        (
            [operation("relu", {"x": argument("image")}, [named("p", FP32, SMALL)])],
            ["q"],
            "not a computed floating-point tensor",
        ),
        ([operation("relu", {"x": argument("image")}, [named("p", FP32, SMALL)])], ["p", "image"], "2 outputs"),
        ([], ["image"], "not a vector of probabilities"),
        ([operation("relu", {"x": argument()}, [named("p", FP32, SMALL)])], ["p"], "x is not a tensor"),
        ([chunk(1, "while_loop") + chunk(4, b"")], ["p"], "control flow"),
        ([const("c", FP32, (2,), literal(np.zeros(3, np.float32)))], ["c"], "the program declares"),
        (
            [
                const(
                    "c", FP32, (2,), chunk(2, mil_packages.tensor_type(FP32, (9,))) + chunk(3, chunk(1, chunk(1, b"")))
                )
            ],
            ["c"],
            "0 values",
        ),
        ([const("c", FP32, (2,), blob_literal(FP32, (1 << 30, 1), 64))], ["c"], "more than 2048 MiB|no weight|missing"),
    ],
)
def test_broken_programs_are_refused(tmp_path: Path, operations: list[bytes], outputs: list[str], message: str) -> None:
    expect_refused(write(tmp_path / "m.mlpackage", model(operations, outputs)), message)


def test_a_message_quotes_no_line_breaks_or_terminal_commands(tmp_path: Path) -> None:
    operations = [operation("evil\n\x1b[2J" * 1000, {}, [named("p", FP32, SMALL)])]
    path = write(tmp_path / "m.mlpackage", model(operations, ["p"]))
    expect_refused(path, "does not support|operation evil")
    with pytest.raises(BundleError) as caught:
        coreml_reference.load(path)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 1000


def test_names_may_not_go_in_circles(tmp_path: Path) -> None:
    circle = [
        operation("relu", {"x": argument("b")}, [named("a", FP32, SMALL)]),
        operation("relu", {"x": argument("a")}, [named("b", FP32, SMALL)]),
    ]
    expect_refused(
        write(tmp_path / "m.mlpackage", model(circle, ["b"])), "uses 'b', which no earlier operation outputs"
    )


def test_one_weight_claimed_over_and_over_cannot_fill_the_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "CONSTANT_BYTES", 1 << 20)
    ones = np.ones((1 << 10,), np.float32)
    weights = mil_packages.Weights()
    offset = weights.add(ones, FP32)
    claims = [const(f"c{i}", FP32, ones.shape, blob_literal(FP32, ones.shape, offset)) for i in range(600)]
    # Each constant is used at the end, so none may be forgotten before.
    keep = operation(
        "concat",
        {"values": argument(*(f"c{i}" for i in range(600))), "axis": argument(literal(np.array(0, np.int32)))},
        [named("p", FP32, (1,))],
    )
    expect_refused(
        write(tmp_path / "m.mlpackage", model([*claims, keep], ["p"]), weights.content),
        "constants take more than 1 MiB",
    )


def test_work_without_end_is_refused(tmp_path: Path) -> None:
    kernel = literal(np.array([8000, 8000], np.int32))
    pool = operation(
        "max_pool",
        {
            "x": argument("image"),
            "kernel_sizes": argument(kernel),
            "pad_type": argument(literal("custom")),
            "pad": argument(literal(np.array([7999, 7999, 7999, 7999], np.int32))),
        },
        [named("p", FP32, (1, 3, 8007, 8007))],
    )
    expect_refused(write(tmp_path / "m.mlpackage", model([pool], ["p"])), "billion multiplications|takes more than")


def test_lists_that_nest_without_end_are_refused(tmp_path: Path) -> None:
    nested = literal("x")
    kind = chunk(2, chunk(2, b""))
    for _ in range(3000):
        nested = kind + chunk(3, chunk(3, chunk(1, nested)))
    expect_refused(
        write(tmp_path / "m.mlpackage", model([const("c", FP32, (), nested)], ["c"])),
        "other than strings and integers|has no type",
    )


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        (b"", "not an ML program"),
        (b"\xff" * 100, "more than 10 bytes"),
        (number(1, 7) + chunk(500, b""), "not an ML program"),
        (chunk(502, chunk(2, chunk(1, "main"))), "without a value"),
        (chunk(502, chunk(2, chunk(1, "other") + chunk(2, b""))), "functions \\['other'\\]"),
        (chunk(502, chunk(2, chunk(1, "main") + chunk(2, chunk(2, "CoreML9")))), "no block for it"),
        (varint(502 << 3) + varint(3), "wire type 0"),
    ],
)
def test_what_is_no_program_is_refused(tmp_path: Path, spec: bytes, message: str) -> None:
    expect_refused(write(tmp_path / "m.mlpackage", spec), message)


def test_flexible_and_unknown_types_are_refused() -> None:
    flexible = chunk(1, "x") + chunk(2, chunk(1, number(1, 11) + chunk(3, chunk(2, b""))))
    unknown = chunk(1, "x") + chunk(2, chunk(1, number(1, 99)))
    for item, message in ((flexible, "not fixed"), (unknown, "unknown type")):
        function = chunk(1, item) + chunk(2, "CoreML6") + mil_packages.entry(3, "CoreML6", b"")
        with pytest.raises(BundleError, match=message):
            schema.parse(chunk(502, mil_packages.entry(2, "main", function)))


def test_too_large_a_description_is_refused(tmp_path: Path) -> None:
    path = classifier(tmp_path / "m.mlpackage")
    with (path / "Data/com.apple.CoreML/model.mlmodel").open("ab") as spec:
        spec.truncate(limits.SPEC_BYTES + 1)
    expect_refused(path, "larger than 32 MiB")
    with (path / "Manifest.json").open("ab") as manifest:
        manifest.truncate(limits.MANIFEST_BYTES + 1)
    expect_refused(path, "larger than 1 MiB")
