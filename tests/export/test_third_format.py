"""A format that nobody knew of goes all the way, and a file of it that takes its runtime down costs only itself."""

from __future__ import annotations

import importlib
import json
import runpy
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from support import ROOT, third_format
from support.export import stand_in_run

from edge_cifar import formats
from edge_cifar.cli.main import main
from edge_cifar.documents.bundle import Bundle
from edge_cifar.documents.run import Run
from edge_cifar.errors import CheckFailed, UsageError
from edge_cifar.export.options import ExportOptions
from edge_cifar.processes.request_loop import Message
from edge_cifar.processes.worker import Worker
from edge_cifar.report import palette
from edge_cifar.steps.bench import bench
from edge_cifar.steps.diagnose import diagnose
from edge_cifar.steps.export import export
from edge_cifar.steps.predict import predict
from edge_cifar.steps.verify import verify

pytest.importorskip("tensorflow", reason="export needs TensorFlow")


@pytest.fixture(scope="module", autouse=True)
def installed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with pytest.MonkeyPatch.context() as monkeypatch:
        yield third_format.install(monkeypatch, tmp_path_factory.mktemp("formats"))


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return stand_in_run(tmp_path_factory.mktemp("runs") / "third", model=third_format.network())


@pytest.fixture(scope="module")
def bundle(run: Run) -> Bundle:
    return export(run, formats="fake", calibration_images=2, reference_images=60)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """No time at all for the file that never answers, as much as ever for the others: no clock decides."""
    real = Worker.ask

    def ask(self: Worker, request: Message, *, seconds: float | None = None) -> Message:
        return real(self, request, seconds=0.01 if "hanging" in request["artifact"] else seconds)

    monkeypatch.setattr(Worker, "ask", ask)


@pytest.mark.usefixtures("impatient")
def test_a_file_that_takes_its_runtime_down_is_rejected_and_the_others_are_kept(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "bundle"
    arguments = ["--format", "fake", "--precision", "all", "--reference-images", "60", "--out", str(out)]
    assert main(["export", str(run.path), *arguments]) == 1
    assert "8 of 10 variants were rejected" in capsys.readouterr().err
    kept = Bundle.open(out)
    assert [str(artifact.variant) for artifact in kept.artifacts] == ["fake-fp32", "fake-int8"]
    assert {path.name for path in out.glob("*.fake")} == {"fake-fp32.fake", "fake-int8.fake"}
    found = {str(one.variant): (one.failed, one.reason) for one in kept.rejected}
    assert found.pop("fake-coarse")[0] == ("parity",)
    assert found == {
        "fake-aborting": (("runtime",), "its process crashed with SIGABRT: the last words"),
        "fake-aborting-at-once": (("runtime",), "its process crashed with SIGABRT: the last words"),
        "fake-hanging": (("runtime",), "it did not answer within 0 s"),
        "fake-raising": (("runtime",), "ValueError: surprise"),
        "fake-leaving": (("runtime",), "its process exited before answering"),
        "fake-nan": (
            ("answers",),
            "outputs NaN or infinity for 600 of 600 images, first for image 0",
        ),
        "fake-misshapen": (
            ("answers",),
            "outputs 660×7; the reference has 660×10 (images × classes)",
        ),
    }


def test_what_verify_would_fail_is_not_kept_though_it_loses_no_accuracy(run: Run, tmp_path: Path) -> None:
    """The network guesses, so nothing can be lost; but coarse weights answer otherwise than it does."""
    with pytest.raises(CheckFailed, match=r"fake-coarse: fails verify: top-1 differs on .* high-confidence images"):
        export(run, formats="fake", precisions=["int8", "coarse"], reference_images=60, out=tmp_path / "bundle")
    kept = Bundle.open(tmp_path / "bundle")
    (rejected,) = kept.rejected
    assert rejected.failed == ("parity",)
    assert rejected.parity
    assert rejected.parity.drop
    assert rejected.parity.drop.low < 1.0
    assert [outcome.status for outcome in verify(kept)] == ["pass"]


def test_a_bundle_of_nothing_but_crashes_stands_with_nothing(run: Run, tmp_path: Path) -> None:
    with pytest.raises(CheckFailed, match=r"1 of 1 variants was rejected .*SIGABRT.*variants that do not run here"):
        export(run, formats="fake", precisions="aborting", reference_images=60, out=tmp_path / "bundle")
    assert not Bundle.open(tmp_path / "bundle").artifacts


def test_what_a_crash_with_each_layer_costs_is_told_by_the_diagnosis(run: Run, tmp_path: Path) -> None:
    found = diagnose(run, ExportOptions(formats=("fake",)), out=tmp_path / "found")
    (noise,) = found.layers["fake"]
    assert (noise.layer, noise.signal_to_noise_db) == ("last", None)
    assert noise.reason == "its process crashed with SIGABRT: the last words"
    document = json.loads((tmp_path / "found" / "diagnosis.json").read_text(encoding="utf-8"))
    assert document["layers"]["fake"][0]["signal_to_noise_db"] is None


def test_layers_to_leave_in_floats_are_sought_past_crashes(run: Run, tmp_path: Path) -> None:
    options: dict[str, Any] = {"reference_images": 60, "out": tmp_path / "bundle"}
    mended = export(run, formats="fake", precisions="aborting", keep_float="auto", **options)
    assert [str(artifact.variant) for artifact in mended.artifacts] == ["fake-aborting"]
    assert mended.artifacts[0].parity
    assert mended.artifacts[0].parity.status == "checked"


def test_verify_looks_into_its_files_and_finds_the_layers(bundle: Bundle) -> None:
    fp32, int8 = verify(bundle, layers=True)
    for found in (fp32, int8):
        assert (found.status, found.reason, found.method) == ("pass", None, "fake")
        assert found.backends == ("fast",)
        assert found.layers is not None
        assert found.layers.refusal is None
        assert "last" in [layer.name for layer in found.layers.layers if layer.error is not None]
    assert int8.weights is not None
    assert (str(int8.weights.compared_with), int8.weights.operations) == ("fake-fp32", 3)


def test_of_a_format_without_a_reader_verify_says_what_it_cannot_tell(
    bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = importlib.import_module("edge_cifar.formats.fake")
    monkeypatch.setattr(module, "FORMAT", replace(formats.get("fake"), reader=None))
    fp32, int8 = verify(bundle)
    assert fp32.status == "pass"
    assert int8.status == "unverified"
    assert int8.reason == ("predictions agree, but weights were not compared with fake-fp32: no reader for fake files")


def test_it_is_measured_and_reported(bundle: Bundle, run: Run, tmp_path: Path) -> None:
    output = tmp_path / "bench.json"
    rows = bench(bundle, seconds=0.1, images=60, output=output).results
    assert [(row.name, row.status) for row in rows] == [("third fake-fp32", "ok"), ("third fake-int8", "ok")]
    page = tmp_path / "report.html"
    assert main(["report", str(run.path), str(output), "--out", str(page)]) == 0
    text = page.read_text(encoding="utf-8")
    assert "fake-fp32" in text
    assert "fake-int8" in text
    assert (palette.plotly_symbol("fake"), palette.matplotlib_marker("fake")) == ("star", "*")


def test_it_names_what_a_picture_shows(bundle: Bundle, tmp_path: Path) -> None:
    Image.new("RGB", (32, 32), (200, 30, 30)).save(tmp_path / "red.png")
    (found,) = predict(bundle, [tmp_path / "red.png"])
    assert (found.variant, found.runtime) == ("fake-fp32", "fake")
    assert found.answers[0][0] in bundle.artifacts[0].labels


def test_the_help_and_the_table_in_the_documents_list_it(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["export", "--help"]) == 0
    assert "fake (default: fp32, int8)" in capsys.readouterr().out
    document = tmp_path / "docs" / "table.md"
    document.parent.mkdir()
    document.write_text("<!-- generated: converters matrix -->\n<!-- end -->\n", encoding="utf-8")
    script = runpy.run_path(str(ROOT / "benchmarks" / "readme_tables.py"))
    script["Tables"](tmp_path, check=False).update()
    assert "| fake | **`int8`** | in steps of a 127th |  |" in document.read_text(encoding="utf-8").splitlines()


def test_the_card_of_its_bundle_says_how_its_files_are_run(bundle: Bundle) -> None:
    assert formats.get("fake").usage in (bundle.path / "README.md").read_text(encoding="utf-8")


@pytest.fixture
def without_the_file(bundle: Bundle, installed: Path) -> Iterator[None]:
    away = installed.rename(installed.with_suffix(".away"))
    yield
    away.rename(installed)


@pytest.mark.usefixtures("without_the_file")
def test_without_its_file_nothing_of_it_is_left(bundle: Bundle) -> None:
    assert formats.names() == ("coreml", "keras", "onnx", "tflite")
    with pytest.raises(UsageError, match="unknown format 'fake'"):
        export(bundle.path.parent, formats="fake")
    assert {outcome.status for outcome in verify(bundle)} == {"unverified"}
    assert palette.plotly_symbol("fake") == "triangle-up"
