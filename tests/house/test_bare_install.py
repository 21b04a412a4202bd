"""What runs on a device works where only the bare installation is there: no TensorFlow, Keras or anything optional."""

from __future__ import annotations

import configparser
import json
import subprocess
import sys
from pathlib import Path

import pytest
from support import ROOT

from edge_cifar.documents.bundle import Bundle

# Packages of edge_cifar that training and compression need, which a device does not have.
HEAVY = ("backbones", "compression", "training")
# Derives from waitress' own classes, and is imported where a server starts.
SERVER = "edge_cifar.serve.connections"

# Run before anything else in a fresh interpreter: whatever is neither Python's own nor required by the
# installation cannot be found, as if it were not installed.
BARE = """
import importlib.machinery, json, sys

allowed = {*sys.stdlib_module_names, "edge_cifar", *json.loads(sys.argv.pop(1))}

class OnlyAllowed(importlib.machinery.PathFinder):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        if name.partition(".")[0] not in allowed:
            return None
        return super().find_spec(name, path, target)

sys.meta_path = [
    finder if finder is not importlib.machinery.PathFinder else OnlyAllowed for finder in sys.meta_path
]
"""
MODULES = {"pillow": "PIL"}


def required() -> list[str]:
    """Top-level modules of the packages that every installation has."""
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg", encoding="utf-8")
    names = [line.split()[0] for line in setup["options"]["install_requires"].splitlines() if line]
    # readline and the like: what an editable installation needs to find this package.
    return [MODULES.get(name, name) for name in names] + ["__editable___edge_cifar_0_1_0_finder"]


def bare(program: str, *arguments: str, extra: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
    """Run a program where only the required packages and ``extra`` modules are installed."""
    allowed = json.dumps([*required(), *extra])
    command = [sys.executable, "-c", BARE + program, allowed, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


MAIN = "from edge_cifar.cli.main import main; sys.exit(main(sys.argv[1:]))"


def test_the_stand_in_for_a_bare_installation_hides_packages() -> None:
    done = bare("import tensorflow")
    assert "No module named 'tensorflow'" in done.stderr


def test_every_module_but_those_of_training_can_be_imported() -> None:
    program = f"""
import importlib, pkgutil, edge_cifar
names = [module.name for module in pkgutil.walk_packages(edge_cifar.__path__, "edge_cifar.")]
for name in names:
    passed_over = name == {SERVER!r} or name.endswith("__main__")
    if name.split(".")[1] not in {HEAVY!r} and not passed_over:
        importlib.import_module(name)
"""
    done = bare(program)
    assert done.returncode == 0, done.stderr


def test_doctor_tells_what_to_add() -> None:
    done = bare(MAIN, "doctor", "--json")
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert 'pip install "edge-cifar[device]"' in document["remedies"]
    assert 'pip install "edge-cifar[train]"' in document["remedies"]
    assert not any(entry["ready"] for entry in (*document["train"], *document["convert"]))


def test_models_lists_the_backbones() -> None:
    done = bare(MAIN, "models")
    assert done.returncode == 0
    assert "78,666" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "advice"),
    [
        (("train", "resnet8", "--data", "synthetic", "--out", "run"), "edge-cifar[train]"),
        (("models", "resnet8"), "edge-cifar[train]"),
    ],
    ids=["train", "models"],
)
def test_what_needs_more_names_the_command_that_adds_it(
    arguments: tuple[str, ...], advice: str, in_folder: Path
) -> None:
    done = bare(MAIN, *arguments)
    assert done.returncode == 1
    assert advice in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("extra", "suffix"),
    [
        (("ai_edge_litert", "flatbuffers", "tqdm", "typing_extensions", "backports", "ml_dtypes"), ".tflite"),
        (("onnxruntime", "flatbuffers", "packaging", "google"), ".onnx"),
    ],
    ids=["litert-alone", "onnxruntime-alone"],
)
def test_one_runtime_alone_verifies_and_predicts(
    extra: tuple[str, ...], suffix: str, tiny_bundle: Bundle, tmp_path: Path
) -> None:
    from PIL import Image

    Image.new("RGB", (40, 40), "red").save(tmp_path / "red.png")
    predicted = bare(MAIN, "predict", str(tiny_bundle.path), str(tmp_path / "red.png"), "--json", extra=extra)
    assert predicted.returncode == 0, predicted.stderr
    assert json.loads(predicted.stdout)["results"][0]["model"].endswith(suffix)
    verified = bare(MAIN, "verify", str(tiny_bundle.path), "--images", "50", "--json", extra=extra)
    assert verified.returncode == 0, verified.stderr
    for result in json.loads(verified.stdout)["results"]:
        if result["variant"].startswith(suffix.lstrip(".")):
            assert result["status"] == "pass"
