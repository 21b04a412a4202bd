"""How results show themselves: in one line, as a table in a notebook, and as a data frame."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from support import report_samples as samples

from edge_cifar import packages
from edge_cifar.documents import tables
from edge_cifar.documents.bench_report import BenchReport
from edge_cifar.documents.bundle import Bundle
from edge_cifar.documents.parity_check import Rejection
from edge_cifar.documents.run import Run
from edge_cifar.documents.verification import Verifications
from edge_cifar.documents.verify_report import VerifyReport
from edge_cifar.errors import RunError, RuntimeUnavailable
from edge_cifar.notebook import Tabular, to_html
from edge_cifar.tables import Column, Table
from edge_cifar.variant import Variant

HOSTILE = "<script>alert(1)</script>\u202e & co"


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run(samples.write_run(tmp_path / "mobilenetv2"))


@pytest.fixture
def bundle(run: Run) -> Bundle:
    return Bundle.open(run.export_path)


@pytest.fixture
def verifications() -> Verifications:
    return Verifications(VerifyReport.from_json(samples.verify_document(), "verify.json").results[:9])


@pytest.fixture
def report() -> BenchReport:
    return BenchReport.from_json(samples.bench_document(), "bench.json")


@pytest.fixture
def results(run: Run, bundle: Bundle, verifications: Verifications, report: BenchReport) -> list[Tabular]:
    return [run, run.record(), bundle, verifications, verifications[0], report]


class Cells(HTMLParser):
    """The texts of an HTML table's cells, row by row."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        self.feed(html.split("</table>")[0])

    def handle_starttag(self, tag: str, attrs: object) -> None:
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_data(self, data: str) -> None:
        if self.rows and self.rows[-1]:
            self.rows[-1][-1] += data.strip()


def html_of(result: Tabular) -> str:
    html = result._repr_html_()
    assert html
    return html


# ---- one line


def test_a_result_is_one_short_line(results: list[Tabular], report: BenchReport, bundle: Bundle) -> None:
    for one in [*results, report.results[0], bundle.artifacts[0]]:
        assert re.fullmatch(rf"<{type(one).__name__} .*>", repr(one))
        assert len(repr(one)) < 250


def test_the_line_says_what_it_is(run: Run, bundle: Bundle, verifications: Verifications, report: BenchReport) -> None:
    assert repr(run) == (f"<Run mobilenetv2: mobilenetv2, top-1 94.12 % on 10,000 test images of cifar10; {run.path}>")
    tested = replace(bundle, test=run.record().test)
    assert repr(tested) == f"<Bundle mobilenetv2: 9 artifacts; reference top-1 94.12 %; {bundle.path}>"
    assert re.match(
        r"<Verification mobilenetv2 tflite-fp32: pass, top-1 agreement \d+\.\d\d % on ", repr(verifications[0])
    )
    failed = Verifications([replace(verifications[0], status="fail"), *verifications[1:]])
    assert repr(failed) == "<Verifications mobilenetv2: 5 pass, 1 fail, 3 unverified>"
    assert repr(report) == f"<BenchReport mobilenetv2, resnet8: 12 ok, 6 skipped; {samples.MACHINE['cpu_model']}>"
    assert repr(report.results[0]) == "<BenchmarkResult mobilenetv2 tflite-fp32: p50 0.664 ms, top-1 94.12 %>"


def test_a_bundle_names_what_was_rejected(bundle: Bundle) -> None:
    rejection = Rejection(variant=Variant.parse("onnx-int8"), failed=("accuracy",), reason="too much was lost")
    assert "9 artifacts, rejected: onnx-int8;" in repr(replace(bundle, rejected=(rejection,)))


def test_a_run_without_a_record_says_so_and_has_no_table(tmp_path: Path) -> None:
    unfinished = Run(tmp_path / "half")
    assert repr(unfinished) == f"<Run half: not finished; {tmp_path / 'half'}>"
    assert unfinished._repr_html_() is None
    with pytest.raises(RunError, match=re.escape(str(unfinished.record_path))):
        unfinished.to_dataframe()
    unfinished.path.mkdir()
    unfinished.record_path.write_text("{")
    assert "record cannot be read" in repr(unfinished)
    assert unfinished._repr_html_() is None


# ---- a table in a notebook


def test_a_notebook_shows_what_the_command_prints(results: list[Tabular]) -> None:
    for result in results:
        printed = result.table().chosen(())
        shown = Cells(html_of(result)).rows
        assert shown[0] == [f"{column.heading}{column.unit}" for column in printed.columns]
        assert shown[1:] == [
            [column.text(cell) for column, cell in zip(printed.columns, row, strict=True)] for row in printed.rows
        ]


def test_whatever_files_say_is_escaped(bundle: Bundle, verifications: Verifications) -> None:
    for result in (
        replace(bundle, model=HOSTILE),
        Verifications([replace(verifications[0], model=HOSTILE, reason=HOSTILE)]),
    ):
        html = html_of(result)
        assert "<script" not in html
        assert "\u202e" not in html
        assert "&lt;script&gt;alert(1)&lt;/script&gt;\\u202e &amp; co" in html


def test_a_table_has_no_colours_of_its_own(results: list[Tabular]) -> None:
    """A notebook may be light or dark."""
    for result in results:
        assert set(re.findall(r'style="(.*?)"', html_of(result))) <= {"text-align: left", "text-align: right"}


def test_reasons_stand_below_the_table(report: BenchReport) -> None:
    doubtful = replace(report, warnings=("another process was busy",))
    below = html_of(doubtful).split("</table>")[1]
    assert "warning: another process was busy" in below
    assert all(row.reason in below for row in report.results if row.reason)


def test_of_a_long_table_the_first_rows_are_shown() -> None:
    numbers = Table(columns=(Column(name="number", figures="d"),), rows=tuple((number,) for number in range(1234)))
    html = to_html(numbers, caption="numbers")
    assert [row[0] for row in Cells(html).rows[1:]] == [str(number) for number in range(100)]
    assert "1,134 more rows" in html


# ---- a data frame


def test_a_frame_has_every_column_with_its_numbers(report: BenchReport) -> None:
    frame = report.to_dataframe()
    names = [name for column in tables.BENCH_COLUMNS for name in _names(column)]
    assert list(frame.columns) == names
    assert len(frame) == len(report.results) == 18
    first = report.results[0]
    assert first.accuracy
    assert first.latency
    told = frame.iloc[0]
    assert told["variant"] == "tflite-fp32"
    assert told["precision"] == "fp32"
    assert told["top1"] == pytest.approx(100 * first.accuracy.top1)
    assert (told["ci_low"], told["ci_high"]) == pytest.approx((100 * first.accuracy.low, 100 * first.accuracy.high))
    assert told["p50"] == first.latency.median
    assert told["threads"] == 1
    assert frame["pareto"].dtype == bool
    assert frame["p50"].dtype == float
    assert frame[frame["status"] == "skipped"]["p50"].isna().all()
    assert frame.attrs["units"]["p50"] == "ms"
    assert frame.attrs["units"]["ci_low"] == "%"


def _names(column: Column) -> list[str]:
    return [f"{column.name}_low", f"{column.name}_high"] if column.interval else [column.name]


def test_a_frame_of_a_record_is_the_training_history(run: Run) -> None:
    record = run.record()
    frame = record.to_dataframe()
    assert list(frame["epoch"]) == [epoch.epoch for epoch in record.history]
    assert list(frame["val_accuracy"]) == pytest.approx([100 * (epoch.val_accuracy or 0) for epoch in record.history])


def test_every_result_has_a_frame(results: list[Tabular]) -> None:
    for result in results:
        frame = result.to_dataframe()
        assert len(frame) == len(result.table().rows) > 0
        # Styled words are plain text there.
        assert all(type(value) is not tables.Styled for name in frame for value in frame[name])


def test_without_pandas_one_sentence_says_how_to_get_it(report: BenchReport, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packages, "installed", lambda module: module != "pandas")
    with pytest.raises(RuntimeUnavailable, match=r"needs pandas, which is not installed; run: pip install pandas$"):
        report.to_dataframe()


# ---- a list is still a list


def test_verifications_are_a_list(verifications: Verifications) -> None:
    plain = list(verifications)
    assert verifications == plain
    assert verifications + plain[:1] == [*plain, plain[0]]
    assert verifications[:2] == plain[:2]
    (first, *_rest) = verifications
    assert first is plain[0]
    assert isinstance(verifications, list)
    assert not Verifications()
    assert html_of(Verifications())


def test_extra_columns_can_be_named_on_the_command_line(report: BenchReport) -> None:
    table = tables.of_bench(report)
    assert "runtime" not in [column.name for column in table.chosen(()).columns]
    assert [column.name for column in table.chosen(("variant", "runtime")).columns] == ["variant", "runtime"]


def test_status_is_shown_where_a_row_failed(report: BenchReport) -> None:
    def shown(rows: list[Any]) -> list[str]:
        table = tables.of_bench(replace(report, results=rows)).chosen(())
        return [column.name for column in table.columns]

    assert "status" in shown(list(report.results))
    assert "status" not in shown([row for row in report.results if row.status == "ok"])
