"""``edge-cifar models``: every backbone with what it costs."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable

import pytest
from support import backbones as support
from support.pace import program, times_longer

from edge_cifar import backbones
from edge_cifar.cli.main import main
from edge_cifar.errors import UsageError
from edge_cifar.steps.models import layers, models


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=pytest.mark.slow) if name in support.HEAVY else name for name in backbones.names()],
)
def test_figures_are_those_of_the_built_network(name: str) -> None:
    pytest.importorskip("tensorflow", reason="backbones are built with Keras on TensorFlow")
    built = layers(name)
    assert backbones.get(name).parameters == sum(layer.parameters for layer in built)
    assert backbones.get(name).multiply_adds == sum(layer.multiply_adds for layer in built)


def test_listing_builds_nothing_and_imports_nothing_heavy() -> None:
    listing = program("-X", "importtime", "-m", "edge_cifar", "models")
    answers: list[subprocess.CompletedProcess[str]] = []
    # Measured: 3.5 times; building the networks took 250 times.
    assert times_longer(lambda: answers.append(listing()), program("-c", "import click")) < 8
    imported = {line.rpartition("|")[2].strip() for line in answers[0].stderr.splitlines()}
    assert "rich.table" in imported
    assert not {"keras", "numpy", "tensorflow"} & imported


def test_json_lists_every_backbone(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)["models"]
    assert tuple(entry["name"] for entry in listed) == backbones.names()
    for entry in listed:
        assert set(entry) == {"name", "parameters", "multiply_adds", "image_size", "source", "recipes"}
        assert entry["parameters"] > 1000
        assert entry["multiply_adds"] > 1000
        assert entry["image_size"] >= 32
        assert "default" in entry["recipes"]
        assert "http" in entry["source"] or "report" in entry["source"].lower()


def test_table_names_every_backbone(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models"]) == 0
    table = capsys.readouterr().out
    assert all(name in table for name in backbones.names())


def test_named_backbone_shows_its_layers(capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("tensorflow", reason="backbones are built with Keras on TensorFlow")
    assert main(["models", "resnet8", "--json"]) == 0
    (entry,) = json.loads(capsys.readouterr().out)["models"]
    assert sum(layer["parameters"] for layer in entry["layers"]) == entry["parameters"] == 78_666
    assert sum(layer["multiply_adds"] for layer in entry["layers"]) == entry["multiply_adds"]
    assert main(["models", "resnet8"]) == 0
    table = capsys.readouterr().out
    assert "Conv2D" in table
    assert "78,666 parameters" in table


@pytest.mark.parametrize("step", [models, layers])
def test_unknown_backbone_is_refused_before_keras_is_asked(step: Callable[[str], object]) -> None:
    with pytest.raises(UsageError, match="did you mean 'mobilenetv2'"):
        step("mobilenetv3")
