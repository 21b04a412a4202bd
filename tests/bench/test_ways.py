"""The ways one artifact is run: backends, batches, thread counts; and Keras beside its artifacts."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from support import bench as bench_support
from support.bench import QUICK, fake_bundle, fake_file

from edge_cifar.bench import regression
from edge_cifar.bench.evaluation_set import EvaluationSet
from edge_cifar.bench.subject import Subject
from edge_cifar.cli.main import main
from edge_cifar.documents.bench_report import BenchReport
from edge_cifar.errors import UsageError
from edge_cifar.steps.bench import bench
from edge_cifar.storage import files

BRISK = replace(QUICK, processes=1, windows=2, seconds=0.02, warm_up_seconds=0.05)


@pytest.fixture(autouse=True)
def fake_runtime(monkeypatch: pytest.MonkeyPatch) -> None:
    bench_support.install(monkeypatch)


def rows(*targets: Any, **settings: Any) -> list[dict[str, Any]]:
    """A benchmark's rows as JSON."""
    options = {key: settings.pop(key) for key in ("input_range", "layout", "data", "image_size") if key in settings}
    documents: list[dict[str, Any]] = bench(*targets, protocol=replace(BRISK, **settings), **options).to_json()[
        "results"
    ]
    return documents


def test_left_alone_an_artifact_runs_one_way(tmp_path: Path) -> None:
    (row,) = rows(fake_bundle(tmp_path, {"fp32": {}}))
    assert (row["backend"], row["batch"], row["threads"]) == ("plain", 1, 1)


def test_every_batch_size_is_a_row_with_its_throughput(tmp_path: Path) -> None:
    one, four = rows(fake_bundle(tmp_path, {"fp32": {"milliseconds": 1.0}}), batch_sizes=(1, 4))
    assert (one["batch"], four["batch"]) == (1, 4)
    # The fake runtime takes as long for each image of a batch as for one alone.
    assert four["latency_ms"]["median"] >= 4.0
    assert four["throughput_per_s"] == pytest.approx(4000 / four["latency_ms"]["mean"])
    assert one["accuracy"] == four["accuracy"]
    assert four["ratio"]["value"] == 1.0  # held against fp32 in batches of as many


def test_a_batch_that_a_file_does_not_take_is_skipped_and_says_why(tmp_path: Path) -> None:
    one, eight = rows(fake_bundle(tmp_path, {"fp32": {"largest_batch": 4}}), batch_sizes=(1, 8))
    assert one["status"] == "ok"
    assert eight["status"] == "skipped"
    assert eight["reason"] == "fake-fp32.fake does not take 8 images at once"


def test_all_backends_are_those_that_the_machine_has(tmp_path: Path) -> None:
    found = rows(fake_bundle(tmp_path, {"fp32": {"milliseconds": 1.0}}), backends=("all",))
    assert [row["backend"] for row in found] == ["plain", "fast"]
    # Both are held against the default backend.
    assert found[0]["ratio"]["value"] == 1.0
    assert found[1]["latency_ms"]["median"] >= 0.5


def test_a_backend_that_is_named_and_absent_is_skipped_and_says_why(tmp_path: Path) -> None:
    fast, absent = rows(fake_bundle(tmp_path, {"fp32": {}}), backends=("absent", "fast"))
    assert (fast["backend"], fast["status"]) == ("fast", "ok")
    assert (absent["backend"], absent["status"], absent["reason"]) == ("absent", "skipped", "nobody has this backend")


def test_an_artifact_without_any_of_the_named_backends_runs_its_own_way(tmp_path: Path) -> None:
    (row,) = rows(fake_bundle(tmp_path, {"fp32": {}}), backends=("xnnpack",))
    assert row["backend"] == "plain"


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"backends": ("xnnpak",)}, "xnnpack"),
        ({"backends": ("all", "fast")}, "not both"),
        ({"batch_sizes": (0,)}, "--batch-size"),
        ({"batch_sizes": (2, 2)}, "repeats a number: 2, 2"),
    ],
)
def test_ways_that_are_none_are_refused(tmp_path: Path, settings: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        rows(fake_bundle(tmp_path, {"fp32": {}}), **settings)


def test_every_backend_answers_for_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    examined = []
    evaluate = EvaluationSet.evaluate

    def counting(self: Any, answers: Any) -> Any:
        examined.append(1)
        return evaluate(self, answers)

    monkeypatch.setattr(EvaluationSet, "evaluate", counting)
    rows(fake_bundle(tmp_path, {"fp32": {}}), backends=("plain", "fast"), threads=(1, 2))
    assert len(examined) == 2  # once by each backend, not by each thread count


def test_regressions_are_sought_between_equal_ways(tmp_path: Path) -> None:
    bundle = fake_bundle(tmp_path, {"fp32": {}})
    now = bench(bundle, protocol=replace(BRISK, backends=("all",), batch_sizes=(1, 2)))
    before = now.to_json()
    for row in before["results"]:
        if (row["backend"], row["batch"]) == ("fast", 2):
            row["latency_ms"] = {
                **row["latency_ms"],
                **{key: row["latency_ms"][key] / 9 for key in ("low", "median", "high")},
            }
    (found,) = regression.regressions(now, BenchReport.from_json(before, "bench.json"), 10.0)
    assert "toy fake-fp32 on fast with batch size 2" in found


def test_a_result_of_before_there_was_a_choice_is_of_the_default_way(tmp_path: Path) -> None:
    now = bench(fake_bundle(tmp_path, {"fp32": {}}), protocol=BRISK)
    before = now.to_json()
    for row in before["results"]:
        row["size_bytes"] = 1
        del row["backend"], row["batch"]
    (found,) = regression.regressions(now, BenchReport.from_json(before, "bench.json"), 10.0)
    assert "% larger" in found


def test_pixels_of_a_bare_file_are_given_as_told(tmp_path: Path) -> None:
    file = fake_file(tmp_path / "theirs.fake")
    (row,) = rows(file, input_range=(-1.0, 1.0), layout="nhwc")
    assert row["input"] == {"layout": "nhwc", "low": -1.0, "high": 1.0, "ground": "told"}


def test_pixels_cannot_be_told_of_our_own_artifacts(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="model files made elsewhere"):
        rows(fake_bundle(tmp_path, {"fp32": {}}), input_range=(-1.0, 1.0))


@pytest.mark.parametrize("wrong", ["1", "1,x", "1,2,3", "2,1", "0,inf"])
def test_an_input_range_that_is_none_gives_2(wrong: str, in_folder: Path) -> None:
    fake_file(in_folder / "theirs.fake")
    assert main(["bench", "theirs.fake", f"--input-range={wrong}"]) == 2


def test_an_accuracy_at_chance_says_how_the_pixels_were_given(tmp_path: Path) -> None:
    bundle = fake_bundle(tmp_path / "bundle", {"fp32": {}})
    (subject,) = bench_support.subjects(bundle)
    guessing = replace(subject.accuracy_on, labels=(subject.accuracy_on.labels + 1) % 3)
    bare = Subject(model="theirs", path=bundle.artifacts[0].path, accuracy_on=guessing)
    (row,) = bench_support.measured([bare], BRISK)
    assert any("--input-range" in note and "input range 0 to 255 and layout nhwc" in note for note in row.notes)
    ours = replace(subject, accuracy_on=guessing)
    (row,) = bench_support.measured([ours], BRISK)
    assert not any("--input-range" in note for note in row.notes)


def test_weights_of_a_limited_training_carry_a_caveat_and_are_on_no_front(tmp_path: Path) -> None:
    bundle = fake_bundle(tmp_path, {"fp32": {}})
    assert bundle.dataset is not None
    replace(bundle, dataset=replace(bundle.dataset, limit=1000, train_images=900)).write_manifest()
    (row,) = rows(tmp_path)
    assert row["caveat"] == "trained on 900 images only"
    assert row["pareto"] is False


@pytest.mark.parametrize("wrong", ["5", "al", 5.5, True, 0, -1])
def test_a_number_of_images_that_is_none_is_refused(wrong: Any, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--images"):
        bench(fake_bundle(tmp_path, {"fp32": {}}), images=wrong, protocol=BRISK)


@pytest.mark.parametrize("settings", [{"threads": "1"}, {"threads": 1.0}, {"batch_size": None}], ids=str)
def test_threads_and_batches_are_whole_numbers(settings: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="takes an integer; got"):
        bench(fake_bundle(tmp_path, {"fp32": {}}), **settings)


def test_numbers_of_numpy_and_lists_of_targets_will_do(tmp_path: Path) -> None:
    bundles = [fake_bundle(tmp_path / name, {"fp32": {}}, model=name) for name in ("one", "two")]
    report = bench(
        bundles, threads=np.array([1]), images=np.int64(5), seconds=np.float32(0.02), output=tmp_path / "b.json"
    )
    assert [row.model for row in report.results] == ["one", "two"]
    assert [row.accuracy.images for row in report.results if row.accuracy] == [5, 5]
    assert files.read_json(tmp_path / "b.json", "result")["protocol"]["threads"] == [1]


def pictures(folder: Path) -> Path:
    """A folder of pictures by class, whose first byte is the class's number; a fifth of each class is for testing."""
    for number, name in enumerate(("a", "b", "c")):
        (folder / name).mkdir(parents=True)
        for copy in range(5):
            Image.new("RGB", (12, 12), (number, copy, 0)).save(folder / name / f"{copy}.png")
    return folder


def test_a_folder_of_pictures_is_brought_to_the_size_of_the_bundle(tmp_path: Path) -> None:
    folder = pictures(tmp_path / "photos")
    bundle = fake_bundle(tmp_path / "export", {"fp32": {}})
    assert bundle.dataset is not None
    shaped = replace(bundle, dataset=replace(bundle.dataset, image_shape=(4, 4, 3)))
    (row,) = rows(shaped, data=folder)
    assert (row["accuracy"]["top1"], row["accuracy"]["images"]) == (1.0, 3)


def test_a_folder_of_pictures_is_brought_to_the_size_that_a_bare_file_takes(tmp_path: Path) -> None:
    folder = pictures(tmp_path / "photos")
    path = fake_file(tmp_path / "theirs.fake")
    (told,) = rows(path, data=folder, image_size=5)
    assert told["accuracy"] is None
    assert "the model expects 4×4×3 images" in told["notes"][0]
    (untold,) = rows(path, data=folder)
    assert untold["accuracy"]["images"] == 3
    with pytest.raises(UsageError, match="--image-size only applies to a folder of images"):
        rows(fake_bundle(tmp_path, {"fp32": {}}), image_size=4)
