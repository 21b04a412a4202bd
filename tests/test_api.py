"""The Python API: what it exports, that it is lazy, and that sub-packages do not take its names."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

import edge_cifar

FUNCTIONS = ("bench", "export", "load", "predict", "report", "train", "verify")


def test_exports_are_these_and_no_others() -> None:
    assert edge_cifar.__all__ == ["__version__", *FUNCTIONS]
    assert set(edge_cifar.__all__) <= set(dir(edge_cifar))


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
