"""From files to the page: versions side by side, and files whose numbers make no sense."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from support.report_samples import bench_document, verified_row, verify_document, write, write_run

from edge_cifar.errors import EdgeCifarError
from edge_cifar.report.advice import Limits
from edge_cifar.report.sources import gather
from edge_cifar.steps.report import report


def test_versions_of_a_run_keep_their_own_marks_and_figures(tmp_path: Path) -> None:
    """Folders called alike two levels up, one of which failed verification."""
    runs = [write_run(tmp_path / age / "runs" / "resnet8", "resnet8") for age in ("old", "new")]
    failed = verified_row("resnet8", "tflite-fp32", status="fail", reason="it is off")
    write(runs[0] / "verify.json", verify_document(failed))
    write(runs[1] / "verify.json", verify_document(verified_row("resnet8", "tflite-fp32")))
    marks = []
    for order in (runs, runs[::-1]):
        document = gather(order, Limits())
        marks.append({row.model: row.parity.status for row in document.measurements if row.variant == "tflite-fp32"})
        assert [run.name for run in document.runs] == ["/".join(path.parts[-3:]) for path in order]
        assert len({benchmark.file for benchmark in document.benchmarks}) == 2
    assert marks[0] == marks[1] == {"old/runs/resnet8": "failed", "new/runs/resnet8": "proven"}


def test_a_renamed_run_keeps_its_figures_and_marks(tmp_path: Path) -> None:
    before = gather([write_run(tmp_path / "resnet8", "resnet8")], Limits()).measurements
    after = gather([(tmp_path / "resnet8").rename(tmp_path / "best")], Limits()).measurements
    assert {row.model for row in after} == {"best"}
    told = [[(row.variant, row.status, row.parity.status, row.result.data) for row in rows] for rows in (before, after)]
    assert told[0] == told[1]


def test_a_mark_belongs_to_the_file_that_was_verified(tmp_path: Path) -> None:
    """A verification of today's export says nothing about figures of yesterday's, though both are called alike."""
    rows = [row for row in bench_document()["results"] if row["model"] == "resnet8"]
    measured = write(tmp_path / "bench.json", bench_document() | {"results": rows})
    document = verify_document()
    same, other = ("tflite-fp32", "tflite-int8")
    digests = {row["variant"]: row["sha256"] for row in rows} | {other: "f" * 64}
    document["results"] = [
        row | {"sha256": digests[row["variant"]]} for row in document["results"] if row["model"] == "resnet8"
    ]
    found = gather([measured, write(tmp_path / "verify.json", document)], Limits()).measurements
    marks = {row.variant: row.parity for row in found}
    assert (marks[same].status, marks[other].status) == ("proven", "unknown")
    assert "a different file" in marks[other].detail


@pytest.mark.parametrize("labels", [5, 12])
def test_a_matrix_with_another_number_of_labels_is_refused(labels: int, tmp_path: Path) -> None:
    document = bench_document()
    row = next(row for row in document["results"] if row["accuracy"])
    row["accuracy"] |= {"labels": [str(one) for one in range(labels)], "confusion": [[0] * 10] * 10}
    with pytest.raises(EdgeCifarError, match=f"as many lines as there are labels, {labels}"):
        report(write(tmp_path / "bench.json", document), output=tmp_path / "page.html")


def test_numbers_beyond_all_measure_do_no_harm(tmp_path: Path) -> None:
    document = bench_document()
    document["machine"]["memory_bytes"] = float("inf")
    document["protocol"]["a_ms"] = float("inf")
    # As Python writes it; a parser of JSON may take it back.
    (tmp_path / "bench.json").write_text(json.dumps(document))
    assert report(tmp_path / "bench.json", output=tmp_path / "page.html").exists()
    document["results"][0]["size_bytes"] = float("inf")
    (tmp_path / "bench.json").write_text(json.dumps(document))
    with pytest.raises(EdgeCifarError, match="not a finite number"):
        report(tmp_path / "bench.json", output=tmp_path / "page.html")


def test_a_table_for_the_readme_is_not_provenance(tmp_path: Path) -> None:
    document = bench_document() | {"comparison": {"columns": ["model"], "rows": [["resnet8"]]}}
    (shown,) = gather([write(tmp_path / "bench.json", document)], Limits()).benchmarks
    told = ("commit", "command", "measured_at", "versions")
    assert shown.provenance.to_json() == {key: document[key] for key in told}
