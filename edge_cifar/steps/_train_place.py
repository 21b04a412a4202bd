"""Where a training writes its run, what may stand there already, and how one that was cut off goes on."""

from __future__ import annotations

import itertools
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from edge_cifar import provenance
from edge_cifar.documents.run import ROOT, Run
from edge_cifar.errors import RunError, TrainingError, UsageError

# Of a command that is given again to go on: how a run began, or where it went.
_ONCE = ("--overwrite", "--increment", "--resume")
_PLACES = ("--out", "-o", "--name")


def run_at(backbone: str, out: Path | str | None, name: str | None, *, increment: bool, kept: bool) -> Run:
    """Where a run goes.

    Args:
        backbone: its network, which names it unless something else does.
        out: the folder.
        name: in place of ``out``: of a folder below ``./runs``.
        increment: choose the next free name where the folder exists.
        kept: whether the run is meant to go into a folder that exists.

    Raises:
        UsageError: the options exclude each other, or the name is none.
    """
    if out is not None and name is not None:
        raise UsageError("--name is a folder below ./runs, --out is any folder; use only one of them")
    if name is not None and (len(Path(name).parts) != 1 or name == ".."):
        raise UsageError(f"--name takes a name without slashes; for another place use --out; got {name!r}")
    run = Run(Path(out) if out is not None else ROOT / (name or backbone))
    if not increment:
        return run
    if kept:
        raise UsageError("--increment makes a new run; it cannot be combined with --resume or --overwrite")
    return _next_free(run) if run.path.exists() else run


def _next_free(run: Run) -> Run:
    """The run beside it whose name ends with the first free number: ``resnet8-2``."""
    numbered = (run.path.with_name(f"{run.path.name}-{number}") for number in itertools.count(2))
    return Run(next(path for path in numbered if not path.exists()))


def refuse_occupied(run: Run, *, resume: bool, overwrite: bool) -> None:
    """Refuse to overwrite an existing run, or to mix it with a new one, unless the user says so."""
    if resume and overwrite:
        raise UsageError("--resume continues a run, --overwrite replaces it; use only one of them")
    if run.finished and resume and not run.checkpoint_path.exists():
        raise RunError(f"the run in {run.path} is finished; nothing to resume")
    if not resume and not overwrite:
        if run.finished:
            raise RunError(
                f"{run.path} contains a finished run; replace it with --overwrite, train {_next_free(run).path} "
                "with --increment, or choose another place with --name or --out"
            )
        if run.checkpoint_path.exists():
            raise RunError(
                f"{run.path} contains an unfinished run; continue it with --resume, replace it with --overwrite, or "
                f"train {_next_free(run).path} with --increment"
            )


@contextmanager
def resumable(run: Run) -> Iterator[None]:
    """Whatever cuts a training off, Ctrl-C too, gets a note with the command that goes on, once there is a checkpoint.

    What says itself what to do about it gets none.
    """
    try:
        yield
    except (UsageError, RunError, TrainingError):
        raise
    except BaseException as error:
        command = provenance.command()
        if command and run.checkpoint_path.exists() and (going_on := continuing(command, run)):
            error.add_note(f"continue with: {going_on}")
        raise


def continuing(command: str, run: Run) -> str | None:
    """The command that goes on where another was cut off.

    Args:
        command: the command line that began the run, as a shell takes it.
        run: the run, which the other may have been given a number for.

    Returns:
        None for a command that trains among other things, such as ``demo``.
    """
    words = shlex.split(command)
    if "train" not in words:
        return None
    if "--increment" in words:
        words = [*_without_place(words), "--out", str(run.path)]
    return shlex.join([*(word for word in words if word not in _ONCE), "--resume"])


def _without_place(words: list[str]) -> Iterator[str]:
    rest = iter(words)
    for word in rest:
        if word in _PLACES:
            next(rest, None)
        elif word.partition("=")[0] not in _PLACES:
            yield word
