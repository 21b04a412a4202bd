"""Which value of an artifact is which layer: by numbers, shapes and order, on graphs made by hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from edge_cifar.documents.activations import Activations, Layer
from edge_cifar.parity.layers import drift
from edge_cifar.parity.matching import Match, match
from edge_cifar.readers import Observer
from edge_cifar.variant import Variant

IMAGES = 2
SHAPE = (2, 3, 4)
RNG = np.random.default_rng(0)
OUTPUTS = {name: RNG.normal(size=(IMAGES, *SHAPE)).astype(np.float32) for name in "abcd"}
FP32 = Variant("onnx", "fp32")


def model(sources: Mapping[str, Sequence[str]]) -> Activations:
    """A Keras model of layers with those sources."""
    names = list(sources)
    return Activations(
        images=IMAGES,
        layers=tuple(
            Layer(
                name=name,
                kind="ReLU",
                shape=SHAPE,
                sources=tuple(names.index(source) for source in sources[name]),
                values=OUTPUTS[name].reshape(IMAGES, -1),
            )
            for name in names
        ),
    )


def matched(
    activations: Activations, sources: dict[str, tuple[str, ...]], values: Mapping[str, NDArray[np.float32]]
) -> tuple[Match, ...]:
    def observe(tell: Observer) -> None:
        for image in range(IMAGES):
            for name, value in values.items():
                tell(image, name, value[image][None])

    return match(activations, sources, observe)


def pairs(activations: Activations, found: tuple[Match, ...]) -> dict[str, str]:
    return {activations.layers[one.layer].name: one.value for one in found}


CHAIN = model({"a": (), "b": ("a",), "c": ("b",)})


def chained(*names: str) -> dict[str, tuple[str, ...]]:
    return {name: (names[number - 1],) if number else () for number, name in enumerate(names)}


@pytest.mark.parametrize("channels_first", [False, True])
def test_values_are_found_whatever_they_are_called_and_however_they_lie(channels_first: bool) -> None:
    values = {
        f"x{number}": np.moveaxis(OUTPUTS[name], 3, 1) if channels_first else OUTPUTS[name]
        for number, name in enumerate("abc")
    }
    found = matched(CHAIN, chained("x0", "x1", "x2"), values)
    assert pairs(CHAIN, found) == {"a": "x0", "b": "x1", "c": "x2"}
    assert max(one.error for one in found) == 0


def test_a_layer_that_was_merged_into_the_next_is_told_from_one_that_is_lost() -> None:
    found = matched(CHAIN, chained("x", "z"), {"x": OUTPUTS["a"], "z": OUTPUTS["c"]})
    assert pairs(CHAIN, found) == {"a": "x", "c": "z"}
    states = [layer.state for layer in drift(FP32, CHAIN, found).layers]
    assert states == ["same", "merged", "same"]
    found = matched(CHAIN, chained("x", "z"), {"x": OUTPUTS["a"], "z": 100 + 0 * OUTPUTS["c"]})
    outcome = drift(FP32, CHAIN, found)
    assert [layer.state for layer in outcome.layers] == ["same", "lost", "lost"]
    assert outcome.first_apart.name == "b"
    assert "no tensor matches layer 'b'" in str(outcome.sentence())


def test_a_value_unlike_a_layer_is_not_that_layer_where_all_behind_it_is_well() -> None:
    half = np.float32(0.5) * OUTPUTS["b"]
    found = matched(CHAIN, chained("x", "y", "z"), {"x": OUTPUTS["a"], "y": half, "z": OUTPUTS["c"]})
    assert pairs(CHAIN, found) == {"a": "x", "b": "y", "c": "z"}
    outcome = drift(FP32, CHAIN, found)
    assert [(layer.state, layer.value) for layer in outcome.layers] == [("same", "x"), ("merged", None), ("same", "z")]
    # Of two that read it, one is off.
    forked = model({"a": (), "b": ("a",), "c": ("b",), "d": ("b",)})
    sources = {"x": (), "y": ("x",), "z": ("y",), "w": ("y",)}
    values = {"x": OUTPUTS["a"], "y": half, "z": OUTPUTS["c"], "w": np.float32(0.5) * OUTPUTS["d"]}
    outcome = drift(FP32, forked, matched(forked, sources, values))
    assert [layer.state for layer in outcome.layers] == ["same", "apart", "same", "apart"]


def test_the_order_of_computation_rules_out_what_the_numbers_alone_would_take() -> None:
    # What is nearest to b is computed before a, so it cannot be b.
    values = {"early": OUTPUTS["b"] + np.float32(0.001), "x": OUTPUTS["a"], "y": OUTPUTS["b"] + np.float32(0.01)}
    found = matched(CHAIN, chained("early", "x", "y", "z"), {**values, "z": OUTPUTS["c"]})
    assert pairs(CHAIN, found) == {"a": "x", "b": "y", "c": "z"}


def test_branches_may_come_in_either_order() -> None:
    forked = model({"a": (), "b": ("a",), "c": ("a",), "d": ("b", "c")})
    sources = {"w": (), "y": ("w",), "x": ("w",), "z": ("y", "x")}
    values = {"w": OUTPUTS["a"], "y": OUTPUTS["c"], "x": OUTPUTS["b"], "z": OUTPUTS["d"]}
    assert pairs(forked, matched(forked, sources, values)) == {"a": "w", "b": "x", "c": "y", "d": "z"}


def test_the_first_layer_past_the_tolerance_is_named_with_its_error() -> None:
    noise = np.float32(0.1) * RNG.normal(size=OUTPUTS["b"].shape).astype(np.float32)
    values = {"x": OUTPUTS["a"], "y": OUTPUTS["b"] + noise, "z": OUTPUTS["c"] + 2 * noise}
    found = matched(CHAIN, chained("x", "y", "z"), values)
    outcome = drift(FP32, CHAIN, found)
    assert [layer.state for layer in outcome.layers] == ["same", "apart", "apart"]
    assert outcome.first_apart.name == "b"
    assert "'b' (ReLU): the error is 0." in str(outcome.sentence())
    assert drift(Variant("onnx", "int8"), CHAIN, found).sentence() is None
    document = outcome.to_json()
    assert document["first_apart"] == "b"
    assert [layer["value"] for layer in document["layers"]] == ["x", "y", "z"]


def test_values_that_are_not_numbers_match_nothing() -> None:
    broken = np.full_like(OUTPUTS["b"], np.nan)
    found = matched(CHAIN, chained("x", "y", "z"), {"x": OUTPUTS["a"], "y": broken, "z": broken})
    assert pairs(CHAIN, found) == {"a": "x"}
