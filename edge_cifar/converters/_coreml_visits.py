"""Looking at, and changing, the operations of a Core ML program one by one."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

from edge_cifar import packages

_EXTRA = "convert"
_MIL = "coremltools.converters.mil.mil"


def visiting(kinds: Collection[str], visit: Callable[[Any], None]) -> Any:
    """A pass of coremltools that shows every operation of these kinds to ``visit``."""
    passes = packages.require(f"{_MIL}.passes.graph_pass", _EXTRA)

    class Visit(passes.AbstractGraphPass):  # type: ignore[name-defined,misc]
        def apply(self, prog: Any) -> None:
            for function in prog.functions.values():
                for operation in list(function.operations):
                    if operation.op_type in kinds:
                        visit(operation)

    return Visit()


def set_constant(operation: Any, name: str, value: Any) -> None:
    """Give an operation a constant of its own for one of its inputs."""
    builder = packages.require(_MIL, _EXTRA).Builder
    with operation.enclosing_block:
        constant = builder.const(val=value, name=f"{operation.name}_{name}", before_op=operation)
    operation.set_inputs(**{name: constant})


def applied(program: Any, passes: Any, **options: Any) -> Any:
    """The program after one or several passes; it stays as it is."""
    apply = packages.require("coremltools.models.utils", _EXTRA)._apply_graph_pass
    version = program.get_spec().specificationVersion
    return apply(program, passes, spec_version=version, skip_model_load=True, **options)
