"""Which variants an export writes."""

from __future__ import annotations

import pytest
from support import ROOT

from edge_cifar import formats, packages
from edge_cifar.errors import MissingPackage, UsageError
from edge_cifar.export import plan
from edge_cifar.export.options import ExportOptions
from edge_cifar.progress import SILENT


class Listener:
    """Progress that remembers what was said."""

    def __init__(self) -> None:
        self.said: list[str] = []

    bar = staticmethod(SILENT.bar)

    def say(self, text: str) -> None:
        self.said.append(text)


@pytest.fixture(autouse=True)
def everything_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packages, "installed", lambda module: True)


def _options(formats: list[str] | None, precisions: list[str] | None) -> ExportOptions:
    return ExportOptions(
        formats=None if formats is None else tuple(formats),
        precisions=None if precisions is None else tuple(precisions),
    )


def chosen(formats: list[str] | None, precisions: list[str] | None) -> list[str]:
    return [str(variant) for variant in plan.choose(_options(formats, precisions), SILENT)]


def test_nine_variants_by_default() -> None:
    assert chosen(None, None) == [
        *("coreml-fp32", "coreml-fp16", "coreml-w8"),
        *("onnx-fp32", "onnx-fp16", "onnx-int8"),
        *("tflite-fp32", "tflite-fp16", "tflite-int8"),
    ]


def test_all_is_every_precision_that_a_converter_lists() -> None:
    everything = chosen(["all"], ["all"])
    assert len(everything) == sum(len(formats.get(name).precisions) for name in formats.exported())
    assert len(set(everything)) == len(everything)


def test_a_precision_goes_to_the_formats_that_have_it() -> None:
    assert chosen(None, ["int8"]) == ["coreml-int8", "onnx-int8", "tflite-int8"]
    assert chosen(["tflite", "tflite"], ["fp16", "fp16"]) == ["tflite-fp16"]
    assert chosen(["tflite", "coreml"], ["int8", "w8"]) == ["tflite-int8", "coreml-int8", "coreml-w8"]


@pytest.mark.parametrize(
    ("formats", "precisions", "message"),
    [
        (["tfllite"], None, "unknown format 'tfllite'; did you mean 'tflite'?"),
        (["tflite"], ["int9"], "unknown precision 'int9'; did you mean 'int8'?"),
        (["coreml"], ["int16x8"], "coreml has no int16x8; choose from fp32, fp16, int8, w8, w6, w4"),
        (["coreml", "tflite"], ["int16x8"], "coreml has no int16x8; choose from fp32, fp16, int8, w8, w6, w4"),
        (
            ["tflite"],
            ["fp32", "w8"],
            "none of the chosen formats has w8: tflite has fp32, fp16, dynamic, int8, int8-qat, int16x8",
        ),
    ],
)
def test_what_does_not_exist_is_refused_by_name(formats: list[str], precisions: list[str] | None, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        chosen(formats, precisions)
    assert str(caught.value) == message


def test_a_named_format_without_its_package_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packages, "installed", lambda module: module != "coremltools")
    with pytest.raises(MissingPackage, match=r'coremltools is not installed; run: pip install "edge-cifar\[convert\]"'):
        chosen(["coreml"], None)


def test_a_format_that_was_not_named_is_left_out_with_a_word(monkeypatch: pytest.MonkeyPatch) -> None:
    # coremltools has no wheels for Linux on Arm: a plain `export` must still do the rest there.
    monkeypatch.setattr(packages, "installed", lambda module: module != "coremltools")
    listener = Listener()
    variants = plan.choose(_options(None, ["fp32"]), listener)
    assert [str(variant) for variant in variants] == ["onnx-fp32", "tflite-fp32"]
    assert len(listener.said) == 1
    assert listener.said[0].startswith("skipping coreml: coremltools is not installed")


def test_the_documented_matrix_is_the_formats_own() -> None:
    told = (ROOT / "docs" / "conversion.md").read_text(encoding="utf-8")
    table = told.partition("<!-- generated: converters matrix -->")[2].partition("<!-- end -->")[0]
    cells = [tuple(cell.strip(" *`") for cell in line.split("|")[1:4]) for line in table.strip().splitlines()[2:-2]]
    assert cells == [
        (name, precision, one.meaning)
        for name in formats.exported()
        for precision, one in formats.get(name).precisions.items()
    ]
