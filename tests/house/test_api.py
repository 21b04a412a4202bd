"""The Python API: what it exports, that it is lazy, and that sub-packages do not take its names."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from support import ROOT

import edge_cifar
from edge_cifar.arguments import as_tuple
from edge_cifar.documents.run import Run
from edge_cifar.errors import DataError, UsageError

FUNCTIONS = ("bench", "export", "load", "predict", "report", "train", "verify")


@pytest.fixture
def colour_picture(in_folder: Path) -> Path:
    """A red JPEG file in the working directory, named relative to it."""
    path = Path("red.jpg")
    Image.new("RGB", (40, 30), "red").save(path)
    return path


def test_exports_are_these_and_no_others() -> None:
    assert edge_cifar.__all__ == ["__version__", *FUNCTIONS]
    assert dir(edge_cifar) == sorted(edge_cifar.__all__)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_function_is_documented(name: str) -> None:
    function = getattr(edge_cifar, name)
    assert callable(function)
    assert function.__name__ == name
    assert "Raises:" in function.__doc__


def test_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'trian'"):
        edge_cifar.trian  # noqa: B018


def test_import_loads_nothing_but_python_itself() -> None:
    program = "import json, sys; import edge_cifar; json.dump(sorted(sys.modules), sys.stdout)"
    done = subprocess.run([sys.executable, "-I", "-c", program], capture_output=True, text=True, check=True)
    assert not {"click", "keras", "numpy", "onnxruntime", "PIL", "plotly", "tensorflow"} & set(json.loads(done.stdout))


@pytest.mark.parametrize(
    "earlier", ["import edge_cifar.bench.worker", "from edge_cifar.report import figures", "import edge_cifar.report"]
)
def test_functions_keep_their_names_after_sub_packages_are_imported(earlier: str) -> None:
    program = (
        f"{earlier}\n"
        "import edge_cifar as ec\n"
        "from edge_cifar.bench import worker\n"
        "from edge_cifar import bench, report\n"
        "assert ec.bench is bench and ec.report is report\n"
        "print(ec.bench.__module__, ec.report.__module__, worker.__name__)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["edge_cifar.steps.bench", "edge_cifar.steps.report", "edge_cifar.bench.worker"]


@pytest.mark.parametrize(
    ("given", "taken"),
    [
        ("coreml", ("coreml",)),
        (["coreml", "onnx"], ("coreml", "onnx")),
        (3, (3,)),
        ((), ()),
        (Path("cat.jpg"), (Path("cat.jpg"),)),
        (iter(("a", "b")), ("a", "b")),
    ],
    ids=["text", "list", "number", "nothing", "path", "iterator"],
)
def test_one_value_stands_for_a_list_of_one(given: Any, taken: tuple[Any, ...]) -> None:
    assert as_tuple(given) == taken


def test_single_values_and_texts_do_where_lists_and_paths_would(
    tiny_run: Run, in_folder: Path, colour_picture: Path
) -> None:
    with pytest.raises(UsageError, match="got 0"):
        edge_cifar.train("resnet8", data="synthetic", epochs=0)
    with pytest.raises(DataError, match="nowhere does not contain cifar10"):
        edge_cifar.train("resnet8", data_dir="nowhere")
    bundle = edge_cifar.export(tiny_run, formats="tflite", precisions="fp32", out="bundle", max_drop=100.0)
    assert [str(artifact.variant) for artifact in bundle.artifacts] == ["tflite-fp32"]
    page = edge_cifar.report([tiny_run], bundle, max_size="500kB", output="page.html")
    assert page.exists()
    everything = edge_cifar.export(tiny_run, formats="onnx", precisions="fp32", out="all", reference_images="all")
    assert everything.reference
    assert everything.reference.images == tiny_run.record().data.test_images
    report = edge_cifar.bench("bundle", threads=1, batch_size=2, seconds=0.2, images=8)
    assert [(row.threads, row.batch) for row in report.results] == [(1, 2)]
    (prediction,) = edge_cifar.predict("bundle", str(colour_picture))
    assert prediction.image == colour_picture
    pixels = np.zeros((2, 32, 32, 3), np.uint8)
    assert edge_cifar.load("bundle/tflite-fp32.tflite").predict(pixels).shape == (2, 10)
    with pytest.raises(UsageError, match="at least 1; got 0"):
        edge_cifar.load("bundle/tflite-fp32.tflite", threads=0)


def test_example_in_the_readme_runs_as_it_stands(
    tiny_run: Run, in_folder: Path, colour_picture: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All but the training itself, which would take hours: a small run stands in for it."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"```python\n(import edge_cifar.*?)```", readme, flags=re.DOTALL)
    run = Run(shutil.copytree(tiny_run.path, in_folder / "run", ignore=shutil.ignore_patterns("export")))
    monkeypatch.setattr(edge_cifar, "train", lambda backbone: run, raising=False)
    colour_picture.rename("cat.jpg")
    small = edge_cifar.export(tiny_run, formats="tflite", precisions="fp32", out="small", max_drop=100.0)
    (small.path / "tflite-fp32.tflite").rename("model.tflite")
    exec(example, {"images": np.zeros((1, 32, 32, 3), np.uint8)})
    assert (run.path / "report.html").exists()
    assert (run.path / "export" / "coreml-fp16.mlpackage").exists()


@pytest.mark.parametrize("name", ["bench", "export", "predict", "verify"])
def test_no_function_takes_a_misspelt_option_in_silence(name: str) -> None:
    arguments = ("a.onnx", "b.png") if name == "predict" else ("a.onnx",)
    with pytest.raises(TypeError, match=rf"{name}\(\) got .* 'input_rnage'; did you mean 'input_range'\?"):
        getattr(edge_cifar, name)(*arguments, input_rnage=(0, 1))
