"""How much work the evaluator takes on for one image: just under the limit, and just above it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from support.mil_packages import argument, literal, model, named, operation, write

from edge_cifar.errors import BundleError
from edge_cifar.mil.dtypes import FP32
from edge_cifar.runtimes import coreml_reference


@pytest.mark.parametrize(
    ("side", "billions", "said"),
    [
        pytest.param(470, 173, "not a vector of probabilities", id="under"),
        pytest.param(500, 218, "more than 200 billion multiplications", id="above"),
    ],
)
def test_work_beyond_two_hundred_billion_multiplications_is_refused(
    side: int, billions: int, said: str, tmp_path: Path
) -> None:
    """What the limit lets pass is refused by the next check: nothing of it is computed."""
    # A maximum over windows of the side's square, in each of as many places as there are in the output.
    out, step = side + 7, 100_000
    assert round((step + 3 * out**2) * side**2 / 1e9) == billions
    pool = operation(
        "max_pool",
        {
            "x": argument("image"),
            "kernel_sizes": argument(literal(np.array([side, side], np.int32))),
            "pad_type": argument(literal("custom")),
            "pad": argument(literal(np.array([side - 1] * 4, np.int32))),
        },
        [named("p", FP32, (1, 3, out, out))],
    )
    path = write(tmp_path / "m.mlpackage", model([pool], ["p"]))
    with pytest.raises(BundleError, match=said):
        coreml_reference.load(path).predict(np.zeros((1, 8, 8, 3), np.uint8))
