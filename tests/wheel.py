"""The wheel of this checkout."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

_NEEDED = ("setup.cfg", "pyproject.toml", "README.md", "LICENSE")


def build(folder: Path) -> Path:
    """Build the wheel into a folder, from a copy: setuptools would leave its scratch in the checkout."""
    source = folder / "source"
    shutil.copytree(ROOT / "edge_cifar", source / "edge_cifar", ignore=shutil.ignore_patterns("__pycache__"))
    for name in _NEEDED:
        shutil.copy(ROOT / name, source)
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(folder), str(source)]
    subprocess.run(command, check=True)
    (wheel,) = folder.glob("edge_cifar-*.whl")
    return wheel
