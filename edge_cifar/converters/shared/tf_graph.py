"""A Keras model as a TensorFlow function, the form that every converter starts from."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path
from typing import Any

from edge_cifar import conversion_cache, packages, traced_graph
from edge_cifar.errors import ConversionError, first_line
from edge_cifar.processes import output_capture
from edge_cifar.storage import files

INPUT = "image"
OUTPUT = "probabilities"
BATCH = "batch"


def frozen(model: Any, batch: int | None) -> Any:
    """The model's inference as a concrete TensorFlow function whose weights are constants.

    Constants, because TFLite's converter loses the variables of a Keras 3 model that reaches it as a
    function, and then writes a file that answers NaN.

    The model is called with ``training=False``: without it Keras 3's ``Resizing`` leaks
    ``training=True`` to the layers after it, and the exported network would normalize by the
    batch's own statistics.

    Args:
        model: a Keras model.
        batch: images a call; None leaves it open.
    """
    return conversion_cache.once(model, ("frozen", batch), lambda: _frozen(model, batch))


def _frozen(model: Any, batch: int | None) -> Any:
    tensorflow = packages.require_tensorflow()
    signature = tensorflow.TensorSpec((batch, *model.input_shape[1:]), tensorflow.float32, name=INPUT)

    @tensorflow.function(input_signature=[signature], autograph=False)  # type: ignore[untyped-decorator]
    def probabilities(image: Any) -> Any:
        return tensorflow.identity(model(image, training=False), name=OUTPUT)

    return traced_graph.with_constants(probabilities.get_concrete_function())


def failed(
    format_: str, precision: str, error: Exception, chatter: output_capture.Chatter, model: Any
) -> ConversionError:
    """The error for a converter that gave up: names the layer and the operation it met, keeps what it printed.

    The whole of it stands in the chained exception, which ``--debug`` shows. The layer is one of ``model``, a Keras
    model; None for one of another kind.
    """
    if isinstance(error, OSError) and error.errno:
        # The disk's fault, not the model's.
        return ConversionError(str(files.cannot_write(Path(error.filename or tempfile.gettempdir()), error)))
    message = first_line(error)
    if chatter.text:
        error.add_note("The converter printed:\n" + chatter.text.strip())
    operations = sorted(set(re.findall(r"tf\.[A-Z]\w+|(?<=Unsupported ops: )\w+", str(error))))
    lacked = f" (unsupported operations: {', '.join(operations)})" if operations else ""
    layer = None if model is None else _layer_in(f"{error}\n{chatter.text}", model)
    named = f", because of layer {layer!r}" if layer else ""
    return ConversionError(f"{format_} cannot represent this model in {precision}{named}{lacked}: {message}")


def _layer_in(text: str, model: Any) -> str | None:
    """The layer that a converter's complaint names first: layers are scopes in the names of operations."""
    places = {
        found.start(): layer.name
        for layer in model.layers
        # Keras numbers a scope that it enters again.
        if (found := re.search(rf"/{re.escape(layer.name)}(_\d+)*/", text))
    }
    return places[min(places)] if places else None
