"""``runs``: list the trained runs, look at one, remove or rename one."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from edge_cifar.documents import run as run_folders
from edge_cifar.documents.accuracy import Accuracy
from edge_cifar.documents.bundle import MANIFEST, Bundle
from edge_cifar.documents.run import ROOT, Run
from edge_cifar.documents.run_record import RunRecord
from edge_cifar.documents.verify_report import VerifyReport
from edge_cifar.errors import BundleError, EdgeCifarError, RunError
from edge_cifar.steps.verify import RESULT as VERIFIED
from edge_cifar.storage import exclusion, files

State = Literal["finished", "unfinished", "damaged"]


@dataclass(frozen=True, kw_only=True)
class ExportedArtifact:
    """An artifact of a run's bundle.

    Attributes:
        variant: format and precision.
        size_bytes: its size.
        verified: what ``verify`` found out about this very file; None where it was not verified.
    """

    variant: str
    size_bytes: int
    verified: str | None


@dataclass(frozen=True, kw_only=True)
class Summary:
    """A run in a list.

    Attributes:
        run: the run.
        state: ``damaged`` if its record cannot be read.
        changed: when it was finished, or when its checkpoint was last written; UTC.
        size_bytes: of all its files.
        record: of a finished run.
        artifacts: of its bundle.
        reason: what is damaged, in words.
    """

    run: Run
    state: State
    changed: datetime
    size_bytes: int
    record: RunRecord | None = None
    artifacts: tuple[ExportedArtifact, ...] = ()
    reason: str | None = None

    @property
    def verified(self) -> int:
        """How many artifacts passed ``verify``."""
        return sum(artifact.verified == "pass" for artifact in self.artifacts)

    def document(self) -> dict[str, Any]:
        """As JSON-safe values."""
        record = self.record
        return {
            "name": self.run.name,
            "path": str(self.run.path),
            "state": self.state,
            "reason": self.reason,
            "backbone": record.backbone if record else None,
            "data": record.data.name if record else None,
            "accuracy": Accuracy.to_json(record.test) if record else None,
            "size_bytes": self.size_bytes,
            "exported": len(self.artifacts),
            "verified": self.verified,
            "date": self.changed.isoformat(timespec="seconds"),
        }

    def details(self) -> dict[str, Any]:
        """As JSON-safe values, with the artifacts and the whole record."""
        artifacts = [asdict(artifact) for artifact in self.artifacts]
        return {**self.document(), "artifacts": artifacts, "record": self.record.to_json() if self.record else None}


def find(name: Path | str | None = None) -> Run:
    """A run by its path, or by its name below ``./runs``.

    Args:
        name: None for the run that was finished last.

    Raises:
        RunError: there is neither.
    """
    if name is None:
        return run_folders.newest()
    for folder in (Path(name), ROOT / name):
        if run_folders.is_run(folder):
            return Run(folder)
    raise RunError(f"no run at {name}, nor at {ROOT / name}; edge-cifar runs ls lists those there are")


def listed(
    root: Path | str = ROOT,
    *,
    backbone: str | None = None,
    data: str | None = None,
    min_accuracy: float | None = None,
    exported: bool | None = None,
    verified: bool | None = None,
) -> list[Summary]:
    """The runs directly below a folder, the newest first.

    Args:
        root: the folder.
        backbone: only those of this network.
        data: only those trained on this data set.
        min_accuracy: only those of at least this accuracy on the test images, in percent.
        exported: only those that have a bundle, or have none.
        verified: only those of whose bundle every artifact passed ``verify``, or not every one.

    Raises:
        RunError: the folder does not exist.
    """
    folder = Path(root)
    if not folder.is_dir():
        raise RunError(f"no folder {folder}; train a run with: edge-cifar train mobilenetv2")

    def wanted(one: Summary) -> bool:
        record = one.record
        all_verified = bool(one.artifacts) and one.verified == len(one.artifacts)
        return (
            (backbone is None or (record is not None and record.backbone == backbone))
            and (data is None or (record is not None and record.data.name == data))
            and (min_accuracy is None or (record is not None and 100 * record.test.top1 >= min_accuracy))
            and exported in (None, bool(one.artifacts))
            and verified in (None, all_verified)
        )

    found = filter(wanted, map(summary, run_folders.below(folder)))
    return sorted(found, key=lambda one: one.changed, reverse=True)


def summary(run: Run) -> Summary:
    """What a list says of a run; a damaged one is listed too, with the reason."""
    record, reason = None, None
    state: State = "finished" if run.finished else "unfinished"
    artifacts: tuple[ExportedArtifact, ...] = ()
    try:
        record = run.record() if run.finished else None
        artifacts = tuple(_artifacts(run))
    except EdgeCifarError as error:
        state, reason = "damaged", str(error)
    dated = run.record_path if run.finished else run.checkpoint_path
    return Summary(
        run=run,
        state=state,
        changed=datetime.fromtimestamp(dated.stat().st_mtime, UTC),
        size_bytes=sum(path.lstat().st_size for path in run.path.rglob("*") if not path.is_dir()),
        record=record,
        artifacts=artifacts,
        reason=reason,
    )


def remove(run: Run) -> None:
    """Remove a run's folder with all it holds, its bundle and results among it.

    Raises:
        RunError: the folder holds other runs, or the working directory.
        EdgeCifarError: another command is using the run, or the folder cannot be removed.
    """
    _refuse_around(run)
    with exclusion.moving(run.path, None, "runs rm"):
        files.discard(run.path)


def move(run: Run, to: Path | str) -> Run:
    """Rename a run, or move it elsewhere.

    Args:
        run: the run.
        to: a name, for a place beside the old one, or a path.

    Returns:
        The run in its new place. What was written about it, such as benchmarks, keeps its former name.

    Raises:
        RunError: something stands there already, or the folder holds other runs, or the working directory.
        EdgeCifarError: another command is using the run, or the place cannot be written.
    """
    target = run.path.parent / to if len(Path(to).parts) == 1 else Path(to)
    if target.exists():
        raise RunError(f"{target} already exists; choose another name")
    _refuse_around(run)
    with exclusion.moving(run.path, target, "runs mv"):
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            os.rename(run.path, target)
        except OSError as error:
            if error.errno != errno.EXDEV:
                raise files.cannot_write(target, error) from error
            # On another disk: it is whole there before it goes here.
            with files.atomic_write(target) as partial:
                shutil.copytree(run.path, partial, symlinks=True)
            files.discard(run.path)
    return Run(target)


def _refuse_around(run: Run) -> None:
    folder = run.path.resolve()
    if Path.cwd().is_relative_to(folder):
        raise RunError(f"{run.path} contains the working directory; change to another one first")
    if inner := next((one for one in folder.rglob(run_folders.RECORD) if one.parent != folder), None):
        raise RunError(f"{run.path} also contains the run {inner.parent}; move that one elsewhere first")


def _artifacts(run: Run) -> Iterator[ExportedArtifact]:
    files.recover(run.export_path)
    if not (run.export_path / MANIFEST).exists():
        return
    outcomes: dict[tuple[str, str | None], str] = {}
    with contextlib.suppress(BundleError):  # a damaged verification is as good as none
        report = VerifyReport.read(run.path / VERIFIED)
        outcomes = {(str(one.variant), one.sha256): one.status for one in report.results}
    for artifact in Bundle.open(run.export_path).artifacts:
        yield ExportedArtifact(
            variant=str(artifact.variant),
            size_bytes=artifact.size_bytes,
            verified=outcomes.get((str(artifact.variant), artifact.sha256)),
        )
