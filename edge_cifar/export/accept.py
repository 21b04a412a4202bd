"""The fourth stage: each finished conversion is checked against the Keras model, and kept or rejected."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, as_completed
from dataclasses import dataclass, replace
from pathlib import Path

from edge_cifar import formats, packages
from edge_cifar.compression.exchange import QAT
from edge_cifar.documents.artifact import Artifact
from edge_cifar.documents.bundle import Bundle
from edge_cifar.documents.conversion_record import ConversionRecord
from edge_cifar.documents.parity_check import Rejection
from edge_cifar.export import plan, source_model
from edge_cifar.export.acceptance import Acceptance, Outcome
from edge_cifar.export.compress import CompressedModels
from edge_cifar.export.mixed_precision import MixedPrecisionSearch
from edge_cifar.export.worker import Conversion
from edge_cifar.parity import inspection
from edge_cifar.processes.memory import peak_bytes
from edge_cifar.progress import Progress
from edge_cifar.storage import files
from edge_cifar.variant import Variant

# Slower than its own fp32 by this factor cannot be due to the small number of timed runs.
_SLOWER = 1.2
_NOT_REPRODUCIBLE = "its weights were retrained, and training does not sum floats in a fixed order"


@dataclass(frozen=True, kw_only=True)
class Accepted:
    """The outcome of the requested variants.

    Attributes:
        artifacts: those kept, in the requested order.
        rejected: the others, in that order too.
        peak_bytes: the largest memory that this process, and each format's worker, has held.
    """

    artifacts: tuple[Artifact, ...]
    rejected: tuple[Rejection, ...]
    peak_bytes: Mapping[str, int]


@dataclass(frozen=True, kw_only=True)
class _Checked:
    """A file that was written, with its answers."""

    path: Path
    record: ConversionRecord
    outcome: Outcome


@dataclass(frozen=True, kw_only=True)
class AcceptStage:
    """What it takes to keep or reject conversions.

    Attributes:
        variants: all that were asked for, in the order they are to be listed in.
        compressed: the source's models with compressed weights.
        acceptance: what artifacts have to meet.
        bundle: where they are to stand, without artifacts yet; those that are rejected are removed from its folder.
        progress: told of each.
        search: tries to bring rejected ones through; None to leave them rejected.
    """

    variants: Sequence[Variant]
    compressed: CompressedModels
    acceptance: Acceptance
    bundle: Bundle
    progress: Progress
    search: MixedPrecisionSearch | None = None

    def run(self, conversions: Iterable[Conversion]) -> Accepted:
        """Check every conversion when it finishes, and report the outcome.

        Args:
            conversions: one for each variant, in any order.
        """
        checked: dict[Variant, _Checked] = {}
        unwritten: dict[Variant, str] = {}
        peaks: dict[str, int] = {}
        for conversion, done in self._each_checked(conversions):
            variant = conversion.variant
            peaks[variant.format] = max(conversion.peak_bytes, peaks.get(variant.format, 0))
            if done is None:
                unwritten[variant] = str(conversion.reason)
            else:
                checked[variant] = done
        artifacts = self._artifacts(checked)
        failed = self._failing(artifacts, checked)
        rejected = []
        for variant in self.variants:
            if variant in unwritten:
                rejected.append(Rejection(variant=variant, failed=("conversion",), reason=unwritten[variant]))
            elif not (outcome := failed.get(variant, checked[variant].outcome)).passed:
                if checked[variant].path.exists():
                    files.remove(checked[variant].path)
                reason = str(outcome.reason)
                rejected.append(Rejection(variant=variant, failed=outcome.failed, reason=reason, parity=outcome.parity))
        kept = tuple(artifact for artifact in artifacts if artifact.variant not in failed)
        self._name_slow(kept)
        peaks = {"export": peak_bytes(), **{format_: peaks[format_] for format_ in sorted(peaks)}}
        return Accepted(artifacts=kept, rejected=tuple(rejected), peak_bytes=peaks)

    def _each_checked(self, conversions: Iterable[Conversion]) -> Iterator[tuple[Conversion, _Checked | None]]:
        """Each conversion with what was found; None for one that wrote nothing."""
        count = itertools.count(1)
        running: dict[Future[Outcome], tuple[Conversion, Path]] = {}

        def settled(future: Future[Outcome]) -> tuple[Conversion, _Checked]:
            conversion, path = running.pop(future)
            variant, record, outcome = conversion.variant, conversion.record, future.result()
            assert record is not None
            searchable = not outcome.passed and plan.searchable(variant)
            if self.search and searchable and (found := self.search.search(variant, path)):
                record, outcome = found
            fate = "passed" if outcome.passed else "rejected"
            self._say(next(count), f"{variant}: converted in {conversion.seconds:.1f} s, {fate}")
            return conversion, _Checked(path=path, record=record, outcome=outcome)

        for conversion in conversions:
            variant = conversion.variant
            if conversion.record is None:
                # Its reason is reported with those of the other rejected variants at the end.
                self._say(next(count), f"{variant}: conversion failed")
                yield conversion, None
                continue
            path = self.bundle.path / f"{variant}{formats.get(variant.format).suffix}"
            running[self.acceptance.workers.submit(self.acceptance.check, variant, path)] = conversion, path
            for future in [future for future in running if future.done()]:
                yield settled(future)
        for future in as_completed(list(running)):
            yield settled(future)

    def _say(self, number: int, text: str) -> None:
        self.progress.say(f"[{number}/{len(self.variants)}] {text}")

    def _artifacts(self, checked: Mapping[Variant, _Checked]) -> list[Artifact]:
        """Those that passed, as the manifest lists them."""
        sparse = any(variant.compression not in (None, QAT) for variant in self.variants)
        passed = [variant for variant in self.variants if variant in checked and checked[variant].outcome.passed]
        return [self._artifact(variant, checked[variant], gzipped=sparse) for variant in passed]

    def _artifact(self, variant: Variant, checked: _Checked, *, gzipped: bool) -> Artifact:
        path, compression = checked.path, variant.compression
        artifact = Artifact(
            path=path,
            variant=variant,
            sha256=files.sha256(path),
            size_bytes=files.size_bytes(path),
            labels=self.bundle.labels,
            conversion=checked.record,
            retraining=self.compressed.done[compression].record if compression else None,
            # Zeros and repeated values show only in the gzip size.
            gzip_bytes=files.gzip_bytes(path) if gzipped else None,
            reproducible=compression is None,
            not_reproducible_because=_NOT_REPRODUCIBLE if compression else None,
            parity=checked.outcome.parity,
            tool_versions=packages.versions(*self._tools(), *formats.get(variant.format).packages),
        )
        # So that verify can check the file wherever it is copied to.
        return replace(artifact, ranges=inspection.stored_ranges(artifact))

    def _tools(self) -> tuple[str, ...]:
        """The packages that read the model, beside those of the artifacts' formats."""
        source = self.bundle.source
        return () if source and source.file and source_model.is_onnx(source.file) else ("keras", "tensorflow")

    def _failing(self, artifacts: Sequence[Artifact], checked: Mapping[Variant, _Checked]) -> dict[Variant, Outcome]:
        """Those that ``verify`` would fail because of their contents, or by comparison with each other."""
        outcomes = [checked[artifact.variant].outcome for artifact in artifacts]
        verified = self.acceptance.verify(replace(self.bundle, artifacts=tuple(artifacts)), outcomes)
        return {
            artifact.variant: replace(outcome, failed=("contents",), reason=f"fails verify: {verification.reason}")
            for artifact, outcome, verification in zip(artifacts, outcomes, verified, strict=True)
            if verification.status == "fail"
        }

    def _name_slow(self, artifacts: Sequence[Artifact]) -> None:
        """Time all artifacts when nothing else runs, and report those slower than their fp32."""
        exact = {artifact.variant.format for artifact in artifacts if artifact.variant.precision == "fp32"}
        latencies = {
            artifact.variant: latency
            for artifact in artifacts
            if artifact.variant.format in exact and (latency := self.acceptance.latency_ms(artifact.path)) is not None
        }
        for variant, latency in latencies.items():
            fp32 = latencies.get(Variant(variant.format, "fp32"))
            if fp32 is not None and latency > _SLOWER * fp32:
                self.progress.say(
                    f"{variant} is slower than {variant.format}-fp32 on this machine "
                    f"({latency:.2f} ms vs. {fp32:.2f} ms): it saves space, not time"
                )
