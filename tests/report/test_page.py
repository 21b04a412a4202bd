"""The page: what is on it, that nothing leaves it, and that no name from a file becomes markup."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from support.report_samples import (
    MACHINE,
    bench_document,
    record_document,
    verified_row,
    verify_document,
    write,
    write_bench,
    write_run,
)

from edge_cifar.cli.main import main
from edge_cifar.errors import EdgeCifarError, RunError
from edge_cifar.steps.report import report

pytest.importorskip("jinja2", reason="the page needs Jinja2")
pytest.importorskip("plotly", reason="the page needs Plotly")

HOSTILE = "</script><script>alert(1)</script><img src=x onerror=alert(2)>{{ 7*7 }}"


class Elements(HTMLParser):
    """Every element of a page with its attributes."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def named(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.found if name == tag]


@pytest.fixture(scope="module")
def two_runs(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("runs")
    runs = [write_run(folder / model, model) for model in ("mobilenetv2", "resnet8")]
    return report(*runs, output=folder / "page.html").read_text(encoding="utf-8")


def page_of(*sources: Path, **limits: Any) -> str:
    return report(*sources, output=sources[0].parent / "page.html", **limits).read_text(encoding="utf-8")


def shown(html: str) -> str:
    """The words of the page."""
    body = re.sub(r"<(script|style)\b.*?</\1>", "", html, flags=re.DOTALL)
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", body)).replace("\u00a0", " ")


def test_nothing_is_loaded_from_anywhere(two_runs: str) -> None:
    elements = Elements(two_runs)
    loads = [
        value
        for _, attributes in elements.found
        for name, value in attributes.items()
        if name in ("src", "href", "srcset", "data", "action", "poster", "xlink:href") and value
    ]
    assert all(value.startswith(("#", "data:image/png;base64,")) for value in loads)
    assert elements.named("link") == []
    assert "http://" not in two_runs
    assert "https://" not in two_runs
    assert "@import" not in two_runs
    assert re.search(r"url\(", two_runs) is None


def test_the_policy_forbids_the_network_and_every_script_but_ours(two_runs: str) -> None:
    (policy,) = [
        attributes["content"]
        for attributes in Elements(two_runs).named("meta")
        if attributes.get("http-equiv") == "Content-Security-Policy"
    ]
    assert policy is not None
    assert policy.startswith("default-src 'none'; script-src 'sha256-")
    assert "unsafe-eval" not in policy
    assert "script-src 'unsafe-inline'" not in policy


def test_the_chart_library_is_there_once_and_packed(two_runs: str) -> None:
    assert two_runs.count('id="plotly-gzip-base64"') == 1
    assert len(two_runs) < 3_000_000


def test_a_page_of_runs_shows_trade_off_table_training_and_provenance(two_runs: str) -> None:
    words = shown(two_runs)
    for expected in (
        "mobilenetv2 and resnet8 on cifar10",
        "Ship mobilenetv2 onnx-int8",
        "Accuracy vs. latency",
        "Accuracy vs. size",
        "Accuracy vs. memory",
        "Runs side by side",
        "Training of mobilenetv2",
        "Confusion matrix, % of each true class",
        "Most confident errors",
        "edge-cifar train mobilenetv2",
        "Intel Xeon @ 2.90GHz",
        "5e5e5e5e",
        "✓ verified",
        "? unverified",
        "Core ML runs on macOS only",
    ):
        assert expected in words
    assert "ynthetic" not in words


def test_every_artifact_has_a_row_and_a_point(two_runs: str) -> None:
    assert len([row for row in Elements(two_runs).named("tr") if "data-row" in row]) == 18
    block = re.search(r'<script type="application/json" id="data">(.*?)</script>', two_runs, re.DOTALL)
    assert block is not None
    rows = json.loads(block[1])["rows"]
    assert [row["id"] for row in rows] == list(range(18))
    assert sum(row["accuracy"] is not None for row in rows) == 12


def test_synthetic_figures_are_called_synthetic_wherever_they_show(tmp_path: Path) -> None:
    html = page_of(write_run(tmp_path / "resnet8", "resnet8", synthetic=True))
    words = shown(html)
    assert "Synthetic data. All accuracies on this page were measured on computer-generated images" in words
    assert "On synthetic data: ship" in words
    for caption in re.findall(r"<figcaption>(.*?)</figcaption>", html):
        assert "(synthetic data)" in caption
    assert html.count('<small class="synthetic">synthetic</small>') == 6
    assert "synthetic test images" in words


def test_a_page_is_the_same_every_time(tmp_path: Path) -> None:
    bench = write_bench(tmp_path / "bench.json")
    assert page_of(bench) == page_of(bench)


def test_names_from_files_are_text(tmp_path: Path) -> None:
    document = bench_document()
    for row in document["results"]:
        row |= {"model": HOSTILE, "reason": HOSTILE, "runtime": HOSTILE, "notes": [HOSTILE]}
        row["data"] = {"name": HOSTILE, "synthetic": True}
    document["machine"] = {"cpu_model": HOSTILE, HOSTILE: HOSTILE}
    document["warnings"] = [HOSTILE]
    run = write_run(tmp_path / "resnet8", "resnet8")
    record = record_document("resnet8") | {"backbone": HOSTILE, "command": HOSTILE, "recipe_name": HOSTILE}
    record["history"][0]["phase"] = record["phases"][0]["name"] = HOSTILE
    write(run / "record.json", record)
    html = page_of(run, write(tmp_path / "hostile.json", document))
    elements = Elements(html)
    assert len(elements.named("script")) == 3
    assert all(not name.startswith("on") for _, attributes in elements.found for name in attributes)
    assert all((image["src"] or "").startswith("data:image/png") for image in elements.named("img"))
    assert "49" not in re.findall(r"onerror=alert\(2\)&gt;(\S*)", html)


def test_several_machines_stand_side_by_side(tmp_path: Path) -> None:
    here = write_bench(tmp_path / "here.json")
    there = write_bench(tmp_path / "pi.json", speed=10.0, machine={**MACHINE, "board": "Raspberry Pi 5"})
    verified = write(tmp_path / "verify.json", verify_document())
    words = shown(page_of(here, there, verified))
    assert "Machines side by side" in words
    assert "× 10.0" in words
    assert "On Raspberry Pi 5: ship" in words


def test_two_results_of_one_machine_are_told_apart_by_their_files(tmp_path: Path) -> None:
    words = shown(page_of(write_bench(tmp_path / "before.json"), write_bench(tmp_path / "after.json", speed=0.5)))
    assert "before.json)" in words
    assert "after.json)" in words
    assert "× 0.500" in words
    assert str(tmp_path) not in words


def test_the_same_result_given_twice_counts_once(tmp_path: Path) -> None:
    run = write_run(tmp_path / "resnet8", "resnet8")
    html = page_of(run, run / "bench.json", run)
    assert len([row for row in Elements(html).named("tr") if "data-row" in row]) == 9


def test_limits_change_the_advice(tmp_path: Path) -> None:
    verified = write(tmp_path / "verify.json", verify_document())
    words = shown(page_of(write_bench(tmp_path / "bench.json"), verified, max_size=100e3))
    assert "Ship resnet8 tflite-int8: the most accurate of 12 artifacts with at most 100 kB" in words


def test_a_run_that_was_not_benched_shows_its_training_and_the_next_command(tmp_path: Path) -> None:
    run = tmp_path / "resnet8"
    write(run / "record.json", record_document("resnet8"))
    words = shown(page_of(run))
    assert "Training of resnet8" in words
    assert "edge-cifar bench" in words


def test_exported_artifacts_that_were_not_benched_have_rows(tmp_path: Path) -> None:
    run = write_run(tmp_path / "resnet8", "resnet8")
    (run / "bench.json").unlink()
    words = shown(page_of(run))
    assert "9 artifacts, none measured yet" in words
    assert "not benchmarked" in words


def test_verify_results_override_the_manifest(tmp_path: Path) -> None:
    run = write_run(tmp_path / "resnet8", "resnet8")
    found = verified_row("resnet8", "coreml-fp32", status="pass", method="coreml-reference", images=500, reason=None)
    failed = verified_row("resnet8", "onnx-int8", status="fail", reason="top-1 agrees on 12 % only")
    words = shown(page_of(run, write(tmp_path / "verify.json", verify_document(found, failed))))
    assert "500 test images with coreml-reference" in words
    assert "✗ failed" in words
    assert "top-1 agrees on 12 % only" in words
    assert "Ship resnet8 tflite-int8" in words


def test_a_comparison_at_export_is_no_proof(tmp_path: Path) -> None:
    run = write_run(tmp_path / "resnet8", "resnet8")
    manifest = json.loads((run / "export" / "manifest.json").read_text(encoding="utf-8"))
    figures = {"images": 500, "split": "validation", "runtime": "litert", "max_abs_diff": 1e-6, "top1_agreement": 1.0}
    manifest["artifacts"][0]["parity"] = {"status": "checked", **figures}
    write(run / "export" / "manifest.json", manifest)
    words = shown(page_of(run))
    assert "✓ at export" in words
    assert "500 validation images with litert" in words


def test_many_classes_get_a_list_of_confusions_instead_of_a_matrix(tmp_path: Path) -> None:
    run = write_run(tmp_path / "resnet8", "resnet8")
    labels = [f"class {number}" for number in range(30)]
    confusion = [[90 if row == column else 0 for column in range(30)] for row in range(30)]
    confusion[4][7] = 10
    per_class = [{"label": label, "precision": 0.9, "recall": 0.9, "f1": 0.9, "images": 90} for label in labels]
    write(run / "classification.json", {"labels": labels, "per_class": per_class, "confusion": confusion})
    assert "class 4 classified as class 7: 10" in shown(page_of(run))


def test_one_run_gets_its_page_beside_it_and_several_in_the_working_directory(in_folder: Path) -> None:
    first, second = (write_run(in_folder / "runs" / model, model) for model in ("mobilenetv2", "resnet8"))
    assert report(first) == first / "report.html"
    assert report(first, second) == Path("report.html")
    assert (in_folder / "report.html").is_file()


def test_without_a_source_the_newest_run_is_taken(in_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_run(in_folder / "runs" / "resnet8", "resnet8")
    (in_folder / "runs" / "resnet8" / "model.keras").touch()
    assert main(["report"]) == 0
    assert capsys.readouterr().out.strip() == str(Path("runs/resnet8/report.html"))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        pytest.param("[1, 2", "is not valid JSON", id="truncated"),
        pytest.param("[]", "is not a bench report", id="a-list"),
        pytest.param('{"schema": 2, "results": []}', "is not a bench report of schema 1 or 2", id="another-schema"),
        pytest.param(
            '{"schema": 3, "results": []}',
            "has schema 3, which this version of edge-cifar does not support",
            id="a-later-one",
        ),
        pytest.param('{"schema": 1, "results": [{"model": 3}]}', "results[0].model is 3, not text", id="wrong-type"),
        pytest.param('{"schema": 1, "results": [{"model": "a", "status": "odd"}]}', "not ok, failed", id="odd-status"),
        pytest.param(
            '{"schema": 1, "results": [{"model": "a", "status": "ok", "size_bytes": NaN}]}',
            "not a finite number",
            id="nan",
        ),
    ],
)
def test_a_broken_result_is_one_sentence(
    content: str, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "bench.json"
    path.write_text(content, encoding="utf-8")
    assert main(["report", str(path), "-o", str(tmp_path / "page.html")]) == 1
    message = capsys.readouterr().err
    assert said in message
    assert message.count("\n") == 1
    assert not (tmp_path / "page.html").exists()


def test_missing_sources_say_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(EdgeCifarError, match=r"no .* at .*nowhere"):
        report(tmp_path / "nowhere")
    with pytest.raises(RunError, match="has no finished run"):
        report(tmp_path)


def test_a_place_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    bench = write_bench(tmp_path / "bench.json")
    with pytest.raises(EdgeCifarError, match="cannot write"):
        report(bench, output=bench / "page.html")


@pytest.mark.parametrize("size", ["many", "-3kB", "0"])
def test_a_size_that_is_none_is_refused_from_the_command_line(size: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", "x.json", f"--max-size={size}"]) == 2
    assert "a size must be a number above 0" in capsys.readouterr().err
