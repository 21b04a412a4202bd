"""The light install on a Raspberry Pi's processor, emulated: do the numbers agree with this machine's?

    python tests/emulated_pi.py --pi PATH_OF_EMULATED_PI BUNDLE [BUNDLE…] [--images 500] [--output FILE]

``emulated-pi`` is a program that runs commands in a 64-bit Debian for Arm under emulation:

    emulated-pi pip PACKAGE…    installs wheels for linux/aarch64 there
    emulated-pi run COMMAND…    runs a command there; PI_BIND=DIR shows DIR at /mnt/host

Builds the wheel, installs it there with the ``device`` extra, copies the bundles, runs ``doctor``, ``verify`` and
``bench``, has every artifact answer the bundles' own test images there and here, and holds the answers together:
fp32 within 1e-4, int8 of one class on at least 97 %. Writes what it found, ends with 1 when something does not
hold. Times are left out of it: those of an emulation say nothing.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import shutil
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from edge_cifar import machine, model_files, packages, provenance
from edge_cifar.documents.bundle import Bundle
from edge_cifar.documents.reference import Reference
from edge_cifar.steps.remote import wheel
from edge_cifar.storage import files

ROOT = Path(__file__).resolve().parent.parent
THERE = "/mnt/host"
FP32_WITHIN = 1e-4
# As verify holds either of them to the Keras model: runtimes round integers differently on Arm and on x86, which tips
# what Keras itself is unsure of. Of 1,000 images 98.5 % kept their class in resnet8's ONNX file, 99.1 % in its TFLite.
INT8_AGREEMENT = 0.97

# Run there: every artifact's probabilities for the first images of the bundle.
ANSWERS = """
import sys
from pathlib import Path
import numpy as np
from edge_cifar.documents.bundle import Bundle
from edge_cifar.documents.reference import Reference
from edge_cifar import model_files

bundle = Bundle.open(Path(sys.argv[1]))
images = Reference.read(bundle.reference_path).first(int(sys.argv[2])).images
answers = {}
for artifact in bundle.artifacts:
    answers[str(artifact.variant)] = model_files.load(artifact.path).predict(images)
np.savez(sys.argv[3], **answers)
"""
# What the emulation may be asked that is no time.
KEPT = ("variant", "status", "reason", "runtime", "size_bytes", "accuracy", "agreement")


class Pi:
    """The emulated machine, with a folder of this one."""

    def __init__(self, program: Path, folder: Path) -> None:
        self._program = program
        self._folder = folder

    def install(self, built: Path) -> None:
        """Install a wheel with the ``device`` extra."""
        # pip would keep an earlier build of the same version.
        self.run("python3", "-m", "pip", "uninstall", "--quiet", "--yes", "--break-system-packages", "edge-cifar")
        subprocess.run([self._program, "pip", f"{built}[device]"], check=True)

    def run(self, *command: str) -> str:
        """The standard output of a command that must succeed, or end with 1 after a check that was not met."""
        print("+", *(part if "\n" not in part else "…" for part in command), file=sys.stderr, flush=True)
        environment = {**os.environ, "PI_BIND": str(self._folder)}
        done = subprocess.run([self._program, "run", *command], stdout=subprocess.PIPE, text=True, env=environment)
        if done.returncode > 1 or (done.returncode and not done.stdout):
            sys.exit(f"{command[0]} ended with {done.returncode}: {done.stdout[-2000:]}")
        return done.stdout


def main() -> int:
    """Install, run, compare, write; 1 when something does not hold."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundles", nargs="+", type=Path, metavar="BUNDLE")
    parser.add_argument("--pi", type=Path, required=True, help="the emulated-pi program")
    parser.add_argument("--images", type=int, default=500, help="that every artifact answers there and here")
    parser.add_argument("--output", type=Path, default=ROOT / "benchmarks" / "results" / "emulated-pi.json")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        pi = Pi(chosen.pi, folder)
        pi.install(built_wheel(folder))
        doctor = json.loads(pi.run("edge-cifar", "doctor", "--json"))
        results = [examine(pi, folder, bundle, chosen.images) for bundle in chosen.bundles]
    failed = [f"{one['model']} {line}" for one in results for line in one["failed"]]
    files.write_json(
        chosen.output,
        {
            "what": "the light install on emulated linux/aarch64, its answers beside this machine's",
            "commit": provenance.commit(),
            "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
            "versions_here": packages.versions("ai-edge-litert", "onnxruntime", "numpy"),
            "there": {key: doctor["machine"].get(key) for key in ("architecture", "os", "python")},
            "tensorflow_there": any(entry["ready"] for entry in doctor["train"]),
            "results": results,
            "command": f"python tests/emulated_pi.py --images {chosen.images}",
            "machine": machine.identity(),
            "comparison": table(results),
        },
    )
    print(f"written: {chosen.output}")
    print("\n".join(failed) or "everything agrees")
    return 1 if failed else 0


def table(results: list[dict[str, Any]]) -> dict[str, Any]:
    """What the documents show."""
    return {
        "columns": ["model", "artifact", "verify there", "images", "max diff", "top-1 agreement"],
        "rows": [
            [
                one["model"],
                row["variant"],
                next(found["status"] for found in one["verify"] if found["variant"] == row["variant"]),
                one["images"],
                f"{row['max_abs_diff']:.1e}",
                f"{row['top1_agreement']:.1%}",
            ]
            for one in results
            for row in one["compared"]
        ],
    }


def built_wheel(folder: Path) -> Path:
    """The wheel of this checkout."""
    built = wheel()
    if built is None:
        sys.exit("run this from a source tree")
    name, content = built
    path = folder / name
    path.write_bytes(content)
    return path


def examine(pi: Pi, folder: Path, source: Path, images: int) -> dict[str, Any]:
    """One bundle, there and here."""
    name = f"{Bundle.open(source).model}-bundle"
    bundle = travelling(Bundle.open(source), folder / name)
    place = f"{THERE}/{name}"
    verified = json.loads(pi.run("edge-cifar", "verify", place, "--images", str(images), "--json"))
    benched = json.loads(pi.run("edge-cifar", "bench", place, "--images", str(images), "--seconds", "0.1", "--json"))
    pi.run("python3", "-c", ANSWERS, place, str(images), f"{place}/there.npz")
    compared = compare(bundle, folder / name / "there.npz", images)
    return {
        "model": bundle.model,
        "images": images,
        "verify": verified["results"],
        "bench": [{key: row[key] for key in KEPT} for row in benched["results"]],
        "compared": compared,
        "failed": [
            *(f"{row['variant']} fails verify" for row in verified["results"] if row["status"] == "fail"),
            *(f"{row['variant']} fails bench" for row in benched["results"] if row["status"] == "failed"),
            *(f"{row['variant']} differs" for row in compared if not row["holds"]),
        ],
    }


def travelling(bundle: Bundle, folder: Path) -> Bundle:
    """A copy of a bundle without its Core ML packages, which a Pi could only evaluate slowly in NumPy."""
    kept = [artifact for artifact in bundle.artifacts if model_files.runtime_for(artifact.path).DEVICE]
    folder.mkdir()
    for path in (bundle.reference_path, *(artifact.path for artifact in kept)):
        shutil.copy(path, folder)
    copy = dataclasses.replace(bundle, path=folder, artifacts=tuple(kept))
    copy.write_manifest()
    return Bundle.open(folder)


def compare(bundle: Bundle, answers: Path, images: int) -> list[dict[str, Any]]:
    """Every artifact's answers there against those here."""
    asked = Reference.read(bundle.reference_path).first(images).images
    rows = []
    with np.load(answers, allow_pickle=False) as there:
        for artifact in bundle.artifacts:
            variant = str(artifact.variant)
            here = model_files.load(artifact.path).predict(asked)
            difference = float(np.abs(there[variant] - here).max())
            agreement = float((there[variant].argmax(axis=1) == here.argmax(axis=1)).mean())
            holds = {"fp32": difference <= FP32_WITHIN, "int8": agreement >= INT8_AGREEMENT}
            rows.append(
                {
                    "variant": variant,
                    "max_abs_diff": difference,
                    "top1_agreement": agreement,
                    "holds": holds.get(artifact.variant.precision, True),
                }
            )
    return rows


if __name__ == "__main__":
    sys.exit(main())
