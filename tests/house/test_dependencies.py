"""What docs/dependencies.md says of other packages: all of them, and their internals, each in one place and as used."""

from __future__ import annotations

import ast
import configparser
import importlib
import inspect
import re
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import pytest
from support import ROOT

from edge_cifar import packages

PACKAGE = ROOT / "edge_cifar"
DOCUMENT = (ROOT / "docs" / "dependencies.md").read_text(encoding="utf-8")
# Modules that their packages do not document.
UNDOCUMENTED = re.compile(
    r"(keras\.src|tf_keras\.src|tensorflow\.(python|lite\.(python|tools))|coremltools\.converters\.mil"
    r"|onnxruntime\.(quantization\.\w+|transformers)|ai_edge_litert\.schema_py_generated|waitress\.\w+)\b[\w.]*"
)
# Python's own, public in spite of the name.
PUBLIC = {"os._exit"}


@dataclass(frozen=True)
class Internal:
    """A row of the table of internals."""

    name: str
    file: str
    breaks: str

    @property
    def private(self) -> str | None:
        """The private attribute or argument; None where the row is of an undocumented module."""
        found = re.search(r"\b_\w+", self.name)
        return found.group() if found else None


def rows(heading: str) -> list[list[str]]:
    section = DOCUMENT.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("|")][2:]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


INTERNALS = [Internal(name.strip("`"), file.strip("`"), breaks) for name, file, breaks in rows("Internals")]


# ---- what files use


def private_names(tree: ast.AST) -> Iterator[str]:
    """Private attributes and arguments of what is not the file's own."""
    own = {node.name for node in ast.walk(tree) if isinstance(node, ast.ClassDef | ast.FunctionDef)} | {"self", "cls"}
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and _is_private(node.attr):
            if not (isinstance(node.value, ast.Name) and node.value.id in own) and ast.unparse(node) not in PUBLIC:
                yield node.attr
        elif isinstance(node, ast.Call):
            name = ast.unparse(node.func)
            if name in ("getattr", "setattr", "hasattr") and ast.unparse(node.args[0]) not in own:
                yield from (
                    one.value for one in node.args[1:2] if isinstance(one, ast.Constant) and _is_private(one.value)
                )
            if name.partition(".")[0] not in own:
                yield from (word.arg for word in node.keywords if word.arg and _is_private(word.arg))
        elif isinstance(node, ast.ImportFrom) and not (node.module or "").startswith("edge_cifar"):
            yield from (alias.name for alias in node.names if _is_private(alias.name))


def undocumented_modules(tree: ast.AST) -> Iterator[str]:
    """Undocumented modules that are imported, or named to be imported."""
    for node in ast.walk(tree):
        names = []
        if isinstance(node, ast.ImportFrom):
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            names = [node.value]
        yield from (name for name in names if UNDOCUMENTED.fullmatch(name))


def _is_private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__")


def _trees() -> Iterator[tuple[str, ast.AST]]:
    for path in sorted(PACKAGE.rglob("*.py")):
        yield path.relative_to(PACKAGE).as_posix(), ast.parse(path.read_text(encoding="utf-8"))


def test_private_names_of_other_packages_are_used_where_the_document_says_and_nowhere_else() -> None:
    found = {(name, file) for file, tree in _trees() for name in private_names(tree)}
    assert found == {(row.private, row.file) for row in INTERNALS if row.private}


def test_undocumented_modules_are_used_where_the_document_says_and_nowhere_else() -> None:
    # `waitress.queue` is the name of a log.
    found = {(name, file) for file, tree in _trees() for name in undocumented_modules(tree) if name != "waitress.queue"}
    rows = {(row.name, row.file) for row in INTERNALS if UNDOCUMENTED.match(row.name) and not row.private}

    def covers(module: str, name: str) -> bool:
        return name == module or name.startswith(f"{module}.")

    unlisted = [one for one in found if not any(covers(one[0], name) and one[1] == file for name, file in rows)]
    unused = [row for row in rows if not any(covers(name, row[0]) and row[1] == file for name, file in found)]
    assert (unlisted, unused) == ([], [])


@pytest.mark.parametrize(
    ("code", "names"),
    [
        ("layer._nodes", ["_nodes"]),
        ("self._own + cls._own", []),
        ("class Own: ...\nOwn._made(_given=1)", []),
        ("self._session._private", ["_private"]),
        ("getattr(session, '_private')", ["_private"]),
        ("Server(_sock=listener)", ["_sock"]),
        ("from package import _private", ["_private"]),
        ("from edge_cifar import _ours", []),
        ("os._exit(1); layer.__class__", []),
    ],
)
def test_private_names_are_found(code: str, names: list[str]) -> None:
    assert sorted(private_names(ast.parse(code))) == names


@pytest.mark.parametrize(
    ("code", "modules"),
    [
        ("from waitress.task import ErrorTask", ["waitress.task.ErrorTask"]),
        ("import keras.src.ops", ["keras.src.ops"]),
        ("require('tensorflow.lite.tools.flatbuffer_utils', 'train')", ["tensorflow.lite.tools.flatbuffer_utils"]),
        ("import waitress, onnxruntime.quantization; 'tensorflow.lite'", []),
    ],
)
def test_undocumented_modules_are_found(code: str, modules: list[str]) -> None:
    assert list(undocumented_modules(ast.parse(code))) == modules


# ---- what is installed


def _at(name: str) -> Any:
    """What a dotted name stands for."""
    parts = name.split(".")
    for count in range(len(parts), 0, -1):
        try:
            found = importlib.import_module(".".join(parts[:count]))
        except ModuleNotFoundError:
            continue
        for part in parts[count:]:
            found = getattr(found, part)
        return found
    raise ModuleNotFoundError(name)


def _takes(name: str, *parameters: str) -> Callable[[], bool]:
    """Whether what a name stands for can be called with these."""

    def check() -> bool:
        given = inspect.signature(_at(name)).parameters
        anything = any(one.kind is inspect.Parameter.VAR_KEYWORD for one in given.values())
        return anything or set(parameters) <= set(given)

    return check


def _has(name: str, *attributes: str) -> Callable[[], bool]:
    return lambda: set(attributes) <= set(dir(_at(name)))


def _graph_of_layers(package: str) -> Callable[[], bool]:
    def check() -> bool:
        keras = importlib.import_module(package)
        image = keras.Input((2,), name="image")
        hidden = keras.layers.Dense(1, name="dense")(image)
        by_depth = keras.Model(image, keras.layers.Add(name="add")([hidden, hidden]))._nodes_by_depth
        layers = {depth: [_layer(node) for node in nodes] for depth, nodes in by_depth.items()}
        parents = [_layer(parent) for parent in by_depth[0][0].parent_nodes]
        return (layers, parents) == ({2: ["image"], 1: ["dense"], 0: ["add"]}, ["dense", "dense"])

    return check


def _layer(node: Any) -> str:
    name: str = (node.operation if hasattr(node, "operation") else node.layer).name
    return name


def _disables_per_channel() -> bool:
    tensorflow = packages.require_tensorflow()

    @tensorflow.function(input_signature=[tensorflow.TensorSpec((1, 2), tensorflow.float32)])  # type: ignore[untyped-decorator]
    def nothing(values: Any) -> Any:
        return values + 1.0

    function = nothing.get_concrete_function()
    converter = tensorflow.lite.TFLiteConverter.from_concrete_functions([function], tensorflow.Module())
    return converter._experimental_disable_per_channel is False


def _makes_passes_anew() -> bool:
    registry = _at("coremltools.converters.mil.mil.passes.pass_registry.PASS_REGISTRY")
    names = [f"compression::insert_{end}_quantize_dequantize_pair" for end in ("prefix", "suffix")]
    made = [registry[name] for name in names]
    takes = all(hasattr(one, option) for one in made for option in ("config", "activation_stats"))
    registry["common::dequantize_quantize_pair_elimination"]
    return takes and all(registry[name] is not one for name, one in zip(names, made, strict=True))


def _packs_models() -> bool:
    schema = _at("ai_edge_litert.schema_py_generated")
    builder = _at("flatbuffers.Builder")(1024)
    builder.Finish(schema.ModelT().Pack(builder), file_identifier=b"TFL3")
    model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(bytes(builder.Output()), 0))
    return hasattr(model, "metadata") and {"BufferT", "MetadataT", "TensorT"} <= set(dir(schema))


def _sorted_operators() -> bool:
    registry = _at("onnxruntime.quantization.registry")
    return "Conv" in {*registry.QLinearOpsRegistry, *registry.QDQRegistry}


def _receives_chunks() -> bool:
    receiver = _at("waitress.receiver.ChunkedReceiver")(_at("waitress.buffers.OverflowableBuffer")(1))
    return all(hasattr(receiver, name) for name in ("control_line", "trailer", "chunk_remainder"))


def _connects() -> bool:
    adjustments = _at("waitress.adjustments.Adjustments")()
    server = SimpleNamespace(active_channels={})
    one, other = socket.socketpair()
    with one, other:
        channel = _at("waitress.channel.HTTPChannel")(server, one, ("127.0.0.1", 1), adjustments, map={})
        methods = ("received", "service", "parser_class", "error_task_class")
        state = ("requests", "request", "total_outbufs_len", "will_close", "close_when_flushed", "adj", "addr")
        return bool(server.active_channels) and all(hasattr(channel, name) for name in (*methods, *state))


_CALIBRATOR = "tensorflow.lite.python.optimize.calibrator"
CHECKS: dict[str, Callable[[], bool]] = {
    "keras.Model._nodes_by_depth": _graph_of_layers("keras"),
    "tf_keras.Model._nodes_by_depth": _graph_of_layers("tf_keras"),
    "tensorflow.python.framework.convert_to_constants.convert_variables_to_constants_v2": _takes(
        "tensorflow.python.framework.convert_to_constants.convert_variables_to_constants_v2", "func"
    ),
    "tensorflow.lite.python.convert.mlir_quantize": _takes(
        "tensorflow.lite.python.convert.mlir_quantize", "input_data_type", "output_data_type", "denylisted_nodes"
    ),
    f"{_CALIBRATOR}.Calibrator": lambda: (
        _has(f"{_CALIBRATOR}.Calibrator", "calibrate", "calibrate_and_quantize")()
        and _has(_CALIBRATOR, "add_intermediate_tensors")()
    ),
    "tensorflow.lite.TFLiteConverter._experimental_disable_per_channel": _disables_per_channel,
    "ai_edge_litert.schema_py_generated.ModelT": _packs_models,
    "onnxruntime.quantization.qdq_quantizer.QDQQuantizer": _takes(
        "onnxruntime.quantization.qdq_quantizer.QDQQuantizer",
        *("per_channel", "reduce_range", "weight_qType", "activation_qType", "tensors_range", "nodes_to_quantize"),
        *("nodes_to_exclude", "op_types_to_quantize", "extra_options"),
    ),
    "onnxruntime.quantization.registry.QDQRegistry": _sorted_operators,
    "onnxruntime.quantization.quant_utils.add_infer_metadata": _takes(
        "onnxruntime.quantization.quant_utils.add_infer_metadata", "model"
    ),
    "onnxruntime.quantization.shape_inference.quant_pre_process": lambda: callable(
        _at("onnxruntime.quantization.shape_inference.quant_pre_process")
    ),
    "onnxruntime.transformers.float16.convert_float_to_float16": _takes(
        "onnxruntime.transformers.float16.convert_float_to_float16", "keep_io_types"
    ),
    "onnxruntime.transformers.onnx_model.OnnxModel.graph_topological_sort": _takes(
        "onnxruntime.transformers.onnx_model.OnnxModel.graph_topological_sort", "graph"
    ),
    "coremltools.models.utils._apply_graph_pass": _takes(
        "coremltools.models.utils._apply_graph_pass", "spec_version", "skip_model_load", "return_pymil_prog"
    ),
    "coremltools.converters.mil.mil.Builder": _has("coremltools.converters.mil.mil.Builder", "const"),
    "coremltools.converters.mil.mil.passes.graph_pass.AbstractGraphPass": _has(
        "coremltools.converters.mil.mil.passes.graph_pass.AbstractGraphPass", "apply", "set_options"
    ),
    "coremltools.converters.mil.mil.passes.graph_pass.PassOption": _takes(
        "coremltools.converters.mil.mil.passes.graph_pass.PassOption", "option_name", "option_val"
    ),
    "coremltools.converters.mil.mil.passes.pass_registry.PASS_REGISTRY": _makes_passes_anew,
    "waitress.adjustments.Adjustments": _has(
        "waitress.adjustments.Adjustments",
        *("max_request_body_size", "max_request_header_size", "connection_limit", "channel_timeout"),
        *("cleanup_interval", "ident"),
    ),
    "waitress.channel.HTTPChannel": _connects,
    "waitress.parser.HTTPRequestParser": _has(
        "waitress.parser.HTTPRequestParser", "received", "completed", "error", "headers_finished", "body_rcv"
    ),
    "waitress.receiver.ChunkedReceiver": _receives_chunks,
    "waitress.server.TcpWSGIServer": _has(
        "waitress.server.TcpWSGIServer", "handle_accept", "maintenance", "pull_trigger", "channel_class"
    ),
    "waitress.task.ErrorTask": _has("waitress.task.ErrorTask", "execute", "write", "set_close_on_finish"),
    "waitress.utilities.BadRequest": _takes("waitress.utilities.BadRequest", "body"),
    "waitress.utilities.RequestEntityTooLarge": _takes("waitress.utilities.RequestEntityTooLarge", "body"),
    "waitress.task.ThreadedTaskDispatcher": _has(
        "waitress.task.ThreadedTaskDispatcher", "set_thread_count", "shutdown"
    ),
    "waitress.server.TcpWSGIServer(_sock)": _takes(
        "waitress.server.TcpWSGIServer", "map", "_sock", "dispatcher", "adj", "sockinfo", "bind_socket"
    ),
    "waitress.wasyncore.loop": lambda: (
        _takes("waitress.wasyncore.loop", "timeout", "use_poll", "map", "count")()
        and _takes("waitress.wasyncore.close_all", "map")()
    ),
}


def test_every_internal_has_its_check() -> None:
    assert list(CHECKS) == [row.name for row in INTERNALS]


@pytest.mark.parametrize("row", INTERNALS, ids=lambda row: row.name)
def test_an_internal_is_as_it_is_used(row: Internal) -> None:
    package = row.name.partition(".")[0]
    if not packages.installed(package):
        pytest.skip(f"{package} is not installed")
    if package in ("keras", "tf_keras", "tensorflow"):
        packages.require_tensorflow()
    try:
        sound = CHECKS[row.name]()
    except (AttributeError, ImportError, TypeError, KeyError) as error:
        pytest.fail(f"{row.name} is no longer as edge_cifar/{row.file} uses it ({error}): {row.breaks}")
    assert sound, f"{row.name} is no longer as edge_cifar/{row.file} uses it: {row.breaks}"


# ---- the packages


def test_the_document_lists_the_packages_of_every_extra() -> None:
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg", encoding="utf-8")
    required: dict[str, set[str]] = {}
    extras = dict(setup["options.extras_require"])
    for extra, requirements in {"": setup["options"]["install_requires"], **extras}.items():
        for line in requirements.split("\n"):
            name = re.match(r"[\w-]*", line.strip()).group()  # type: ignore[union-attr]
            if name and name != "edge-cifar" and extra not in ("dev", "all"):
                required.setdefault(name, set()).add(extra)
    listed = {name.strip("`"): set(extras.split(", ")) for name, extras, _ in rows("Packages")}
    assert listed == required
