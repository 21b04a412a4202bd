"""Mixed-precision search: bring a rejected int8 artifact through its check by leaving layers in float."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from edge_cifar import conversion_cache
from edge_cifar.converters import Options
from edge_cifar.documents.conversion_record import ConversionRecord
from edge_cifar.export.acceptance import Acceptance, Outcome
from edge_cifar.export.conversion import LoadedModel
from edge_cifar.export.sensitivity import fewest, rank
from edge_cifar.export.source import Source
from edge_cifar.progress import Progress
from edge_cifar.storage import files
from edge_cifar.variant import Variant

# Enough for a ranking: sensitive layers stand out by several decibels.
_RANKED_IMAGES = 200


@dataclass(frozen=True, kw_only=True)
class MixedPrecisionSearch:
    """What is needed to convert a variant again.

    Attributes:
        source: that the variants are made from.
        loaded: its model.
        acceptance: what an artifact has to meet.
        progress: told how it goes.
    """

    source: Source
    loaded: LoadedModel
    acceptance: Acceptance
    progress: Progress

    def search(self, variant: Variant, path: Path) -> tuple[ConversionRecord, Outcome] | None:
        """Rewrite an artifact with as few layers in float as its check needs.

        Args:
            variant: that was rejected.
            path: where to write it.

        Returns:
            what its converter told and the outcome of its check; None when no layer helps, and nothing is written.
        """
        loaded, gate = self.loaded, self.acceptance.gate
        tried: dict[tuple[str, ...], tuple[ConversionRecord, Outcome]] = {}

        def suffices(layers: tuple[str, ...]) -> bool:
            options = Options(keep_float=layers)
            record = loaded.convert(variant, path, options, self.source.metadata(variant))
            record = replace(record, calibrated_ranges=loaded.ranges(variant, path, options))
            outcome = self.acceptance.check(variant, path)
            tried[layers] = record, outcome
            return outcome.passed

        with conversion_cache.unchanged(loaded.source.native):
            images, expected = gate.split.images[:_RANKED_IMAGES], gate.probabilities[:_RANKED_IMAGES]
            ranked = rank(loaded, variant.format, images, expected, self.progress)
            layers = fewest([noise.layer for noise in ranked], suffices)
            if layers is None:
                files.remove(path)
                return None
            # The last attempt need not be the chosen one.
            suffices(layers)
        self.progress.say(f"{variant} passes with {', '.join(layers)} kept in float")
        return tried[layers]
