"""The page in a real browser, used: filtered, sorted, in the dark; and the picture of it that the README shows.

The picture is made anew when the environment names a place for it:

    EDGE_CIFAR_PICTURE=docs/pictures/report.png pytest tests/report/test_browser_use.py
"""

from __future__ import annotations

import json
import os
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from support import ROOT
from support.browser import elements_and_log, needs_chromium, screenshot
from support.report_samples import MACHINE, bench_document, write

from edge_cifar.steps.report import report

pytestmark = needs_chromium

RESULTS = ROOT / "benchmarks" / "results"

# What a reader does, written into the page in place of its policy, which lets no other script run.
USE = """
<script>
addEventListener("load", () => {
  const wait = setInterval(() => {
    if (document.documentElement.dataset.charts !== "drawn") return;
    clearInterval(wait);
    const seen = {};
    const rows = () => [...document.querySelectorAll("#table tbody tr")].filter((line) => !line.hidden);
    const cells = (column) => rows().map((line) => line.cells[column].dataset.value);
    const points = () => document.querySelector(".plot").querySelectorAll(".point").length;
    seen.before = [rows().length, points()];
    document.querySelector('fieldset[data-facet="format"] input[value="onnx"]').click();
    seen.without_onnx = [rows().length, points()];
    document.querySelector('fieldset[data-facet="format"] input[value="onnx"]').click();
    seen.again = [rows().length, points()];
    const heading = [...document.querySelectorAll("#table thead th")].find((one) => one.textContent === "Size");
    heading.click();
    seen.ascending = cells(heading.cellIndex);
    heading.click();
    seen.descending = cells(heading.cellIndex);
    const lines = document.querySelector(".plot").data.filter((trace) => trace.mode === "lines");
    seen.fronts = lines.map((trace) => trace.x);
    seen.overflow = document.documentElement.scrollWidth - document.documentElement.clientWidth;
    const told = { id: "seen", textContent: JSON.stringify(seen) };
    document.body.append(Object.assign(document.createElement("pre"), told));
  }, 50);
});
</script>
"""


def used(folder: Path, *benchmarks: dict[str, Any]) -> dict[str, Any]:
    """What a reader sees of these benchmarks who filters and sorts, on a narrow screen."""
    sources = [write(folder / f"{number}.json", one) for number, one in enumerate(benchmarks)]
    page = report(*sources, output=folder / "page.html")
    html, replaced = re.subn(r'<meta http-equiv="Content-Security-Policy"[^>]*>', USE, page.read_text())
    assert replaced == 1
    page.write_text(html)
    elements, _ = elements_and_log(page, folder / "profile")
    found = re.search(r'<pre id="seen">(.*?)</pre>', elements)
    assert found is not None
    answer: dict[str, Any] = json.loads(found.group(1))
    return answer


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return used(tmp_path_factory.mktemp("use"), bench_document())


def test_a_filter_takes_its_rows_and_points_away_and_brings_them_back(seen: dict[str, Any]) -> None:
    # Two models, three variants a format; Core ML's were not measured and have no point.
    assert seen["before"] == seen["again"] == [18, 12]
    assert seen["without_onnx"] == [12, 6]


def test_a_heading_sorts_up_and_down(seen: dict[str, Any]) -> None:
    sizes = list(map(float, seen["ascending"]))
    assert sizes == sorted(sizes)
    assert len(set(sizes)) > 6
    assert list(map(float, seen["descending"])) == sorted(sizes, reverse=True)


def test_a_front_joins_artifacts_of_one_machine_alone(tmp_path: Path) -> None:
    """The other machine is faster in everything: on one front for both, none of the first would be left."""
    larger = {**MACHINE, "logical_cores": 64}
    found = used(tmp_path, bench_document(), bench_document(machine=larger, speed=0.1))
    slow, fast = found["fronts"]
    assert slow
    assert fast == pytest.approx([0.1 * latency for latency in slow])


def test_nothing_reaches_beyond_a_narrow_screen(seen: dict[str, Any]) -> None:
    assert seen["overflow"] <= 0


def test_the_page_of_the_stored_result_can_be_looked_at(tmp_path: Path) -> None:
    page = report(RESULTS / "backbones.json", *sorted(RESULTS.glob("verify-*.json")), output=tmp_path / "page.html")
    assert "Ship " in page.read_text()
    picture = tmp_path / "page.png"
    screenshot(page, tmp_path / "profile", picture)
    pixels = np.asarray(Image.open(picture).convert("RGB")).astype(int)
    assert pixels.shape == (900, 1280, 3)
    assert pixels[5, 5].min() > 240
    # Points and chips in colour, not text alone.
    assert (np.ptp(pixels, axis=2) > 80).sum() > 500
    if place := os.environ.get("EDGE_CIFAR_PICTURE"):
        shutil.copyfile(picture, place)


def test_the_page_follows_the_system_into_the_dark(tmp_path: Path) -> None:
    page = report(write(tmp_path / "bench.json", bench_document()), output=tmp_path / "page.html")
    screenshot(page, tmp_path / "profile", tmp_path / "page.png", dark=True)
    pixels = np.asarray(Image.open(tmp_path / "page.png").convert("RGB")).astype(int)
    assert pixels[5, 5].max() < 40
    assert np.median(pixels) < 60
