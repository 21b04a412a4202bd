"""What only one Keras backend can do: find its devices, hide its GPU, be deterministic, mix precisions."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import keras

from edge_cifar import packages
from edge_cifar.errors import TrainingError
from edge_cifar.training import parallel

# What brings a GPU to a backend, beside the backends themselves.
_GPU_PACKAGES = (
    "keras",
    "tensorflow",
    "jax",
    "torch",
    "tensorflow-metal",
    "nvidia-cudnn-cu12",
    "jax-cuda12-plugin",
    "jax-cuda13-plugin",
)


@dataclass(frozen=True, kw_only=True)
class Device:
    """What a training runs on.

    Attributes:
        name: for the record, such as ``cpu``, ``gpu: NVIDIA H200`` or ``gpu: 2 x NVIDIA H200``.
        parts: the devices to spread it over, as Keras names them; empty where there is only one.
        pinned: whether there are others, which are to be left alone.
    """

    name: str
    parts: Sequence[str] = ()
    pinned: bool = False

    def scope(self) -> AbstractContextManager[Any]:
        """Within it, tensors are made on this device."""
        scope: AbstractContextManager[Any] = keras.device("cpu") if self.pinned else nullcontext()
        return scope


def select_device(choice: str) -> Device:
    """Choose what to train on, before the first tensor is made.

    Args:
        choice: ``auto`` (a GPU where there is one), ``cpu`` or ``gpu``.

    Raises:
        TrainingError: a GPU was asked for and the backend finds none, or it is too late to choose.
    """
    backend = keras.backend.backend()
    gpus = _GPUS[backend]()
    if choice == "gpu" and not gpus:
        installed = ", ".join(f"{name} {version}" for name, version in packages.versions(*_GPU_PACKAGES).items())
        raise TrainingError(
            f"Keras on {backend} found no GPU (installed: {installed}); edge-cifar doctor shows what is missing, "
            "or train with --device cpu"
        )
    if choice == "cpu" or not gpus:
        if gpus and backend == "tensorflow":
            _hide_from_tensorflow()
        return Device(name="cpu", pinned=bool(gpus))
    parts = parallel.devices()
    return Device(name=f"gpu: {_counted(gpus)}", parts=parts) if len(parts) > 1 else Device(name=f"gpu: {gpus[0]}")


def make_deterministic(device: Device) -> None:
    """Ask the backend for the same result every time, at some cost in speed.

    Args:
        device: that is trained on.

    Raises:
        TrainingError: the backend offers no such promise.
    """
    backend = keras.backend.backend()
    if backend == "tensorflow":
        import tensorflow

        tensorflow.config.experimental.enable_op_determinism()
    elif backend == "torch":
        import torch

        # Without it cuBLAS refuses to multiply deterministically; read when the GPU is first used.
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        torch.use_deterministic_algorithms(True)
    elif device.name != "cpu":
        raise TrainingError("JAX does not support --deterministic on a GPU; use --device cpu")


def precision_policy(choice: str, device: Device) -> str:
    """The Keras dtype policy for ``--mixed-precision``.

    ``auto`` mixes only on a CUDA GPU, where it pays; a CPU trains faster in float32.
    """
    if choice == "auto":
        choice = "bfloat16" if device.name.startswith("gpu: ") and "metal" not in device.name.lower() else "off"
    return "float32" if choice == "off" else f"mixed_{choice}"


def _counted(names: Sequence[str]) -> str:
    """GPUs of one machine, equal ones together: ``2 x NVIDIA H200``."""
    return ", ".join(f"{names.count(name)} x {name}" for name in dict.fromkeys(names))


def _tensorflow_gpus() -> list[str]:
    import tensorflow

    config = tensorflow.config
    return [
        str(config.experimental.get_device_details(gpu).get("device_name", gpu.name))
        for gpu in config.get_visible_devices("GPU")
    ]


def _jax_gpus() -> list[str]:
    import jax

    return [device.device_kind for device in jax.devices() if device.platform != "cpu"]


def _torch_gpus() -> list[str]:
    import torch

    if torch.cuda.is_available():
        return [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
    return ["Apple Metal (MPS)"] if torch.backends.mps.is_available() else []


def _hide_from_tensorflow() -> None:
    """For good: TensorFlow would take the GPU's memory even where all its tensors are on the CPU."""
    import tensorflow

    try:
        tensorflow.config.set_visible_devices([], "GPU")
    except RuntimeError as error:
        raise TrainingError(
            "TensorFlow has already used the GPU in this process and can no longer disable it; train with "
            "--device cpu in a new process"
        ) from error


_GPUS = {"tensorflow": _tensorflow_gpus, "jax": _jax_gpus, "torch": _torch_gpus}
