"""Where Core ML means to compute each operation of a package, as its compute plan tells; macOS only."""

from __future__ import annotations

from typing import Any

from edge_cifar.documents.operators import Operator
from edge_cifar.errors import BundleError

# coremltools' classes of compute devices.
_DEVICES = {
    "MLCPUComputeDevice": "cpu",
    "MLGPUComputeDevice": "gpu",
    "MLNeuralEngineComputeDevice": "neural-engine",
}
# Constants are laid down when the package is compiled; they have no device and no cost.
_CONSTANT = "const"


def operators(plan: Any, source: str) -> tuple[Operator, ...]:
    """The operations of a plan's ``main`` function, in order, without constants.

    Args:
        plan: ``coremltools.models.compute_plan.MLComputePlan``.
        source: the package's name, for the error message.

    Returns:
        Each with the device that Core ML prefers for it, and its share of the estimated cost; Core ML
        tells no times.

    Raises:
        BundleError: the package holds no ML program.
    """
    program = plan.model_structure.program
    if program is None:
        raise BundleError(f"{source} is not an ML program, so Core ML provides no compute plan")
    found = []
    for operation in program.functions["main"].block.operations:
        kind = operation.operator_name.rpartition(".")[2]  # "ios17.conv" is a conv
        if kind == _CONSTANT or kind.startswith("constexpr"):
            continue
        usage = plan.get_compute_device_usage_for_mlprogram_operation(operation)
        cost = plan.get_estimated_cost_for_mlprogram_operation(operation)
        device = type(usage.preferred_compute_device).__name__ if usage is not None else ""
        found.append(
            Operator(
                name=operation.outputs[0].name if operation.outputs else kind,
                type=kind,
                device=_DEVICES.get(device, device),
                milliseconds=None,
                share=None if cost is None else float(cost.weight),
            )
        )
    return tuple(found)
