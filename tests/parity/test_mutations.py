"""Broken artifacts with re-signed manifests: verify must fail every one and point at what is wrong.

A small network is trained for seconds, exported to three formats, and each file broken in one way after
the other. No checksum gives the mutants away: their manifest lists them as they are.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support import mutations_coreml, mutations_onnx, mutations_tflite, study

from edge_cifar import conversion_cache, formats, packages
from edge_cifar.converters import AS_THEY_COME, Calibration
from edge_cifar.documents.artifact import Artifact
from edge_cifar.documents.bundle import Bundle
from edge_cifar.documents.reference import Reference
from edge_cifar.documents.verification import Verification
from edge_cifar.export.conversion import LoadedModel
from edge_cifar.export.source_model import KerasModel
from edge_cifar.parity import inspection
from edge_cifar.parity.verify import verify_bundle
from edge_cifar.storage import files
from edge_cifar.variant import Variant

pytest.importorskip("tensorflow", reason="making artifacts to break needs TensorFlow")

NAMES = tuple(f"class {number}" for number in range(10))
SUITES: Mapping[str, tuple[Any, Mapping[str, Any]]] = {
    "tflite-fp32": (mutations_tflite, mutations_tflite.FLOAT),
    "tflite-fp16": (mutations_tflite, mutations_tflite.HALF),
    "tflite-dynamic": (mutations_tflite, mutations_tflite.DYNAMIC),
    "tflite-int8": (mutations_tflite, mutations_tflite.QUANTIZED),
    "tflite-int16x8": (mutations_tflite, mutations_tflite.WIDE),
    "onnx-fp32": (mutations_onnx, mutations_onnx.FLOAT),
    "onnx-fp16": (mutations_onnx, mutations_onnx.HALF),
    "onnx-dynamic": (mutations_onnx, mutations_onnx.DYNAMIC),
    "onnx-int8": (mutations_onnx, mutations_onnx.QUANTIZED),
    "coreml-fp32": (mutations_coreml, mutations_coreml.FLOAT),
    "coreml-fp16": (mutations_coreml, mutations_coreml.HALF),
    "coreml-w8": (mutations_coreml, mutations_coreml.BYTES),
    "coreml-w6": (mutations_coreml, mutations_coreml.PALETTE),
    "coreml-w4": (mutations_coreml, mutations_coreml.PALETTE),
}
CASES = [(variant, name) for variant, (_, mutations) in SUITES.items() for name in mutations]
# What a reason must name, where the mistake is one that the answers give away.
POINTS_AT = {
    "classes swapped": "classes are in a different order: output 5 is 'class 2'",
    "channels swapped": "channels in reverse order (BGR instead of RGB)",
    "image mirrored": "images mirrored left to right",
    "image upside down": "images upside down",
    "labels reordered": "class 0 is 'class 0' in the manifest and 'class 9' in the model file",
    "softmax dropped": "softmax is missing",
    "not a number": "outputs NaN or infinity",
    "bias scale": "is not the product of the input's scale and the kernel's",
}
# What only the constants tell, or the constants too.
BY_CONSTANTS = (
    "a weight, slightly",
    "a bias, slightly",
    "a weight by two steps",
    "a weight's bits",
    "an entry of the table",
    "the bits of some weights",
    "table reordered",
    "weight scales",
)


def _images(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Ten coarse patterns under noise."""
    patterns = np.random.default_rng(0).integers(0, 256, (10, 8, 8, 3)).repeat(2, 1).repeat(2, 2)
    labels = np.arange(count) % 10
    noise = np.random.default_rng(seed).normal(0, 30, (count, 16, 16, 3))
    return np.clip(patterns[labels] * 0.6 + 50 + noise, 0, 255).astype(np.uint8), labels


def _model() -> Any:
    keras = packages.require_keras()
    keras.utils.set_random_seed(0)
    layers = keras.layers
    biased = {"bias_initializer": keras.initializers.RandomNormal(0, 0.3), "padding": "same", "activation": "relu"}
    inputs = keras.Input((16, 16, 3))
    features = layers.Rescaling(1 / 127.5, -1)(inputs)
    features = layers.Conv2D(8, 3, strides=2, **biased)(features)
    features = layers.DepthwiseConv2D(3, **biased)(features)
    # Large enough for every converter to compress.
    features = layers.Conv2D(32, 3, strides=2, **biased)(features)
    features = layers.GlobalAveragePooling2D()(features)
    model = keras.Model(inputs, layers.Dense(10, activation="softmax")(features))
    model.compile(keras.optimizers.Adam(1e-2), "sparse_categorical_crossentropy")
    images, labels = _images(400, seed=1)
    model.fit(images.astype(np.float32), labels, epochs=6, batch_size=40, verbose=0)
    return model


@pytest.fixture(scope="session")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """A bundle of sound artifacts."""
    pytest.importorskip("coremltools", reason="making Core ML packages to break needs coremltools")
    folder = tmp_path_factory.mktemp("sound")
    model = _model()
    images, labels = _images(200, seed=2)
    probabilities = model.predict(images.astype(np.float32), verbose=0)
    assert (probabilities.argmax(axis=1) == labels).mean() > 0.9
    Reference(images=images, labels=labels, probabilities=probabilities).write(folder / "reference.npz")
    calibration = Calibration(images=_images(100, seed=1)[0], indices=np.arange(100), seed=0)
    loaded, artifacts = LoadedModel(source=KerasModel(model), labels=NAMES, calibration=calibration), []
    with conversion_cache.unchanged(model):
        for variant in map(Variant.parse, SUITES):
            path = folder / f"{variant}{formats.get(variant.format).suffix}"
            record = loaded.convert(variant, path, AS_THEY_COME, {"description": "x"})
            record = replace(record, calibrated_ranges=loaded.ranges(variant, path, AS_THEY_COME))
            artifacts.append(replace(_signed(path, variant), conversion=record))
    return Bundle(path=folder, model="small", artifacts=tuple(artifacts), labels=NAMES)


@pytest.fixture(scope="session")
def outcomes(sound: Bundle, tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, str], Verification]:
    """Every mutant of every suite, verified in one go."""
    folder = tmp_path_factory.mktemp("broken")
    shutil.copy(sound.reference_path, folder)
    # The mutants' constants are held against those of sound fp32 artifacts.
    exact = [artifact for artifact in sound.artifacts if artifact.variant.precision == "fp32"]
    for artifact in exact:
        (shutil.copytree if artifact.path.is_dir() else shutil.copy)(artifact.path, folder / artifact.path.name)
    mutants = []
    for number, (variant, name) in enumerate(CASES):
        original = next(artifact.path for artifact in sound.artifacts if str(artifact.variant) == variant)
        mutant = folder / f"{number}{original.suffix}"
        (shutil.copytree if original.is_dir() else shutil.copy)(original, mutant)
        module, mutations = SUITES[variant]
        module.apply(mutations[name], mutant)
        mutants.append(_signed(mutant, Variant.parse(variant)))
    bundle = Bundle(path=folder, model="broken", artifacts=(*exact, *mutants), labels=NAMES)
    bundle.write_manifest()
    verified = verify_bundle(Bundle.open(folder))
    assert all(outcome.status == "pass" for outcome in verified[: len(exact)])
    return dict(zip(CASES, verified[len(exact) :], strict=True))


def _signed(path: Path, variant: Variant) -> Artifact:
    return Artifact(
        path=path,
        variant=variant,
        sha256=files.sha256(path),
        size_bytes=files.size_bytes(path),
        labels=tuple(NAMES),
    )


def test_the_sound_artifacts_pass(sound):
    for outcome in verify_bundle(sound):
        assert (outcome.status, outcome.reason) == ("pass", None), str(outcome.variant)
        assert outcome.images == 200


@pytest.mark.parametrize(("variant", "name"), CASES, ids=[f"{variant}: {name}" for variant, name in CASES])
def test_a_broken_artifact_fails_with_a_reason_that_points_at_it(outcomes, variant, name):
    outcome = outcomes[variant, name]
    assert outcome.status == "fail"
    assert outcome.reason
    assert "\n" not in outcome.reason
    assert "Traceback" not in outcome.reason
    assert POINTS_AT.get(name, "") in outcome.reason
    if name in BY_CONSTANTS:
        format_ = variant.partition("-")[0]
        assert f"are not {format_}-fp32's, rounded" in outcome.reason


def test_the_suite_is_as_large_as_it_claims():
    assert len(CASES) >= 80


@pytest.mark.parametrize("variant", ["tflite-fp32", "onnx-fp32", "coreml-fp32"])
@pytest.mark.parametrize("share", [0.0, 0.3, 0.9])
def test_a_truncated_file_fails_however_little_is_left(sound, tmp_path, variant, share):
    original = next(artifact.path for artifact in sound.artifacts if str(artifact.variant) == variant)
    broken = tmp_path / original.name
    (shutil.copytree if original.is_dir() else shutil.copy)(original, broken)
    inner = broken / "Data/com.apple.CoreML/weights/weight.bin" if broken.is_dir() else broken
    inner.write_bytes(inner.read_bytes()[: int(share * inner.stat().st_size)])
    shutil.copy(sound.reference_path, tmp_path)
    bundle = Bundle(path=tmp_path, model="cut", artifacts=(_signed(broken, Variant.parse(variant)),), labels=NAMES)
    (outcome,) = verify_bundle(bundle)
    assert outcome.status == "fail"
    assert outcome.reason
    assert "\n" not in outcome.reason


def _studied(sound: Bundle, variant: str) -> tuple[Artifact, Artifact | None]:
    """An artifact as ``export`` lists it, and its fp32 sibling."""
    by_variant = {artifact.variant: artifact for artifact in sound.artifacts}
    artifact = by_variant[Variant.parse(variant)]
    sibling = inspection.sibling_of(artifact.variant)
    return study.ranged(artifact), by_variant[sibling] if sibling else None


def test_nearly_every_mutant_that_matters_is_seen(sound):
    """Every place of a file, broken in each of its ways; here every sixth of them, and the slow format's twentieth."""
    reference = Reference.read(sound.reference_path)
    mutants = []
    for variant in ("tflite-int8", "tflite-fp16", "onnx-int8", "onnx-fp16", "onnx-dynamic", "coreml-fp16"):
        slow = variant.startswith("coreml")
        few = reference.first(10) if slow else reference
        mutants += study.study(*_studied(sound, variant), few, every=20 if slow else 6)
    matter = [mutant for mutant in mutants if mutant.effect > study.EFFECT]
    missed = [mutant for mutant in matter if not mutant.reason]
    assert len(matter) > 50
    assert len(missed) <= 0.03 * len(matter), missed


def test_no_harmless_change_is_taken_for_a_fault(sound):
    # Few images: each change is another file that is written, loaded and read.
    reference = Reference.read(sound.reference_path).first(2)
    changes = [
        change for variant in SUITES for change in study.study(*_studied(sound, variant), reference, harmless=True)
    ]
    assert len(changes) > 100
    # Each is what it says: nothing that shows in the answers.
    assert max(change.effect for change in changes) < 1e-3
    assert [change for change in changes if change.reason and "fp32" not in change.variant] == []
    assert [change for change in changes if change.by == "file"] == []


@pytest.mark.parametrize("variant", ["tflite-int8", "onnx-int8"])
def test_a_range_that_feeds_no_bias_is_held_to_the_manifest(sound, variant):
    artifact, sibling = _studied(sound, variant)
    assert inspection.inspect(artifact, sibling).wrong is None
    listed = artifact.ranges
    assert len(listed) > 5
    for number in range(len(listed)):
        low, high = listed[number]
        other = (*listed[:number], (low * 1.1, high * 1.1), *listed[number + 1 :])
        found = inspection.inspect(replace(artifact, ranges=other), sibling)
        assert "; the manifest says" in str(found.wrong)
    missing = inspection.inspect(replace(artifact, ranges=listed[1:]), sibling)
    assert "tensors are quantized; the manifest has ranges for" in str(missing.wrong)


@pytest.mark.parametrize("variant", ["tflite-int8", "tflite-int16x8", "onnx-int8"])
def test_a_range_that_the_converter_chose_badly_is_held_to_the_calibration_images(sound, variant):
    """The manifest lists it as the file has it, so that nothing was changed afterwards."""
    artifact, sibling = _studied(sound, variant)
    seen = artifact.conversion.calibrated_ranges
    assert len(seen) == len(artifact.ranges)
    assert None not in seen
    # Pixels and probabilities have a range whatever was seen of them.
    for low, high in [one for one in seen if one[1] > 1 and one[1] != 255]:
        # What only moves numbers may be stored as what it moves, so all of a kind are changed.
        other = tuple((low * 1.1, high * 1.1) if one == (low, high) else one for one in seen)
        told = replace(artifact.conversion, calibrated_ranges=other)
        found = inspection.inspect(replace(artifact, conversion=told), sibling)
        assert "; calibration images gave" in str(found.wrong), (low, high)


def test_a_bundle_that_lists_no_ranges_passes_and_says_so(sound):
    outcomes = {str(one.variant): one for one in verify_bundle(sound, images=20)}
    assert outcomes["tflite-int8"].status == "pass"
    assert outcomes["tflite-int8"].to_json()["ranges"] == {
        "held": 0,
        "held_to_calibration": len(
            next(one for one in sound.artifacts if str(one.variant) == "tflite-int8").conversion.calibrated_ranges
        ),
        "reason": "the manifest has no ranges; export again to have them checked",
    }
    # What stores its values in floats has none to list, and may not begin to.
    assert outcomes["tflite-fp16"].to_json()["ranges"] == {"held": 0, "held_to_calibration": 0, "reason": None}
    whole, _ = _studied(sound, "tflite-int8")
    posing = replace(whole, variant=Variant("tflite", "fp16"))
    assert "tensors are quantized; the manifest has ranges for 0" in str(inspection.inspect(posing, None).wrong)
