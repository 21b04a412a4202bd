"""What a benchmark makes of a subject's answers: of no numbers, of logits, of those to other images."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image
from support import bench as bench_support
from support.bench import QUICK, fake_bundle, fake_file, measured, subjects

from edge_cifar.bench import session
from edge_cifar.bench.rows import with_pareto
from edge_cifar.bench.subject import Subject
from edge_cifar.documents.accuracy import DataSource
from edge_cifar.documents.bench_figures import DetailedAccuracy
from edge_cifar.errors import DataError
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


def test_classes_in_another_order_are_named_and_win_no_star(tmp_path: Path) -> None:
    bundle = fake_bundle(tmp_path, {"fp32": {}})
    (subject,) = subjects(bundle)
    assert subject.accuracy_on is not None
    turned = replace(
        subject.accuracy_on, labels=(subject.accuracy_on.labels + 1) % 3, reference=None, names=("a", "b", "c")
    )
    (row,) = measured([replace(subject, accuracy_on=turned, agreement_on=None)], QUICK)
    assert not row.pareto
    assert any(
        "in another order than the data's; if so, export it again with --labels b,c,a" in one for one in row.notes
    )


def test_other_names_are_said_unless_the_data_have_none(tmp_path: Path) -> None:
    (subject,) = subjects(fake_bundle(tmp_path, {"fp32": {}}))
    assert subject.accuracy_on is not None
    named = replace(subject.accuracy_on, names=("red", "green", "blue"))
    assert named.named_otherwise(("a", "b", "c"))
    assert not named.named_otherwise(("blue", "green", "red"))
    assert not named.named_otherwise(None)
    assert not replace(named, names=("class 0", "class 1", "class 2")).named_otherwise(("a", "b", "c"))


def accuracy(*confusion: tuple[int, ...], labels: tuple[str, ...] = ("a", "b", "c")) -> DetailedAccuracy:
    return DetailedAccuracy(top1=0.3, low=0.2, high=0.4, images=30, confusion=confusion, labels=labels)


def test_an_order_is_named_only_where_every_class_is_taken_for_one_other() -> None:
    assert accuracy((0, 10, 0), (0, 1, 9), (10, 0, 0)).permuted == ("c", "a", "b")
    assert accuracy((10, 0, 0), (0, 0, 10), (0, 10, 0)).permuted == ("a", "c", "b")
    assert accuracy((9, 1, 0), (0, 10, 0), (0, 0, 10)).permuted == (), "it is the order taken"
    assert accuracy((0, 10, 0), (0, 10, 0), (10, 0, 0)).permuted == (), "two are taken for one"
    assert accuracy((0, 5, 5), (0, 0, 10), (10, 0, 0)).permuted == (), "one is not clearly taken for another"
    assert accuracy((0, 10, 0), (0, 0, 0), (10, 0, 0)).permuted == (), "one has no images"
    assert accuracy((0, 10), (10, 0), labels=("cat", "dog")).permuted == ("dog", "cat")
    assert accuracy((0, 10, 0), (0, 0, 10), (10, 0, 0)).as_guessed


def test_labels_that_are_not_the_data_s_are_refused(tmp_path: Path) -> None:
    file = fake_file(tmp_path / "net.fake")
    for name in ("x", "y", "z"):
        for number in range(5):
            (tmp_path / "photos" / name).mkdir(parents=True, exist_ok=True)
            Image.new("RGB", (4, 4), (50 * number,) * 3).save(tmp_path / "photos" / name / f"{number}.png")
    with pytest.raises(DataError, match="has classes that the model does not: x, y, z"):
        bench(file, data=tmp_path / "photos", labels=["a", "b", "c"], image_size=4)
