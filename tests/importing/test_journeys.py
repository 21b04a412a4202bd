"""Models that other people make go the whole way: all default variants, verify, bench, report, predict."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.own_models import grey_images, sequential

from edge_cifar import packages
from edge_cifar.cli.main import main
from edge_cifar.documents.bundle import Bundle

pytest.importorskip("tensorflow", reason="the models are Keras models")

CLASSES = 5
# What the other converters do not carry is rejected, with the reason.
_TFLITE_ALONE = ("convnexttiny",)


def _application(name: str, side: int, **options: Any) -> Callable[[], Any]:
    def build() -> Any:
        keras = packages.require_keras()
        keras.utils.set_random_seed(5)
        make = getattr(keras.applications, name)
        return make(weights=None, input_shape=(side, side, 3), classes=CLASSES, **options)

    return build


def _nested() -> Any:
    keras = packages.require_keras()
    layers = keras.layers
    keras.utils.set_random_seed(5)
    trunk_input = keras.Input((32, 32, 3))
    hidden = layers.Conv2D(8, 3, strides=2, activation="relu")(trunk_input)
    trunk = keras.Model(trunk_input, layers.BatchNormalization()(layers.Conv2D(8, 3, use_bias=False)(hidden)))
    image = keras.Input((32, 32, 3))
    hidden = trunk(layers.Rescaling(1 / 255)(keras.Sequential([layers.RandomFlip(), layers.RandomZoom(0.1)])(image)))
    return keras.Model(image, layers.Dense(CLASSES)(layers.Dropout(0.2)(layers.GlobalAveragePooling2D()(hidden))))


def _grey() -> Any:
    keras = packages.require_keras()
    layers = keras.layers
    keras.utils.set_random_seed(5)
    convolutions = [layers.Conv2D(8, 3, activation="relu"), layers.MaxPooling2D(), layers.Conv2D(8, 3)]
    return keras.Sequential(
        [keras.Input((28, 28, 1)), *convolutions, layers.Flatten(), layers.Dense(CLASSES, activation="softmax")]
    )


def _binary() -> Any:
    keras = packages.require_keras()
    layers = keras.layers
    keras.utils.set_random_seed(5)
    return keras.Sequential(
        [keras.Input((24, 24, 3)), layers.Conv2D(8, 3), layers.Flatten(), layers.Dense(1, activation="sigmoid")]
    )


# What makes a model, its file, and what is told of it.
MODELS: dict[str, tuple[Callable[[], Any], str, tuple[str, ...]]] = {
    "sequential": (lambda: sequential(CLASSES), "model.keras", ()),
    "nested": (_nested, "model.keras", ()),
    "grey": (_grey, "model.h5", ("--input-range=0,1",)),
    "binary": (_binary, "model.keras", ("--input-range=0,1",)),
    "mobilenetv3large": (_application("MobileNetV3Large", 64), "model.keras", ()),
    "efficientnetv2b0": (_application("EfficientNetV2B0", 64), "model.keras", ()),
    "densenet121": (
        _application("DenseNet121", 64),
        "model.keras",
        ("--mean=0.485,0.456,0.406", "--std=0.229,0.224,0.225"),
    ),
    "nasnetmobile": (_application("NASNetMobile", 64), "model.keras", ("--input-range=-1,1",)),
    "xception": (_application("Xception", 71), "model.h5", ("--input-range=-1,1",)),
    "convnexttiny": (_application("ConvNeXtTiny", 64), "model.keras", ()),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", MODELS)
def test_a_model_goes_the_whole_way(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    build, file, told = MODELS[name]
    monkeypatch.chdir(tmp_path)
    build().save(file)
    images, labels = grey_images(300, (32, 32))
    np.savez("images.npz", x=images, y=labels % (2 if name == "binary" else CLASSES))
    few = ["--calibration-images", "50", "--reference-images", "40"]
    status = main(["export", file, "--data", "images.npz", *told, *few])
    bundle = Bundle.open(tmp_path / "runs" / "model" / "export")
    capsys.readouterr()
    kept = {str(artifact.variant) for artifact in bundle.artifacts}
    # Untrained, a network may lose by rounding what it never had; the exact files are what has to come out.
    exact = {"tflite-fp32"} if name in _TFLITE_ALONE else {"tflite-fp32", "onnx-fp32", "coreml-fp32"}
    assert exact <= kept
    assert all(one.reason for one in bundle.rejected)
    assert (status == 0) == (not bundle.rejected)
    assert main(["verify", "runs/model", "--json"]) == 0
    for result in json.loads(capsys.readouterr().out)["results"]:
        if result["variant"].endswith("-fp32"):
            assert result["max_abs_diff"] < 1e-3
    assert main(["bench", "runs/model", "--seconds", "0.01", "--json"]) == 0
    assert main(["report", "runs/model"]) == 0
    picture = packages.require("PIL.Image", "train")
    picture.fromarray(images[0]).save("one.png")
    capsys.readouterr()
    assert main(["predict", "runs/model", "one.png", "--top", str(CLASSES), "--json"]) == 0
    (answer,) = json.loads(capsys.readouterr().out)["results"]
    assert sum(one["probability"] for one in answer["predictions"]) == pytest.approx(1, abs=1e-3)
