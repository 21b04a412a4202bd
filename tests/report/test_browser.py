"""The page in a real browser: charts are drawn, nothing is complained about, nothing is fetched."""

from __future__ import annotations

import re

import pytest
from support.browser import elements_and_log, needs_chromium
from support.report_samples import write_run

from edge_cifar.steps.report import report

pytestmark = needs_chromium


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """The page's elements after its scripts ran, and what the browser wrote to its log."""
    folder = tmp_path_factory.mktemp("browser")
    runs = [write_run(folder / model, model) for model in ("mobilenetv2", "resnet8")]
    # A name that would run if anything took it for markup, also through Plotly's texts.
    hostile = write_run(folder / "<img src=x onerror=console.error('broken-out')>", "resnet8")
    page = report(*runs, hostile, output=folder / "page.html")
    return elements_and_log(page, folder / "profile")


def test_every_chart_is_drawn(opened: tuple[str, str]) -> None:
    elements, _ = opened
    assert 'data-charts="drawn"' in elements
    plots = re.findall(r'<div class="plot[^"]*" data-chart=', elements)
    # Three trade-offs, runs compared, and two curves for each of three runs.
    assert len(plots) == 10
    assert all("js-plotly-plot" in plot for plot in plots)
    # Six artifacts of each run were measured, and stand in each of the three trade-off charts.
    assert elements.count('class="point"') >= 3 * 18


def test_the_browser_has_nothing_to_complain_about(opened: tuple[str, str]) -> None:
    _, log = opened
    assert [line for line in log.splitlines() if "CONSOLE" in line] == []


def test_hostile_names_stay_text(opened: tuple[str, str]) -> None:
    elements, log = opened
    assert "broken-out" not in log
    assert '<img src="x"' not in elements
    assert "&lt;img src=x" in elements
