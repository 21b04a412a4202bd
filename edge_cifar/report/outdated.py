"""Results about other files than those that stand in the bundle now: an earlier one's, which was replaced since."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from edge_cifar.documents.bundle import Bundle

_KERAS = "keras-fp32"


def without_outdated(document: Any, bundles: Iterable[Bundle], home: Bundle | None = None) -> Any:
    """A ``bench`` or ``verify`` document without the rows that tell of artifacts which were replaced since.

    A row is held to the bundle by its artifact's checksum; one that has none, by that of the manifest which its
    document is about. Where neither is told, as in verifications of older versions, and where no bundle of the model
    is at hand, it is taken as it is.

    Args:
        document: as it was read; models by the bundles' names.
        bundles: those that the page is about.
        home: the bundle whose run the document was found in; rows about artifacts that it lacks are outdated too.

    Returns:
        the document itself where nothing is left out, else a copy; ``warnings`` tells how much was.
    """
    rows = document.get("results") if isinstance(document, dict) else None
    if not isinstance(rows, list):
        return document
    told = document.get("bundle")
    known = _Known(list(bundles), home, told if isinstance(told, dict) else {})
    kept = [row for row in rows if not (isinstance(row, dict) and known.outdated(row))]
    if len(kept) == len(rows):
        return document
    warning = (
        f"{len(rows) - len(kept)} of {len(rows)} rows are left out: they tell of artifacts that were replaced since; "
        "measure again"
    )
    told = document.get("warnings")
    return {**document, "results": kept, "warnings": [*(told if isinstance(told, list) else []), warning]}


class _Known:
    """What stands in the bundles now, and whether a document says that it is about none of them."""

    def __init__(self, bundles: Sequence[Bundle], home: Bundle | None, told: Mapping[str, Any]) -> None:
        self._models = {bundle.model for bundle in bundles}
        self._listed: dict[tuple[str, str], set[str]] = {}
        for bundle in bundles:
            for artifact in bundle.artifacts:
                self._listed.setdefault((bundle.model, str(artifact.variant)), set()).add(artifact.sha256)
            if bundle.source_sha256 is not None:
                self._listed.setdefault((bundle.model, _KERAS), set()).add(bundle.source_sha256)
        self._home = home
        manifest = told.get("manifest_sha256")
        self._of_another_bundle = manifest is not None and all(one.manifest_sha256 != manifest for one in bundles)

    def outdated(self, row: Mapping[str, Any]) -> bool:
        model, variant, checksum = (row.get(key) for key in ("model", "variant", "sha256"))
        if model not in self._models or not isinstance(variant, str):
            return False
        if checksum is None:
            return self._of_another_bundle
        if (model, variant) in self._listed:
            return checksum not in self._listed[model, variant]
        return self._home is not None and model == self._home.model and variant != _KERAS
