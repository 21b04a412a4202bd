"""What a benchmark makes of a subject's answers: of no numbers, of logits, of those to other images."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from support import bench as bench_support
from support.bench import QUICK, fake_bundle, fake_file, measured, subjects

from edge_cifar.bench import session
from edge_cifar.bench.rows import with_pareto
from edge_cifar.bench.subject import Subject
from edge_cifar.documents.accuracy import DataSource
from edge_cifar.steps.bench import bench
from edge_cifar.storage import files


@pytest.fixture(autouse=True)
def fake_runtime(monkeypatch: pytest.MonkeyPatch) -> None:
    bench_support.install(monkeypatch)


def test_answers_that_are_no_numbers_cost_their_own_row_only(tmp_path: Path) -> None:
    bundle = fake_bundle(tmp_path, {"fp32": {}, "fp16": {"scale": float("nan")}})
    fine, broken = bench(bundle, protocol=QUICK, output=tmp_path / "bench.json").results
    assert (fine.status, broken.status) == ("ok", "failed")
    assert broken.reason == "while measuring accuracy: outputs NaN or infinity"
    assert len(files.read_json(tmp_path / "bench.json", "result")["results"]) == 2


def test_logits_of_a_bare_file_are_judged_as_their_softmax(tmp_path: Path) -> None:
    examined = subjects(fake_bundle(tmp_path, {"fp32": {}}))[0].accuracy_on
    path = fake_file(tmp_path / "theirs.fake", scale=20.0)
    (row,) = measured([Subject(model="theirs", path=path, accuracy_on=examined)], QUICK)
    assert row.accuracy is not None
    assert row.accuracy.top1 == 0.9
    # Sure of every answer, and right about nine in ten.
    assert row.accuracy.calibration_error == pytest.approx(0.1, abs=1e-4)
    assert session.SOFTMAX in row.notes


def test_rows_of_other_images_do_not_drive_each_other_off_the_front(tmp_path: Path) -> None:
    (row,) = measured(subjects(fake_bundle(tmp_path, {"fp32": {}})), QUICK)
    assert row.accuracy is not None
    certain = replace(row.accuracy, top1=1.0)
    better = replace(row, size_bytes=1, accuracy=certain, data=DataSource(name="others", checksum="another"))
    assert [one.pareto for one in with_pareto([row, better])] == [True, True]
    same = replace(better, data=row.data)
    assert [one.pareto for one in with_pareto([row, same])] == [False, True]
