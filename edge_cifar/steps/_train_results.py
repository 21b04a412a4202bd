"""What a finished training leaves in its run folder: weights, figures, pictures, and the record."""

from __future__ import annotations

import csv
import io
import shutil
from functools import partial
from typing import TYPE_CHECKING, Any

from edge_cifar import machine, packages, provenance
from edge_cifar.backbones import Model
from edge_cifar.documents.run import Run
from edge_cifar.documents.run_record import RunRecord
from edge_cifar.documents.schema import SCHEMA
from edge_cifar.errors import TrainingError
from edge_cifar.progress import Progress
from edge_cifar.run_data import RunData
from edge_cifar.steps._run_results import evaluated
from edge_cifar.storage import files

if TYPE_CHECKING:
    from edge_cifar.training.checkpoint import State


def publish(run: Run, model: Model, state: State, data: RunData, facts: dict[str, str], progress: Progress) -> None:
    """Evaluate, then write the run's files, the record last: before it there is no finished run.

    Args:
        run: where.
        model: with its final weights, in float32.
        state: settings and history of the training.
        data: with the test images.
        facts: what else the record shall say.
        progress: told the accuracy.

    Raises:
        TrainingError: the model outputs NaN or infinity; nothing was written.
    """
    from edge_cifar.report import figures
    from edge_cifar.training.complexity import multiply_adds
    from edge_cifar.training.loop import predict

    results = evaluated(partial(predict, model), data)
    if results is None:
        raise TrainingError(
            f"the model trained in {run.path} outputs NaN or infinity; train again with a lower --learning-rate "
            "or --mixed-precision off, and --overwrite"
        )
    # The settings are those the training was started with; the state's lists were recorded by its loop.
    told = {
        "kind": "run",
        "schema": SCHEMA,
        **state.settings,
        **facts,
        "image_size": state.settings["recipe"]["image_size"],
        "parameters": model.count_params(),
        "multiply_adds": multiply_adds(model),
        "versions": packages.versions("edge-cifar", "keras", "tensorflow", "jax", "torch", "numpy"),
        "machine": machine.facts(),
        "commit": provenance.commit(),
        "command": provenance.command(),
        "history": state.history,
        "phases": state.phases,
        "seconds": sum(phase["seconds"] for phase in state.phases),
        "validation": results.validation.to_json(),
        "test": results.test.to_json(),
    }
    # Results of an older run in this folder do not apply to the new model.
    run.record_path.unlink(missing_ok=True)
    run.forget_results()
    shutil.rmtree(run.export_path, ignore_errors=True)
    with files.atomic_write(run.model_path) as written:
        model.save(written)
    told["model"] = {"file": run.model_path.name, "sha256": files.sha256(run.model_path)}
    record = RunRecord.from_json(files.json_normal(told), str(run.record_path))
    results.write(run)
    files.write_text(run.path / "history.csv", _csv(state.history))
    figures.curves(record, run.path / "curves.png")
    record.write(run.record_path)
    shutil.rmtree(run.checkpoint_path, ignore_errors=True)
    results.say(progress)


def _csv(history: list[dict[str, Any]]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(history[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(history)
    return text.getvalue()
