"""Pareto fronts: one for each machine and test set, and no point where nothing was measured."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from support import report_samples
from support.report_samples import MACHINE, bench_document, verify_document, write

from edge_cifar.report import canvas, fronts, scatter
from edge_cifar.report.advice import Limits
from edge_cifar.report.machines import identity, told_apart
from edge_cifar.report.measurements import Benchmark, Measurement
from edge_cifar.report.page import render
from edge_cifar.report.sources import gather

CAVEAT = "trained on 480 images only"
# Of one processor's name, and another machine all the same.
LARGER = {**MACHINE, "logical_cores": 64, "memory_bytes": 512_000_000_000}


def benchmark(machine: dict[str, Any] | None = None, file: str = "bench.json", **options: Any) -> Benchmark:
    document = bench_document(machine=MACHINE if machine is None else machine, **options)
    return report_samples.benchmark(document, file)


def with_images(bench: Benchmark, images: int) -> Benchmark:
    """The same artifacts with the same figures, asked that many images."""
    return replace(bench, measurements=tuple(with_accuracy(row, images=images) for row in bench.measurements))


def altered(row: Measurement, **values: Any) -> Measurement:
    """With other values in its row of the bench report."""
    return replace(row, result=replace(row.result, **values))


def with_accuracy(row: Measurement, **values: Any) -> Measurement:
    """With other values of its accuracy, if it has one."""
    accuracy = row.result.accuracy
    return altered(row, accuracy=replace(accuracy, **values)) if accuracy else row


def rows_of(*benchmarks: Benchmark) -> list[Measurement]:
    return [row for one in told_apart(benchmarks) for row in one.measurements]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"logical_cores": 64}, "(logical cores 64)"),
        ({"memory_bytes": 512_000_000_000}, "(memory 512 GB)"),
        ({"cpu_features": ["avx2", "avx512", "avx512-vnni", "fma"]}, "(with avx512-vnni)"),
        ({"cpu_features": ["avx2", "fma"]}, "(without avx512)"),
        ({"os": "Debian GNU/Linux 13 (trixie)"}, "(os Debian GNU/Linux 13 (trixie))"),
    ],
)
def test_machines_with_one_processor_s_name_are_told_apart_by_what_differs(change: dict[str, Any], words: str) -> None:
    here, there = told_apart([benchmark(), benchmark({**MACHINE, **change}, speed=0.5)])
    assert there.label.replace("\u00a0", " ") == f"Intel Xeon @ 2.90GHz {words}"
    assert here.label != there.label
    assert {row.machine for row in there.measurements} == {there.label}


def test_as_many_facts_are_named_as_tell_all_machines_apart() -> None:
    """Two have one number of cores, and one memory is common to two others."""
    machines = [MACHINE, LARGER, {**LARGER, "memory_bytes": 25_276_510_208}]
    labels = [one.label.replace("\u00a0", " ") for one in told_apart([benchmark(machine) for machine in machines])]
    assert [label.partition(" (")[2] for label in labels] == [
        "logical cores 2; memory 25.3 GB)",
        "logical cores 64; memory 512 GB)",
        "logical cores 64; memory 25.3 GB)",
    ]


@pytest.mark.parametrize("change", [{"load_average": [3.0]}, {"kernel": "Linux 7"}, {"memory_bytes": 25_276_000_000}])
def test_a_machine_s_load_and_kernel_make_no_other_machine(change: dict[str, Any]) -> None:
    assert identity({**MACHINE, **change}) == identity(MACHINE)
    first, second = told_apart([benchmark(), benchmark({**MACHINE, **change})])
    assert first.label == second.label == "Intel Xeon @ 2.90GHz"


def test_machines_of_which_nothing_is_known_are_not_taken_for_one() -> None:
    labels = {one.label for one in told_apart([benchmark({}, "a.json"), benchmark({}, "b.json", speed=2.0)])}
    assert labels == {"unnamed machine (a.json)", "unnamed machine (b.json)"}


def test_there_is_a_front_for_each_machine_and_test_set() -> None:
    here, there = benchmark(), benchmark(LARGER, speed=0.1)
    assert len(fronts.fronts(rows_of(here))) == 1
    lines = [front.name.replace("\u00a0", " ") for front in fronts.fronts(rows_of(here, there)).values()]
    assert lines == [
        "Intel Xeon @ 2.90GHz (logical cores 2), 10,000 images of cifar10",
        "Intel Xeon @ 2.90GHz (logical cores 64), 10,000 images of cifar10",
    ]
    few = with_images(benchmark(), 100)
    assert [front.name for front in fronts.fronts([*here.measurements, *few.measurements]).values()] == [
        "Intel Xeon @ 2.90GHz, 10,000 images of cifar10",
        "Intel Xeon @ 2.90GHz, 100 images of cifar10",
    ]


def test_as_many_other_images_of_one_data_set_are_another_test_set() -> None:
    rows = [with_accuracy(row, images_sha256=name) for name in ("ab", "cd") for row in benchmark().measurements]
    lines = fronts.fronts(rows).values()
    assert len({(front.name, front.words) for front in lines}) == 2


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The figures that the still picture was drawn as."""
    pytest.importorskip("matplotlib", reason="the picture is drawn with Matplotlib")
    figures: list[Any] = []
    save = canvas.save

    def keep(figure: Any, *others: Any) -> None:
        figures.append(figure)
        save(figure, *others)

    monkeypatch.setattr(canvas, "save", keep)
    return figures


def lines_and_points(figure: Any) -> tuple[list[list[float]], list[float]]:
    """Of the panel of latencies: the fronts' latencies, and the height of every point."""
    axes = figure.axes[0]
    shown = [line for line in axes.lines if len(line.get_xdata())]
    joined = [list(line.get_xdata()) for line in shown if line.get_linestyle() != "None"]
    return joined, [line.get_ydata()[0] for line in shown if line.get_linestyle() == "None"]


def test_the_still_picture_joins_no_two_machines(drawn: list[Any], tmp_path: Path) -> None:
    here, there = benchmark(), benchmark(LARGER, speed=0.1)
    scatter.trade_off(rows_of(here, there), tmp_path / "both.svg")
    joined, _ = lines_and_points(drawn[0])
    assert len(joined) == 2
    for bench, latencies in zip((here, there), joined, strict=True):
        assert set(latencies) <= {row.median_ms for row in bench.measurements}
    words = [text.get_text() for text in drawn[0].legends[0].get_texts()]
    assert sum("images of cifar10" in one for one in words) == 2


def test_the_still_picture_draws_no_accuracy_that_was_not_measured(drawn: list[Any], tmp_path: Path) -> None:
    rows = [altered(row, caveat=CAVEAT if row.model == "resnet8" else None) for row in benchmark().measurements]
    scatter.trade_off(rows, tmp_path / "some.svg")
    _, heights = lines_and_points(drawn[0])
    results = [row.result for row in rows]
    measured = [100 * result.accuracy.top1 for result in results if result.accuracy and not result.caveat]
    assert sorted(heights) == pytest.approx(sorted(measured))
    left_out = f"Not plotted, as their accuracy is meaningless: 6 rows of resnet8 ({CAVEAT})."
    assert drawn[0].get_suptitle() == left_out
    nothing = [altered(row, caveat=CAVEAT) for row in rows]
    scatter.trade_off(nothing, tmp_path / "none.svg")
    assert lines_and_points(drawn[1]) == ([], [])


def test_the_digest_tells_what_is_drawn_and_what_is_left_out() -> None:
    rows = list(benchmark().measurements)
    changed = [
        rows_of(benchmark(), benchmark(LARGER)),
        [altered(row, caveat=CAVEAT) for row in rows],
        [with_accuracy(row, low=0.5) for row in rows],
        [with_accuracy(row, images=len(str(row.variant))) for row in rows],
    ]
    assert len({scatter.digest(one) for one in [rows, *changed]}) == 5


def test_the_page_tells_the_fronts_and_what_is_not_drawn(tmp_path: Path) -> None:
    pytest.importorskip("jinja2", reason="the page needs Jinja2")
    document = bench_document(machine=LARGER, speed=0.1)
    for row in document["results"]:
        row["caveat"] = CAVEAT if row["model"] == "resnet8" else None
    sources = [write(tmp_path / "here.json", bench_document()), write(tmp_path / "there.json", document)]
    html = render(gather([*sources, write(tmp_path / "verify.json", verify_document())], Limits()))
    _, _, block = html.partition('<script type="application/json" id="data">')
    data = json.loads(block.partition("</script>")[0])
    assert len(data["fronts"]) == 2
    assert {row["front"] for row in data["rows"] if "logical cores 64" in row["machine"]} == {1, None}
    for row in data["rows"]:
        assert (row["front"] is None) == (row["accuracy"] is None or CAVEAT in " ".join(row["hover"]))
    words = " ".join(html.replace("\u00a0", " ").split())
    assert "Dotted: Intel Xeon @ 2.90GHz (logical cores 64), 10,000 images of cifar10." in words
    assert f"Not plotted, as their accuracy is meaningless: 6 rows of resnet8 ({CAVEAT})." in words
    assert "open" not in {row["symbol"].partition("-")[2] for row in data["rows"]}
