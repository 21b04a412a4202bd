"""The page: one self-contained HTML file that loads nothing from the network."""

from __future__ import annotations

import base64
import gzip
import hashlib
import importlib.metadata
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib import resources

from edge_cifar import packages
from edge_cifar.report import artifact_view, changes, class_view, fronts, palette, training_view
from edge_cifar.report.advice import Limits, advise
from edge_cifar.report.changes import Changes
from edge_cifar.report.examples import Examples
from edge_cifar.report.measurements import Benchmark, Measurement, distinct
from edge_cifar.report.trained import Trained
from edge_cifar.visible import all_visible, visible


@dataclass(frozen=True, kw_only=True)
class Document:
    """The content of one page.

    Attributes:
        measurements: of all benchmarks, and artifacts that were exported but not benchmarked.
        benchmarks: the reports they come from.
        runs: the training runs.
        examples: test images with the runs' predictions, one for each data set.
        changes: images whose predicted class changed by conversion, one for each verified bundle.
        limits: for the recommendation.
    """

    measurements: Sequence[Measurement] = ()
    benchmarks: Sequence[Benchmark] = ()
    runs: Sequence[Trained] = ()
    examples: Sequence[Examples] = ()
    changes: Sequence[Changes] = ()
    limits: Limits = field(default_factory=Limits)


def render(document: Document) -> str:
    """The page as HTML; equal documents give equal pages.

    Raises:
        MissingPackage: Jinja2 or Plotly is not installed.
    """
    jinja2 = packages.require("jinja2", "report")
    # StrictUndefined: a misspelled name in the template is an error, not an empty cell.
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True, finalize=_shown
    )
    template = environment.from_string(_asset("page.html"))
    # Only our own content is inserted unescaped: the style, the scripts, and JSON made safe by _json.
    safe = jinja2.utils.markupsafe.Markup
    packed, library_digest = _library()
    script = _asset("page.js")
    rows = document.measurements
    models = distinct([row.model for row in rows] + [run.name for run in document.runs])
    colours = palette.colours(models)
    several_machines = len(distinct(row.machine for row in rows)) > 1
    synthetic = _synthetic(document)
    tag = " (synthetic data)" if synthetic else ""
    lines = list(fronts.fronts(rows).values())
    data = {
        "rows": artifact_view.chart_rows(rows),
        "runs": [training_view.chart_run(run) for run in document.runs],
        "colours": colours,
        "scales": artifact_view.SCALES,
        "fronts": [{"name": front.name, "dash": front.plotly} for front in lines],
    }
    shown = {
        "title": _title(models, document),
        "subtitle": _subtitle(document),
        "tag": tag,
        "synthetic": synthetic,
        "advice": advise(rows, document.limits),
        "hint": _hint(document),
        "charts": artifact_view.charts(rows, tag),
        "fronts": lines,
        "undrawn": fronts.undrawn(rows),
        "facets": artifact_view.facets(rows, colours),
        "rows": artifact_view.rows(rows, colours),
        "columns": artifact_view.columns(several_machines),
        "several_machines": several_machines,
        "rejected": any(row.status == "rejected" for row in rows),
        "classes": class_view.by_class(rows),
        "profiles": artifact_view.profiles(rows),
        "across": artifact_view.across_machines(rows),
        "compared": training_view.compared(document.runs, colours),
        "examples": [training_view.examples(one, colours) for one in document.examples],
        "changes": changes.view(document.changes),
        "runs": [training_view.trained(run) for run in document.runs],
        "benchmarks": [artifact_view.benchmark(bench) for bench in document.benchmarks],
        "checksums": [(row.name, row.result.sha256) for row in rows if row.result.sha256],
    }
    html: str = template.render(
        **shown,
        sections=_sections(shown),
        version=importlib.metadata.version("edge-cifar"),
        policy=_policy(script, library_digest),
        css=safe(_asset("page.css")),
        script=safe(script),
        library=safe(packed),
        data=safe(_json(data)),
    )
    return html


def _title(models: Sequence[str], document: Document) -> str:
    names = f"{', '.join(models[:-1])} and {models[-1]}" if 1 < len(models) <= 4 else f"{len(models)} models"
    if len(models) == 1:
        names = models[0]
    sets = distinct(
        [row.result.data.name for row in document.measurements if row.result.data]
        + [run.data.name for run in document.runs]
    )
    words = [f"{name} data" if name == "synthetic" else name for name in sets]
    return f"{names} on {' and '.join(words)}" if words else names


def _subtitle(document: Document) -> str:
    artifacts = {(row.model, row.variant) for row in document.measurements}
    benched = {(row.model, row.variant) for row in document.measurements if row.status == "ok"}
    rejected = {(row.model, row.variant) for row in document.measurements if row.status == "rejected"} - benched
    words = []
    if benched:
        words.append(f"{len(benched)} of {len(artifacts)} artifacts measured")
    elif artifacts:
        words.append(f"{len(artifacts)} artifacts, none measured yet")
    if rejected:
        words.append(f"{len(rejected)} rejected by export")
    if document.runs:
        words.append(f"{len(document.runs)} training run" + ("s" if len(document.runs) > 1 else ""))
    return "; ".join([*words, *distinct(row.machine for row in document.measurements)])


def _synthetic(document: Document) -> str | None:
    """The text of the banner if any accuracy was measured on synthetic images; None otherwise."""
    flags = [row.synthetic for row in document.measurements if row.result.accuracy]
    flags += [run.data.synthetic for run in document.runs]
    if not any(flags):
        return None
    which = "All accuracies" if all(flags) else "The accuracies marked as synthetic"
    return f"{which} on this page were measured on computer-generated images and say nothing about real photographs."


def _hint(document: Document) -> str | None:
    if any(row.median_ms is not None for row in document.measurements):
        return None
    if any(row.status != "rejected" for row in document.measurements):
        return "Nothing has been measured yet; run: edge-cifar bench"
    return "Nothing has been exported or measured yet; run: edge-cifar export, then: edge-cifar bench"


def _sections(shown: Mapping[str, object]) -> list[tuple[str, str]]:
    runs = shown["runs"]
    assert isinstance(runs, list)
    optional = (
        ("charts", "trade-off", "Trade-offs"),
        ("rows", "artifacts", "Artifacts"),
        ("classes", "classes", "By class"),
        ("profiles", "profiles", "Profile"),
        ("across", "machines-compared", "Machines"),
        ("compared", "runs-compared", "Runs"),
        ("examples", "examples", "Predictions"),
        ("changes", "changes", "Changed by conversion"),
    )
    links = [(anchor, name) for key, anchor, name in optional if shown[key]]
    links += [(f"run-{number}", f"Training of {run['name']}") for number, run in enumerate(runs, 1)]
    return [*links, ("provenance", "Provenance")]


def _asset(name: str) -> str:
    return resources.files("edge_cifar.report").joinpath(name).read_text(encoding="utf-8")


@cache
def _library() -> tuple[str, str]:
    """Plotly.js, gzipped and in base64, and the digest by which the page's policy allows it."""
    source: str = packages.require("plotly.offline", "report").get_plotlyjs()
    # mtime=0 makes equal pages equal files.
    packed = base64.b64encode(gzip.compress(source.encode(), compresslevel=9, mtime=0)).decode("ascii")
    return packed, _digest(source)


def _policy(script: str, library_digest: str) -> str:
    """The page's content security policy: no network, and no scripts but these two.

    Inline styles are allowed because Plotly sets them, data: images because they are embedded.
    """
    return (
        f"default-src 'none'; script-src {_digest(script)} {library_digest}; "
        "style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'"
    )


def _digest(source: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(source.encode()).digest()).decode()}'"


def _shown(value: object) -> object:
    # Strings marked as safe are our own and stay as they are.
    return visible(value, keep="\n") if type(value) is str else value


def _json(value: object) -> str:
    """JSON that cannot end the script element that contains it."""
    text = json.dumps(all_visible(value), allow_nan=False, ensure_ascii=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
