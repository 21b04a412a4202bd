"""ONNX files made elsewhere: opened or refused, and put together with the preprocessing that they were trained with."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from support.own_models import grey_images
from support.pytorch_onnx import CLASSES, MEAN, SIDE, STD, answers, classifier, standardized

from edge_cifar.data import Split
from edge_cifar.errors import ModelError, UsageError
from edge_cifar.evaluation import scores
from edge_cifar.importing import loading, onnx_file, onnx_network, outputs, pipeline
from edge_cifar.importing.inputs import NetworkInput
from edge_cifar.importing.network import Adapted
from edge_cifar.importing.onnx_assembly import front
from edge_cifar.model_options import ModelOptions, Told
from edge_cifar.pixels import ImageInput, Quantization, Setup
from edge_cifar.preprocessing import Preprocessing

onnx = pytest.importorskip("onnx", reason="the model files are made with onnx")
TOLD: Told = {"mean": MEAN, "std": STD}
IMAGES, LABELS = grey_images(200, (SIDE, SIDE), seed=3)


def adapted(path: Path, told: Told = TOLD, images: NDArray[np.uint8] = IMAGES) -> Adapted:
    options, size = ModelOptions.of(told), images.shape[1:3]
    network = pipeline.take_apart(loading.open_model(path), options, size)
    return network.adapt(options.preprocessing, Split(images=images, labels=LABELS), size, None, "net")


@pytest.mark.parametrize(
    ("made", "said"),
    [
        ({}, outputs.SAID["softmax"]),
        ({"batch": "n"}, outputs.SAID["softmax"]),
        # What is built in for one image is taken out: `x.view(1, -1)` in PyTorch.
        ({"flatten": "Reshape"}, outputs.SAID["softmax"]),
        ({"last": ("Softmax",)}, ""),
        # Softmax of the logarithms of probabilities gives these back.
        ({"last": ("LogSoftmax",)}, outputs.SAID["softmax"]),
        ({"named": False, "opset": 11}, outputs.SAID["softmax"]),
    ],
    ids=["logits", "any batch", "batch in a shape", "softmax", "log-softmax", "old and nameless"],
)
def test_the_whole_graph_answers_raw_pixels_as_the_file_does_standardized_ones(
    made: dict[str, Any], said: str, tmp_path: Path
) -> None:
    path = classifier(tmp_path / "net.onnx", **made)
    whole = adapted(path)
    expected = answers(path, standardized(IMAGES))
    expected = expected if made.get("last") == ("Softmax",) else scores.softmax(expected)
    np.testing.assert_allclose(whole.predict(IMAGES), expected, rtol=0, atol=1e-5)
    assert (whole.output, whole.ground) == (said, "as told")
    whole.save(tmp_path / "whole.onnx")
    written = onnx.load(tmp_path / "whole.onnx")
    onnx.checker.check_model(written, full_check=True)
    assert [side.dim_param or side.dim_value for side in written.graph.input[0].type.tensor_type.shape.dim] == [
        "batch",
        SIDE,
        SIDE,
        3,
    ]
    assert len({node.name for node in written.graph.node}) == len(written.graph.node)


@pytest.mark.parametrize(
    ("batch", "said"),
    [(1, r"can only be run on 1 image\(s\) at a time"), ("n", "is not right about several images at once")],
)
def test_a_graph_with_its_batch_built_in_is_refused(batch: int | str, said: str, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=rf"net\.onnx {said}; export it with a batch of any size"):
        adapted(classifier(tmp_path / "net.onnx", flatten="Concat", batch=batch))


def test_parameters_and_multiply_adds_are_those_of_the_layers(tmp_path: Path) -> None:
    whole = adapted(classifier(tmp_path / "net.onnx"))
    assert whole.parameters == (3 * 9 * 8 + 8) + (9 * 8 + 8) + (8 * 16 + 16) + (16 * CLASSES + CLASSES)
    assert whole.multiply_adds == 36 * (3 * 9 * 8 + 9 * 8 + 8 * 16) + 16 * CLASSES


@pytest.mark.parametrize(
    ("made", "ground"),
    [({}, "clearly the best of the usual ones"), ({"normalizes": True}, "its layer '/Sub' scales pixels itself")],
    ids=["tried", "in the graph"],
)
def test_a_range_that_nobody_tells_is_found(made: dict[str, Any], ground: str, tmp_path: Path) -> None:
    whole = adapted(classifier(tmp_path / "net.onnx", **made), told={})
    assert whole.ground.startswith(ground)
    assert (whole.predict(IMAGES).argmax(axis=1) == LABELS).mean() > 0.95


def test_a_range_in_the_files_metadata_is_taken(tmp_path: Path) -> None:
    path = classifier(tmp_path / "net.onnx", normalizes=True)
    model = onnx.load(path)
    onnx.helper.set_model_props(model, {"Image.NominalPixelRange": "NominalRange_0_255", "names": "a,b,c,d,e"})
    onnx.save(model, path)
    whole = adapted(path, told={})
    assert whole.ground == "as the file's metadata say"
    assert (whole.predict(IMAGES).argmax(axis=1) == LABELS).mean() > 0.95


def test_a_range_that_contradicts_the_graph_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"--mean=0\.485,0\.456,0\.406 contradicts net\.onnx: its layer '/Sub'"):
        adapted(classifier(tmp_path / "net.onnx", normalizes=True))


def test_the_output_with_the_scores_is_named(tmp_path: Path) -> None:
    path = classifier(tmp_path / "net.onnx", second_output=True)
    with pytest.raises(ModelError, match=r"has 2 outputs \(logits \[5\], features \[16\]\); name the class scores"):
        adapted(path)
    assert adapted(path, {**TOLD, "output_name": "logits"}).predict(IMAGES).shape == (200, CLASSES)


def test_weights_beside_the_file_come_along(tmp_path: Path) -> None:
    path = classifier(tmp_path / "net.onnx")
    expected = adapted(path).predict(IMAGES)
    plain = loading.open_model(path).sha256
    onnx.save(onnx.load(path), path, save_as_external_data=True, location="net.onnx.data", size_threshold=0)
    whole, opened = adapted(path), loading.open_model(path)
    np.testing.assert_array_equal(whole.predict(IMAGES), expected)
    assert opened.sha256 != plain
    alone = tmp_path / "alone.onnx"
    whole.save(alone)
    (tmp_path / "net.onnx.data").unlink()
    with pytest.raises(ModelError, match=r"net\.onnx\.data, which is missing"):
        loading.open_model(path)
    np.testing.assert_allclose(answers(alone, IMAGES[:2].astype(np.float32)), expected[:2], atol=1e-6)


def _one_score(path: Path, *, sigmoid: bool) -> Path:
    """The brightness of grey images as one score, ``[N, 1, 1, 1]``; logit or probability that they are bright."""
    helper, constant = onnx.helper, onnx.numpy_helper.from_array
    nodes = [
        helper.make_node("Conv", ["x", "weight", "bias"], ["planes"]),
        helper.make_node("GlobalAveragePool", ["planes"], ["score"]),
        *([helper.make_node("Sigmoid", ["score"], ["p"])] if sigmoid else []),
    ]
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        nodes,
        "one",
        [value("x", onnx.TensorProto.FLOAT, ["n", 3, SIDE, SIDE])],
        [value("p" if sigmoid else "score", onnx.TensorProto.FLOAT, ["n", 1, 1, 1])],
        [constant(np.full((1, 3, 1, 1), 4, np.float32), "weight"), constant(np.array([-6], np.float32), "bias")],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return path


@pytest.mark.parametrize("sigmoid", [True, False])
def test_one_score_becomes_two_probabilities(sigmoid: bool, tmp_path: Path) -> None:
    whole = adapted(_one_score(tmp_path / "net.onnx", sigmoid=sigmoid), {"input_range": (0, 1)})
    bright = 1 / (1 + np.exp(6 - 4 * IMAGES.astype(np.float64).mean(axis=(1, 2)).sum(axis=1) / 255))
    np.testing.assert_allclose(whole.predict(IMAGES), np.stack([1 - bright, bright], axis=1), atol=1e-5)
    assert whole.output == outputs.SAID["pair" if sigmoid else "sigmoid-pair"]


@pytest.mark.parametrize("layout", ["nhwc", "nchw"])
@pytest.mark.parametrize("channels", ["rgb", "bgr", "gray"])
def test_the_front_prepares_pixels_as_other_commands_do(channels: Any, layout: Any, tmp_path: Path) -> None:
    depth = 1 if channels == "gray" else 3
    shape = (6, 4, depth) if layout == "nhwc" else (depth, 6, 4)
    taken = NetworkInput(height=6, width=4, channels=channels, layout=layout, shape=shape)
    # Told in the order of the network's channels.
    told = Preprocessing(mean=MEAN[:depth], std=STD[:depth], channels=channels, layout=layout)
    colours = np.random.default_rng(0).integers(0, 256, (5, 6, 4, 3), np.uint8)
    network = onnx.load(classifier(tmp_path / "net.onnx"))
    path = tmp_path / "front.onnx"
    onnx.save(front(network, taken, told, (6, 4)), path)
    encoder = ImageInput.of((None, *shape), Quantization(dtype=np.dtype(np.float32)), "x", Setup(preprocessing=told))
    # Luminance is rounded to whole numbers there.
    slack = 0.51 / 255 / min(STD) if channels == "gray" else 1e-5
    np.testing.assert_allclose(answers(path, colours.astype(np.float32)), encoder.encode(colours), atol=slack)


@pytest.mark.parametrize("size", [(9, 7), (25, 30)])
def test_images_of_another_size_are_resized_in_the_graph(size: tuple[int, int], tmp_path: Path) -> None:
    images, _ = grey_images(200, size, seed=3)
    whole = adapted(classifier(tmp_path / "net.onnx"), images=images)
    assert (whole.predict(images).argmax(axis=1) == LABELS).mean() > 0.95


def test_values_of_the_network_may_bear_the_names_of_the_whole(tmp_path: Path) -> None:
    path = classifier(tmp_path / "net.onnx")
    model = onnx.load(path)
    for node in model.graph.node:
        node.input[:] = ["image" if name == "x" else "probabilities" if name == "r1" else name for name in node.input]
        node.output[:] = ["probabilities" if name == "r1" else name for name in node.output]
    model.graph.input[0].name = "image"
    onnx.save(model, tmp_path / "same.onnx")
    np.testing.assert_array_equal(adapted(tmp_path / "same.onnx").predict(IMAGES), adapted(path).predict(IMAGES))


def test_nothing_of_the_exporters_machine_is_kept(tmp_path: Path) -> None:
    path = classifier(tmp_path / "net.onnx")
    model = onnx.load(path)
    for node in model.graph.node:
        node.doc_string = "/users/somebody/train.py(12)"
        node.metadata_props.add(key="pkg.torch.onnx.stack_trace", value="/users/somebody/train.py")
    onnx.save(model, path)
    adapted(path).save(tmp_path / "whole.onnx")
    assert b"somebody" not in (tmp_path / "whole.onnx").read_bytes()


def _quantized(path: Path) -> None:
    pytest.importorskip("onnxruntime.quantization").quantize_dynamic(str(classifier(path)), str(path))


def _two_inputs(path: Path) -> None:
    model = onnx.load(classifier(path))
    model.graph.input.append(onnx.helper.make_tensor_value_info("mask", onnx.TensorProto.FLOAT, [1, 1, SIDE, SIDE]))
    onnx.save(model, path)


def _detector(path: Path) -> None:
    model = onnx.load(classifier(path))
    del model.graph.output[:]
    model.graph.output.append(onnx.helper.make_tensor_value_info("r2", onnx.TensorProto.FLOAT, [1, 16, 6, 6]))
    onnx.save(model, path)


def _half(path: Path) -> None:
    half = pytest.importorskip("onnxruntime.transformers.float16").convert_float_to_float16
    onnx.save(half(onnx.load(classifier(path)), keep_io_types=True), path)


def _bytes_in(path: Path) -> None:
    model = onnx.load(classifier(path))
    model.graph.input[0].type.tensor_type.elem_type = onnx.TensorProto.UINT8
    onnx.save(model, path)


def _unknown_operator(path: Path) -> None:
    model = onnx.load(classifier(path))
    model.graph.node[1].op_type = "Bessel"
    onnx.save(model, path)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (_quantized, r"net\.onnx is quantized already .*; give the float32 model that it was made from"),
        (_two_inputs, r"net\.onnx has 2 image inputs \(x, mask\); only classifiers of one image"),
        (_detector, r"the output r2 of net\.onnx has shape \[16, 6, 6\], a detector's or a segmentation's"),
        (_half, r"net\.onnx stores weights in half precision; export the model in float32"),
        (_bytes_in, r"net\.onnx takes uint8 inputs \(x\); export it with a float32 image"),
        (_unknown_operator, r"ONNX Runtime cannot run net\.onnx .*Bessel"),
        (lambda path: path.write_bytes(b"no model"), r"net\.onnx is no ONNX model that can be read"),
        (lambda path: path.write_bytes(b""), r"net\.onnx is no ONNX model that can be read"),
    ],
    ids=["quantized", "two inputs", "detector", "half", "bytes", "operator", "damaged", "empty"],
)
def test_what_is_no_float32_classifier_is_refused(make: Any, said: str, tmp_path: Path) -> None:
    path = tmp_path / "net.onnx"
    make(path)
    with pytest.raises(ModelError, match=said):
        adapted(path)


def test_old_files_list_their_weights_among_the_inputs(tmp_path: Path) -> None:
    path = classifier(tmp_path / "net.onnx")
    model = onnx.load(path)
    for tensor in model.graph.initializer:
        model.graph.input.append(onnx.helper.make_tensor_value_info(tensor.name, tensor.data_type, tensor.dims))
    onnx.save(model, path)
    assert [value.name for value in onnx_file.opened(path).graph.input] == ["x"]
    assert adapted(path).file == onnx_network.FILE
