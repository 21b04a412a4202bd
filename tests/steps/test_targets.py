"""What a user may name, and what it is taken for."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.bench import fake_bundle, fake_file, install
from support.report_samples import record_document, write

from edge_cifar.documents.bundle import Bundle
from edge_cifar.documents.run import Run
from edge_cifar.errors import BundleError, EdgeCifarError, RunError, UsageError
from edge_cifar.model_options import ModelOptions
from edge_cifar.steps.bench_subjects import find_subjects
from edge_cifar.steps.choice import choose
from edge_cifar.steps.targets import ModelFile, open_bundle, resolve, resolve_all


@pytest.fixture(autouse=True)
def fake_runtime(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch)


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """A finished run that was not exported."""
    folder = tmp_path / "runs" / "toy"
    write(folder / "record.json", record_document("resnet8"))
    (folder / "model.keras").write_text("weights")
    return Run(folder)


def test_a_run_is_found_by_its_folder_or_as_the_newest(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    assert resolve(run.path) == resolve(str(run.path)) == resolve(run) == run
    monkeypatch.chdir(run.path.parent.parent)
    assert resolve() == Run(Path("runs/toy"))
    assert choose().path == Path("runs/toy/model.keras")


def test_the_keras_model_of_a_run_is_the_run_s(run: Run) -> None:
    assert resolve(run.model_path) == ModelFile(path=run.model_path, run=run)
    assert not choose(run.model_path).foreign


def test_a_bundle_is_found_by_its_folder_and_behind_its_run(run: Run) -> None:
    fake_bundle(run.export_path, {"fp32": {}})
    found = resolve(run.export_path)
    assert isinstance(found, Bundle)
    assert open_bundle(run).path == open_bundle(found).path == run.export_path


def test_a_file_that_a_manifest_lists_is_that_artifact(tmp_path: Path) -> None:
    bundle = fake_bundle(tmp_path, {"fp32": {}, "int8": {}})
    found = resolve(tmp_path / "fake-int8.fake")
    assert isinstance(found, ModelFile)
    assert found.bundle is not None
    assert [str(artifact.variant) for artifact in found.bundle.artifacts] == ["fake-int8"]
    assert not found.foreign
    chosen = choose(found)
    assert (chosen.variant, chosen.labels, chosen.foreign) == ("fake-int8", ("a", "b", "c"), False)
    (subject,), bundles = find_subjects([tmp_path / "fake-int8.fake"])
    assert subject.artifact == bundle.artifacts[1], "it is measured on the bundle's images, as in its bundle"
    assert subject.agreement_on is not None
    assert bundles == [], "and its row alone does not replace the run's results"


def test_any_other_file_was_made_elsewhere(tmp_path: Path) -> None:
    file = fake_file(tmp_path / "net.fake")
    assert resolve(file) == ModelFile(path=file)
    assert choose(file).foreign
    (subject,), _ = find_subjects([file])
    assert subject.bare


@pytest.mark.parametrize(
    ("name", "error", "message"),
    [
        ("nothing", RunError, "no model file, run or bundle at .*nothing; train one"),
        ("net.fake", BundleError, r"no model file at .*net\.fake"),
        ("empty", BundleError, "empty contains neither a bundle .* nor a finished run"),
    ],
)
def test_what_is_not_there_is_named(name: str, error: type[EdgeCifarError], message: str, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for take in (resolve, open_bundle, choose, lambda target: find_subjects([target])):
        with pytest.raises(error, match=message):
            take(tmp_path / name)


def test_a_model_file_is_no_bundle(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=r"net\.fake is a file; give the folder of a run or bundle"):
        open_bundle(fake_file(tmp_path / "net.fake"))


def test_options_are_for_model_files_made_elsewhere(tmp_path: Path) -> None:
    options = ModelOptions.of({"input_range": (0, 1), "labels": ["a", "b", "c"]})
    bundle, file = fake_bundle(tmp_path / "bundle", {"fp32": {}}), fake_file(tmp_path / "net.fake")
    own, foreign = resolve_all([bundle, f"{file}:range=-1,1"], options)
    assert own == bundle
    assert isinstance(foreign, ModelFile)
    assert foreign.options.preprocessing.input_range == (-1, 1), "the file's own come first"
    assert choose(foreign).options.labels == ("a", "b", "c")
    with pytest.raises(UsageError, match="--input-range, --labels: only for model files made elsewhere"):
        resolve_all([bundle], options)
    with pytest.raises(UsageError, match="describes its own input; omit the options behind it"):
        resolve(f"{tmp_path / 'bundle'}:range=0,1")


def test_a_misspelt_file_is_told_from_the_one_beside_it(tmp_path: Path) -> None:
    file = fake_file(tmp_path / "unit.fake")
    for name in ("unit.faek", "unti.fake"):
        with pytest.raises(BundleError, match=rf"no model at .*{name}; did you mean .*unit\.fake\?"):
            resolve(tmp_path / name)
    with pytest.raises(UsageError, match=r"unit\.fake: unknown option 'rnge'; did you mean 'range'\?"):
        resolve(f"{file}:rnge=0,1")
    with pytest.raises(BundleError, match="not by an address on the web"):
        resolve("https://example.org/net.fake")
