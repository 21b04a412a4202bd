"""Nothing false on the page: what a tick rests on, what export did not keep, and models that only guess."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from support.report_samples import verified_row, verify_document, write, write_run

from edge_cifar.steps.report import report

pytest.importorskip("jinja2", reason="the page needs Jinja2")
pytest.importorskip("plotly", reason="the page needs Plotly")


def page_of(*sources: Path) -> str:
    return report(*sources, output=sources[0].parent / "page.html").read_text(encoding="utf-8")


def shown(html: str) -> str:
    """The words of the page."""
    body = re.sub(r"<(script|style)\b.*?</\1>", "", html, flags=re.DOTALL)
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", body)).replace("\u00a0", " ")


def test_each_tick_says_on_how_many_images_it_rests(tmp_path: Path) -> None:
    run = write_run(tmp_path / "resnet8", "resnet8")
    manifest = json.loads((run / "export" / "manifest.json").read_text(encoding="utf-8"))
    figures = {"images": 500, "split": "validation", "runtime": "litert"}
    manifest["artifacts"][0]["parity"] = {"status": "checked", **figures}
    manifest["artifacts"][1]["parity"]["images"] = 10
    write(run / "export" / "manifest.json", manifest)
    html = page_of(run)
    words = shown(html)
    ticks = re.findall(r'<span class="mark (?:proven|checked)"[^>]*>(✓ [^<]*)</span><small>([^<]*)</small></td>', html)
    assert ticks[:2] == [("✓ at export", "500 images"), ("✓ verified", "10 images")]
    assert len(ticks) == 6
    assert words.count("✓ verified, 2,000 images") == 4
    assert "per image; verified on 2,000 images." in words


def test_what_export_rejected_stands_in_red_with_the_reason_and_the_way_out(tmp_path: Path) -> None:
    run = write_run(tmp_path / "resnet8", "resnet8")
    manifest = json.loads((run / "export" / "manifest.json").read_text(encoding="utf-8"))
    lossy = {
        "variant": "onnx-int8-qat",
        "reason": "drops 28.00 points; --max-drop allows 1",
        "way_out": "try a higher precision such as fp16",
        "parity": {"status": "checked", "images": 500, "split": "validation", "runtime": "onnxruntime"},
    }
    unwritten = {"variant": "coreml-w4", "reason": "the converter was killed", "parity": None}
    write(run / "export" / "manifest.json", manifest | {"rejected": [lossy, unwritten]})
    # A record of an earlier bundle that had it must not call it proven.
    old = verify_document(verified_row("resnet8", "onnx-int8-qat"))
    html = page_of(run, write(tmp_path / "verify.json", old))
    words = shown(html)
    rows = re.findall(r'<tr data-row="\d+" class="rejected">(.*?)</tr>', html, flags=re.DOTALL)
    assert [re.sub(r"<[^>]*>|\s+", " ", row).split()[1] for row in rows] == ["onnx-int8-qat", "coreml-w4"]
    assert f"rejected: {lossy['reason']}; {lossy['way_out']}" in words
    assert "rejected: the converter was killed" in words
    assert "✗ failed" in rows[0]
    assert "not checked" in rows[1]
    assert "6 of 11 artifacts measured; 2 rejected by export" in words
    assert re.search(r"tr\.rejected td[^}]*color: var\(--bad\)", html)


def test_a_model_at_chance_is_called_so_and_nothing_is_advised(tmp_path: Path) -> None:
    run = write_run(tmp_path / "resnet8", "resnet8")
    bench = json.loads((run / "bench.json").read_text(encoding="utf-8"))
    for row in bench["results"]:
        if row["accuracy"]:
            row["accuracy"] = {"top1": 1 / 3, "low": 0.0968, "high": 0.7000, "images": 6, "labels": ["a", "b", "c"]}
    write(run / "bench.json", bench)
    words = shown(page_of(run))
    assert "Ship" not in words
    assert "No recommendation: no artifact is measurably better than guessing (33.33 %)" in words
    assert "train longer, or use more test images" in words
    assert words.count("9.68 to 70.00 not measurably better than guessing") == 6
