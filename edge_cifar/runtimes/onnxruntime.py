"""ONNX Runtime: runs ``.onnx`` files, on the CPU unless another of its execution providers is asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from edge_cifar import packages
from edge_cifar.documents.operators import Operator
from edge_cifar.errors import BundleError, MissingPackage, RuntimeUnavailable
from edge_cifar.pixels import PLAIN, ImageInput, Images, Quantization, Setup, demand_images, filled
from edge_cifar.processes import output_capture
from edge_cifar.runtimes import (
    Probabilities,
    Runtime,
    _external_data,
    _ort_profile,
    _outputs,
    embedded_labels,
)
from edge_cifar.runtimes._remedies import refusal
from edge_cifar.runtimes._shown import Shown
from edge_cifar.storage import scratch

NAME = "onnxruntime"
DEVICE = True
TIMED = True
LIBRARY = "onnxruntime"
_PROVIDERS = {
    "cpu": "CPUExecutionProvider",
    "xnnpack": "XnnpackExecutionProvider",
    "coreml": "CoreMLExecutionProvider",
    "cuda": "CUDAExecutionProvider",
}
BACKENDS: tuple[str, ...] = tuple(_PROVIDERS)
VERIFIED_TOO: tuple[str, ...] = ()

_EXTRA = "device"
_BATCH = 64
_NEWER = "it needs a newer ONNX Runtime; run: pip install --upgrade onnxruntime"
_REMEDIES = (
    ("ir version", _NEWER),
    ("official support for domain", _NEWER),
    ("not a registered function/op", "export it with standard ONNX operators only"),
    ("could not find an implementation", f"{_NEWER}, or export it with another opset"),
)
_TYPES = {
    "tensor(float)": np.float32,
    "tensor(float16)": np.float16,
    "tensor(double)": np.float64,
    "tensor(uint8)": np.uint8,
    "tensor(int8)": np.int8,
}


def unavailable(backend: str | None = None) -> str | None:
    """Why ONNX Runtime cannot run on this machine, or not with that execution provider."""
    if not packages.installed("onnxruntime"):
        return str(MissingPackage("onnxruntime", _EXTRA))
    if backend is None or backend == BACKENDS[0]:
        return None
    offered = packages.require(LIBRARY, _EXTRA).get_available_providers()
    if _PROVIDERS[backend] in offered:
        return None
    return f"this build of ONNX Runtime has no {_PROVIDERS[backend]}, only {', '.join(offered)}"


def load(path: Path, *, threads: int = 1, setup: Setup = PLAIN) -> Runtime:
    """Load an ``.onnx`` file.

    Args:
        path: the file.
        threads: CPU threads that one inference may use.
        setup: how to run it.

    Raises:
        MissingPackage: ONNX Runtime is not installed.
        RuntimeUnavailable: the execution provider does not start here, or the file cannot take that
            many images at once.
        BundleError: the file is damaged, or is no image classifier.
    """
    return OnnxRuntime(_session(path, threads, setup, profile_to=None), path.name, setup)


def beside(path: Path) -> tuple[Path, ...]:
    """The files beside an ``.onnx`` file that hold its weights.

    Raises:
        BundleError: one is missing or lies outside the file's folder, or the file is damaged.
    """
    return _external_data.files_of(path)


def profile(path: Path, image: Images, *, threads: int, setup: Setup, seconds: float) -> tuple[Operator, ...]:
    """What each node of the optimized graph costs, from ONNX Runtime's own profile.

    Args:
        path: the file.
        image: uint8 ``[H, W, 3]``.
        threads: CPU threads that one inference may use.
        setup: how to run it.
        seconds: how long to run it; at least a few inferences are.
    """
    with scratch.folder("profile") as folder:
        session = _session(path, threads, setup, profile_to=folder / "profile")
        infer = OnnxRuntime(session, path.name, setup).single(image)
        infer()
        inferences = _ort_profile.run_for(infer, seconds)
        return _ort_profile.operators(Path(session.end_profiling()), inferences)


def _session(path: Path, threads: int, setup: Setup, profile_to: Path | None) -> Any:
    """A session on the one execution provider that is asked for; the CPU takes what that one cannot."""
    onnxruntime = packages.require(LIBRARY, _EXTRA)
    provider = _PROVIDERS[setup.backend or BACKENDS[0]]
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.log_severity_level = 4
    if profile_to is not None:
        options.enable_profiling = True
        options.profile_file_prefix = str(profile_to)
    chosen: Any = provider
    if setup.backend == "xnnpack":
        # XNNPACK brings threads of its own; a second pool beside them would fight for the same cores.
        options.intra_op_num_threads = 1
        chosen = (provider, {"intra_op_num_threads": str(threads)})
    with _faults(str(path)), output_capture.captured():
        session = onnxruntime.InferenceSession(str(path), options, providers=[chosen])
    # A provider whose library or device is missing is replaced by the CPU without an error.
    if provider not in session.get_providers():
        raise RuntimeUnavailable(f"ONNX Runtime's {provider} is not usable on this machine")
    return session


@contextmanager
def _faults(source: str) -> Iterator[None]:
    """What ONNX Runtime finds wrong with a file, when it loads it or only when it computes it, as our own error."""
    try:
        yield
    except Exception as error:
        # The bindings raise classes of their own that share no base but Exception; names that are no text fail in
        # Python's.
        if not (type(error).__module__.startswith("onnxruntime") or isinstance(error, UnicodeDecodeError)):
            raise
        raise BundleError(refusal(source, "model that ONNX Runtime can run", error, _REMEDIES)) from error


class OnnxRuntime(Shown):
    """One session."""

    name = NAME

    def __init__(self, session: Any, source: str, setup: Setup) -> None:
        with _faults(source):
            inputs, outputs = session.get_inputs(), session.get_outputs()
        _outputs.demand_one_input(source, [one.name for one in inputs])
        # Classifiers of other tools also give the likeliest class, as text or as a number.
        scored = [one for one in outputs if _holds_scores(one.type)]
        if not scored:
            raise BundleError(f"{source} outputs {', '.join(one.type for one in outputs)}, not class scores")
        outputs = scored
        number = _outputs.chosen(source, [one.name for one in outputs], setup.output)
        if inputs[0].type not in _TYPES:
            raise BundleError(f"{source} takes {inputs[0].type} inputs, not images")
        shape = tuple(size if isinstance(size, int) else None for size in inputs[0].shape)
        self._session = session
        self._source = source
        self._input_name = inputs[0].name
        self._output_names = [outputs[number].name]
        self._names_of_map: tuple[str, ...] | None = None
        # ONNX states no scale for a graph's inputs: integers are taken for raw pixels, int8 for raw pixels - 128.
        zero_point = -128 if inputs[0].type == "tensor(int8)" else 0
        quantization = Quantization(dtype=np.dtype(_TYPES[inputs[0].type]), zero_point=zero_point)
        self._input = ImageInput.of(shape, quantization, source, setup)
        self._fixed_batch = shape[0]
        if setup.batch not in (1, self._fixed_batch or setup.batch):
            raise RuntimeUnavailable(f"{source} takes batches of {self._fixed_batch}, not {setup.batch}")
        self.batch = self._fixed_batch or setup.batch
        self.input_shape, self.any_size = self._input.shape, self._input.any_size
        self.preprocessing, self.range_ground = self._input.preprocessing, self._input.ground
        self.classes = self._answers(np.zeros((1, *self.input_shape), np.uint8)).shape[1]

    @property
    def labels(self) -> tuple[str, ...] | None:
        if self._names_of_map is not None:
            return self._names_of_map
        with _faults(self._source):
            texts: Mapping[str, str] = self._session.get_modelmeta().custom_metadata_map
        return embedded_labels.of_texts(texts, self._source)

    def predict(self, images: Images) -> Probabilities:
        """Class probabilities, float32 ``[N, classes]``, of raw RGB images, uint8 ``[N, H, W, 3]`` in 0..255."""
        demand_images(images, None if self.any_size else self.input_shape)
        batch = self._fixed_batch or _BATCH
        probabilities = np.empty((len(images), self.classes), np.float32)
        for start in range(0, len(images), batch):
            probabilities[start : start + batch] = self._answers(images[start : start + batch])
        return probabilities

    def single(self, image: Images) -> Callable[[], object]:
        feed = {self._input_name: filled(self._input.encode(image[np.newaxis]), self.batch)}
        run, output_names = self._session.run, self._output_names

        def infer() -> object:
            return run(output_names, feed)

        return infer

    def _answers(self, images: Images) -> Probabilities:
        # A graph with a fixed batch takes no smaller one.
        encoded = filled(self._input.encode(images), self._fixed_batch or len(images))
        with _faults(self._source):
            output = self._session.run(self._output_names, {self._input_name: encoded})[0]
        if isinstance(output, list):
            output = self._of_maps(output)
        return _outputs.rows(np.asarray(output), len(encoded), self._source)[: len(images)]

    def _of_maps(self, maps: Sequence[Mapping[str | int, float]]) -> Probabilities:
        """Scores from a ZipMap's output, which maps classes to scores, as Custom Vision and scikit-learn write it."""
        keys = tuple(maps[0]) if maps else ()
        if all(isinstance(key, str) for key in keys):
            self._names_of_map = tuple(map(str, keys))
        return np.array([[scores[key] for key in keys] for scores in maps], np.float32)


def _holds_scores(kind: str) -> bool:
    return kind in _TYPES or kind.startswith("seq(map(")
