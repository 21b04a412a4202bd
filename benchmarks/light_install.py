"""Measure the disk space of a device installation, extra by extra.

    python benchmarks/light_install.py [--output FILE]

Builds the wheel, creates an empty environment, and installs first the `device` extra, then `serve`, then `report`, at
the versions in constraints.txt. Sizes include all installed files and compiled byte code, but not the environment's own
pip. A megabyte is a million bytes.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from edge_cifar import machine, provenance
from edge_cifar.steps.remote import wheel
from edge_cifar.storage import files

ROOT = Path(__file__).resolve().parent.parent
STAGES = ("device", "device,serve", "device,serve,report")

# Run there: the bytes of each distribution's files.
SIZES = """
import importlib.metadata, json
sizes = {}
for one in importlib.metadata.distributions():
    paths = {file.locate().resolve() for file in one.files or ()}
    sizes[one.metadata["Name"]] = sum(path.stat().st_size for path in paths if path.is_file())
print(json.dumps({name: size for name, size in sizes.items() if name not in ("pip", "setuptools")}))
"""


def main() -> int:
    """Install each stage and measure it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, default=ROOT / "benchmarks" / "results" / "light-install.json")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        stages = measured(Path(scratch))
    document = {
        "what": "the light install's size on disk",
        "commit": provenance.commit(),
        "command": "python benchmarks/light_install.py",
        "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": machine.identity(),
        "stages": stages,
        "comparison": table(stages),
    }
    files.write_json(chosen.output, document)
    print(json.dumps(document["comparison"]["rows"], indent=1))
    return 0


def table(stages: dict[str, dict[str, int]]) -> dict[str, Any]:
    """The documents' table."""
    rows = [
        [f"edge-cifar[{extras}]", megabytes(sum(sizes.values())), largest(sizes)] for extras, sizes in stages.items()
    ]
    return {"columns": ["pip install", "on disk", "the largest"], "rows": rows}


def measured(folder: Path) -> dict[str, dict[str, int]]:
    """The bytes of each distribution, for each stage."""
    built = wheel()
    if built is None:
        raise SystemExit("run this from a source tree")
    name, content = built
    (folder / name).write_bytes(content)
    subprocess.run([sys.executable, "-m", "venv", folder / "venv"], check=True)
    python = folder / "venv" / "bin" / "python"
    stages: dict[str, Any] = {}
    for extras in STAGES:
        what = ["--constraint", ROOT / "constraints.txt", f"{folder / name}[{extras}]"]
        subprocess.run([python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *what], check=True)
        stages[extras] = json.loads(subprocess.run([python, "-c", SIZES], stdout=subprocess.PIPE, check=True).stdout)
    return stages


def largest(sizes: dict[str, int]) -> str:
    """The three largest."""
    first = sorted(sizes, key=lambda name: -sizes[name])[:3]
    return ", ".join(f"{name} {megabytes(sizes[name])}" for name in first)


def megabytes(size: int) -> str:
    """Megabytes, such as 12 MB."""
    return f"{size / 1e6:.0f} MB"


if __name__ == "__main__":
    sys.exit(main())
