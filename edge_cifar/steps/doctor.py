"""``doctor``: what this machine can train, convert, run and measure, and how to install what is missing.

Nothing heavy is imported: packages are looked up by their metadata. This is fast, and a broken package
cannot crash the command.
"""

from __future__ import annotations

import importlib.metadata
import platform
import shutil
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any, Literal

from edge_cifar import formats, machine, packages
from edge_cifar.packages import installed
from edge_cifar.processes import allocator, programs

Area = Literal["train", "convert", "run", "measure"]
AREAS: tuple[Area, ...] = ("train", "convert", "run", "measure")

# TensorFlow's plugin for the Mac's GPU, 1.2.0, uses symbols that TensorFlow 2.20 no longer exports.
_NEWEST_FOR_METAL = (2, 19)
_PYTHON_TOO_NEW_FOR_TENSORFLOW = (3, 14)
_BUSY_LOAD_PER_CORE = 0.7
_DRIVER_SECONDS = 5.0
# benchmarks/results/allocators.json: resnet8 on processors where TensorFlow computes without oneDNN.
_TCMALLOC_SAVES = "tcmalloc would save up to 10 % of training's CPU time"


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One capability of the machine.

    Attributes:
        area: what it belongs to.
        name: what it is.
        ready: whether it can be used now.
        detail: versions where it is ready, the reason where it is not.
        remedy: the command that adds what is missing; None where there is nothing to add.
    """

    area: Area
    name: str
    ready: bool
    detail: str
    remedy: str | None = None


@dataclass(frozen=True, kw_only=True)
class Diagnosis:
    """All findings.

    Attributes:
        version: of edge-cifar.
        machine: :func:`edge_cifar.machine.facts`.
        findings: in the order of :data:`AREAS`.
    """

    version: str
    machine: dict[str, Any]
    findings: tuple[Finding, ...]

    def of(self, area: Area) -> list[Finding]:
        """The findings of one area."""
        return [finding for finding in self.findings if finding.area == area]

    @property
    def remedies(self) -> list[str]:
        """The commands that add what is missing, each once."""
        return list(dict.fromkeys(finding.remedy for finding in self.findings if finding.remedy))

    def document(self) -> dict[str, Any]:
        """The diagnosis as JSON."""
        by_area: dict[str, Any] = {area: [_without_area(finding) for finding in self.of(area)] for area in AREAS}
        return {"version": self.version, "machine": self.machine, **by_area, "remedies": self.remedies}


def doctor() -> Diagnosis:
    """Check this machine's capabilities. Takes well under a second and works in a minimal installation."""
    facts = machine.facts()
    return Diagnosis(
        version=importlib.metadata.version("edge-cifar"),
        machine=facts,
        findings=(*_training(), *_converting(), *_running(facts), *_measuring(facts)),
    )


def _training() -> Iterator[Finding]:
    if sys.version_info >= _PYTHON_TOO_NEW_FOR_TENSORFLOW and not installed("tensorflow"):
        detail = f"TensorFlow does not support Python {platform.python_version()}; use Python 3.11 to 3.13"
        yield Finding(area="train", name="Keras", ready=False, detail=detail)
    else:
        yield _keras()
    yield _metal() if sys.platform == "darwin" else _cuda()
    if allocator.supported() and installed("keras"):
        yield _allocator()


def _converting() -> Iterator[Finding]:
    for name in formats.exported():
        needed = ("tensorflow", "keras", *formats.get(name).packages)
        if "coremltools" in needed and sys.platform == "linux" and platform.machine() != "x86_64":
            detail = f"coremltools does not support Linux on {platform.machine()}; convert on a Mac or a PC"
            yield Finding(area="convert", name=name, ready=False, detail=detail)
        else:
            yield _packages("convert", name, needed, "convert")


def _running(facts: dict[str, Any]) -> Iterator[Finding]:
    for format_, module in formats.runtimes():
        reason = module.unavailable()
        name = f"{format_.suffix} with {module.NAME}"
        kind = "" if module.DEVICE else "for reference; not a device runtime"
        if format_.overflow and facts.get("vnni") is False:
            kind = "this CPU lacks VNNI: int8 models made elsewhere may give wrong results; bench and predict name them"
        _, _, remedy = (reason or "").partition("; run: ")
        yield Finding(area="run", name=name, ready=reason is None, detail=reason or kind, remedy=remedy or None)


def _measuring(facts: dict[str, Any]) -> Iterator[Finding]:
    yield Finding(area="measure", name="bench", **_quietness(facts))
    yield _packages("measure", "report", ("plotly", "matplotlib", "jinja2"), "report")
    yield _packages("measure", "serve", ("flask", "waitress"), "serve")


def _packages(area: Area, name: str, modules: tuple[str, ...], extra: str) -> Finding:
    missing = [module for module in modules if not installed(module)]
    if missing:
        detail = f"{', '.join(map(_distribution, missing))} not installed"
        return Finding(area=area, name=name, ready=False, detail=detail, remedy=_pip(extra))
    found = (f"{_distribution(module)} {_version(module)}".strip() for module in modules)
    return Finding(area=area, name=name, ready=True, detail=", ".join(found))


def _keras() -> Finding:
    absence = packages.absent_backend()
    if absence is None or not installed("keras"):
        return _packages("train", "Keras", ("keras", packages.keras_backend()), "train")
    detail, _, remedy = absence.partition("; run: ")
    return Finding(area="train", name="Keras", ready=False, detail=detail, remedy=remedy or None)


def _cuda() -> Finding:
    gpus = _nvidia_gpus()
    if not gpus:
        return Finding(area="train", name="GPU", ready=False, detail="none found; training runs on the CPU")
    if packages.keras_backend() == "tensorflow" and not _version("nvidia-cudnn-cu12"):
        detail = f"{gpus[0]}, but TensorFlow's CUDA libraries are not installed"
        return Finding(area="train", name="GPU", ready=False, detail=detail, remedy=_pip("cuda"))
    return Finding(area="train", name="GPU", ready=True, detail=", ".join(gpus))


def _metal() -> Finding:
    def finding(ready: bool, detail: str, remedy: str | None = None) -> Finding:
        return Finding(area="train", name="GPU", ready=ready, detail=detail, remedy=remedy)

    if platform.machine() != "arm64":
        return finding(False, "the Mac's GPU needs Apple silicon; training runs on the CPU")
    if packages.keras_backend() == "torch":
        remedy = None if installed("torch") else "pip install torch"
        return finding(remedy is None, "Apple GPU through Keras on PyTorch (MPS)", remedy)
    metal, tensorflow = _version("tensorflow-metal"), _version("tensorflow")
    limit = ".".join(map(str, _NEWEST_FOR_METAL))
    other_way = "or train with KERAS_BACKEND=torch, which needs no plugin"
    install = f"{_pip('train,metal')} -c constraints-metal.txt"
    if tensorflow and _release(tensorflow) > _NEWEST_FOR_METAL:
        detail = f"tensorflow-metal works with TensorFlow up to {limit}, not {tensorflow}; install it, {other_way}"
        return finding(False, detail, install)
    if not metal:
        return finding(
            False, f"tensorflow-metal is not installed (it needs TensorFlow {limit}); install it, {other_way}", install
        )
    return finding(True, f"Apple GPU, tensorflow-metal {metal}")


def _allocator() -> Finding:
    """The memory allocator of processes that train and convert."""

    def finding(detail: str, remedy: str | None = None) -> Finding:
        return Finding(area="train", name="memory allocator", ready=True, detail=detail, remedy=remedy)

    chosen = allocator.chosen()
    if chosen == "tcmalloc":
        return finding("tcmalloc")
    if chosen == "system":
        return finding("the system's, set by the environment")
    remedy = f"apt-get install {allocator.TCMALLOC_PACKAGE}" if shutil.which("apt-get") else None
    return finding(f"glibc, tuned to reuse memory; {_TCMALLOC_SAVES}", remedy)


def _nvidia_gpus() -> list[str]:
    """Names of the NVIDIA GPUs, from the driver."""
    names = programs.output("nvidia-smi", "--query-gpu=name", "--format=csv,noheader", seconds=_DRIVER_SECONDS)
    return [line.strip() for line in names.splitlines() if line.strip()]


def _quietness(facts: dict[str, Any]) -> dict[str, Any]:
    """Whether measurements taken now are reliable, and if not, why."""
    cores = facts.get("usable_cores", 1)
    load = facts.get("load_average", [0.0])[0]
    warnings = {
        f"the machine is busy (load {load:.1f} on {cores} cores)": load > _BUSY_LOAD_PER_CORE * cores,
        "it is on battery power": facts.get("power_source") == "battery",
        f"it is throttled: {', '.join(facts.get('throttling', []))}": bool(facts.get("throttling")),
        f"its CPU governor is {facts.get('governor')} instead of performance": facts.get("governor")
        in ("ondemand", "powersave", "conservative", "schedutil"),
        "it is a virtual machine, which others may slow down": bool(facts.get("virtual")),
    }
    doubts = [text for text, applies in warnings.items() if applies]
    return {
        "ready": True,
        "detail": f"works, but timings may be unreliable: {'; '.join(doubts)}" if doubts else "the machine is idle",
    }


def _without_area(finding: Finding) -> dict[str, Any]:
    return {key: value for key, value in asdict(finding).items() if key != "area"}


def _pip(extra: str) -> str:
    return f'pip install "edge-cifar[{extra}]"'


def _distribution(module: str) -> str:
    # Every package named here is distributed under its module's name, with dashes.
    return module.replace("_", "-")


def _version(module: str) -> str:
    """The version of an installed package; empty where its metadata are not there."""
    try:
        return importlib.metadata.version(_distribution(module))
    except importlib.metadata.PackageNotFoundError:
        return ""


def _release(version: str) -> tuple[int, int]:
    major, minor = version.split(".")[:2]
    return int(major), int(minor)
