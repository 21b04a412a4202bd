"""An ONNX file made elsewhere: what it takes and gives, its range found, and put together with its preprocessing."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_cifar import packages
from edge_cifar.data import Split
from edge_cifar.data.mapped_images import Images
from edge_cifar.errors import ModelError, first_line
from edge_cifar.evaluation import scores
from edge_cifar.importing import onnx_assembly, onnx_batch, onnx_file, outputs, range_search, scaling
from edge_cifar.importing.inputs import NetworkInput, Size, demand_one, of_shape
from edge_cifar.importing.network import Adapted
from edge_cifar.importing.scaling import Scaling
from edge_cifar.model_options import ModelOptions
from edge_cifar.preprocessing import Preprocessing, Range
from edge_cifar.runtimes import stated

FILE = "model.onnx"

_BATCH = 64
_COMPARED = 8
# The whole graph computes what the file does; float32 sums of another batch come in another order.
_SAME = 1e-4
_WEIGHTED = ("Conv", "ConvTranspose", "Gemm", "MatMul")
_SCALES = ("Add", "BatchNormalization", "Div", "Mul", "Sub")

Run = Callable[[NDArray[np.float32]], NDArray[np.float32]]


class OnnxNetwork:
    """See :class:`edge_cifar.importing.network.Network`.

    Args:
        path: the file.
        model: it, as :func:`edge_cifar.importing.onnx_file.opened` gives it.
        options: what was told of it.
        data_size: height and width of the images, where they have one of their own.

    Raises:
        ModelError: it is no classifier of one image, or takes no more than a fixed number of them.
        UsageError: it has no output of the name that was told.
    """

    def __init__(self, path: Path, model: Any, options: ModelOptions, data_size: Size | None) -> None:
        self.source = path.name
        self._says = stated.by_onnx(path)
        options = options.over(self._says)
        fed = onnx_file.inputs(model)
        shapes = [onnx_file.shape(value) for value in fed]
        demand_one(sum(len(shape) == 4 for shape in shapes), [value.name for value in fed], self.source)
        self.taken: NetworkInput = of_shape(
            shapes[0][1:],
            self.source,
            told=options.preprocessing,
            image_size=options.image_size,
            data_size=data_size,
        )
        self._fixed = shapes[0][0]
        self._original = model
        self._model = onnx_batch.freed(model)
        answers = self._probed()
        self._output = outputs.class_scores(
            {name: array.shape[1:] for name, array in answers.items()}, self.source, options.output
        )
        self._scores = int(answers[self._output][0].size)

    @property
    def classes(self) -> int:
        """How many it tells apart."""
        return scores.classes(self._scores)

    @property
    def labels(self) -> tuple[str, ...] | None:
        """Those in the file's metadata."""
        return self._says.labels

    def adapt(
        self,
        told: Preprocessing,
        images: Split,
        size: Size,
        given_range: Range | None,
        name: str,
        labels: tuple[str, ...] = (),
    ) -> Adapted:
        """Put the whole model together."""
        compute = self._session(self._model, self._output)

        @cache
        def front(preprocessing: Preprocessing) -> tuple[NetworkInput, Any]:
            taken = self.taken.with_channels(preprocessing.channels)
            return taken, onnx_assembly.front(self._model, taken, preprocessing, size)

        def ask(preprocessing: Preprocessing, some: Split) -> NDArray[np.float32]:
            return self._answers(front(preprocessing)[1], compute, some.images)

        says = self._says.preprocessing
        chosen, ground = range_search.search(
            self.source, self.taken, told.over(says), self._scaling(), images, given_range, labels, ask
        )
        if says.tells_range and not told.tells_range:
            ground = "as the file's metadata say"
        taken, before = front(chosen)
        some = np.asarray(images.images[:_BATCH])
        answers = self._answers(before, compute, some)
        if not scores.are_numbers(answers):
            raise ModelError(f"{self.source} outputs NaN or infinity")
        finish = outputs.finish(self._activation(), answers)
        whole = onnx_assembly.assembled(self._model, before, self._output, self._scores, finish)
        predict = self._predictor(whole)
        self._demand_same(before, predict, some[:_COMPARED], finish)
        return Adapted(
            model=whole,
            predict=predict,
            save=partial(_save, whole),
            file=FILE,
            parameters=onnx_assembly.parameters(self._model),
            multiply_adds=onnx_assembly.multiply_adds(whole),
            packages=("onnx", "onnxruntime"),
            input_range=range_search.words(chosen, taken.channels),
            ground=ground,
            output=outputs.SAID[finish],
        )

    def _probed(self) -> dict[str, NDArray[np.float32]]:
        """The answers to random images by output, and whether several at once give what each gives alone.

        Raises:
            ModelError: they do not, or the file cannot be run.
        """
        noise = np.random.default_rng(0).random((2 * (self._fixed or 1), *self.taken.shape), np.float32)
        alone = self._computed(self._original, noise, self._fixed or 1)
        try:
            together = self._computed(self._model, noise, len(noise))
            same = all(
                np.allclose(together[name], array, rtol=1e-3, atol=1e-3 * float(np.abs(array).max()), equal_nan=True)
                for name, array in alone.items()
            )
        except ModelError:
            same = False
        if not same:
            fault = "is not right about several images at once"
            if self._fixed is not None:
                fault = f"can only be run on {self._fixed} image(s) at a time"
            raise ModelError(
                f"{self.source} {fault}; export it with a batch of any size, such as "
                "torch.onnx.export(..., dynamic_shapes=({0: torch.export.Dim('batch')},))"
            )
        return alone

    def _computed(self, model: Any, images: NDArray[np.float32], batch: int) -> dict[str, NDArray[np.float32]]:
        """What all outputs of floats answer, by name."""
        session = _opened(model, self.source)
        names = [value.name for value in session.get_outputs() if value.type == "tensor(float)"]
        (image,) = session.get_inputs()
        parts = [
            _asked(session, names, {image.name: images[start : start + batch]}, self.source)
            for start in range(0, len(images), batch)
        ]
        return {name: np.concatenate(arrays) for name, arrays in zip(names, zip(*parts, strict=True), strict=True)}

    def _session(self, model: Any, output: str) -> Run:
        session = _opened(model, self.source)
        (image,) = session.get_inputs()
        return lambda given: _asked(session, [output], {image.name: given}, self.source)[0]

    def _answers(self, before: Any, compute: Run, images: Images) -> NDArray[np.float32]:
        """The network's scores ``[N, scores]`` for raw images."""
        prepare = self._session(before, before.graph.output[0].name)
        parts = []
        for start in range(0, len(images), _BATCH):
            batch = np.asarray(images[start : start + _BATCH]).astype(np.float32)
            parts.append(compute(prepare(batch)).reshape(len(batch), -1))
        return np.concatenate(parts)

    def _predictor(self, whole: Any) -> Callable[[Images], NDArray[np.float32]]:
        compute = self._session(whole, onnx_assembly.OUTPUT)

        def predict(images: Images) -> NDArray[np.float32]:
            parts = [
                compute(np.asarray(images[start : start + _BATCH]).astype(np.float32))
                for start in range(0, len(images), _BATCH)
            ]
            return np.concatenate(parts)

        return predict

    def _demand_same(self, before: Any, predict: Any, images: NDArray[np.uint8], finish: outputs.Finish) -> None:
        """Hold the whole model to the file.

        Raises:
            ModelError: they differ.
        """
        whole_batches = len(images) - len(images) % (self._fixed or 1)
        images = images[:whole_batches]
        prepared = self._session(before, before.graph.output[0].name)(images.astype(np.float32))
        answers = self._computed(self._original, prepared, self._fixed or 1)[self._output]
        expected = outputs.finished(answers.reshape(len(images), -1), finish)
        difference = float(np.abs(predict(images) - expected).max(initial=0.0))
        if not difference <= _SAME:
            raise ModelError(
                f"{self.source} cannot be imported: with its preprocessing in the graph it differs by {difference:.2g}"
            )

    def _activation(self) -> str | None:
        """The operator that gives the output, in small letters."""
        nodes = self._model.graph.node
        return next((str(node.op_type).lower() for node in nodes if self._output in node.output), None)

    def _scaling(self) -> Scaling | None:
        """What the nodes before the first one with weights make of a pixel."""
        graph = self._model.graph
        constants = {tensor.name for tensor in graph.initializer}
        before: list[Any] = []
        for node in graph.node:
            if node.op_type in _WEIGHTED and node.input[1] in constants:
                break
            before.append(node)
        else:
            return None
        scales = next((one.name for one in before if one.op_type in _SCALES), None)
        if scales is None or node.input[0] == graph.input[0].name:
            return None
        onnx = packages.require("onnx", "convert")
        probe = onnx.ModelProto()
        probe.CopyFrom(self._model)
        probe.graph.output.append(onnx.helper.make_tensor_value_info(node.input[0], onnx.TensorProto.FLOAT, None))
        return scaling.of_answers(self._session(probe, node.input[0]), self.taken, scales)


def _save(model: Any, path: Path) -> None:
    path.write_bytes(model.SerializeToString(deterministic=True))


def _opened(model: Any, source: str) -> Any:
    runtime = packages.require("onnxruntime", "convert")
    options = runtime.SessionOptions()
    options.log_severity_level = 4
    try:
        return runtime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    except Exception as error:
        # ONNX Runtime's own errors share no base but Exception.
        raise ModelError(f"ONNX Runtime cannot run {source} ({first_line(error)})") from error


def _asked(session: Any, names: list[str], given: dict[str, Any], source: str) -> list[NDArray[np.float32]]:
    try:
        answers: list[NDArray[np.float32]] = session.run(names, given)
    except Exception as error:
        raise ModelError(f"ONNX Runtime cannot run {source} ({first_line(error)})") from error
    return answers
