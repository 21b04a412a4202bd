"""Markdown tables, and the documents that are generated from results."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

from support import ROOT
from support.report_samples import bench_document, benchmark, verified_row, verify_document, write, write_bench

from edge_cifar.report import tables

SCRIPT = ROOT / "benchmarks" / "readme_tables.py"


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, str(SCRIPT), *arguments], capture_output=True, text=True, check=False)


def test_a_table_has_a_line_for_each_artifact_and_each_reason_once() -> None:
    lines = tables.markdown(benchmark(bench_document()).measurements).replace("\u00a0", " ").splitlines()
    assert lines[0].startswith("| model | variant | top-1 (95 % CI) | latency p50 | latency p90 | size | peak RSS")
    assert len([line for line in lines if line.startswith("| ")]) == 2 + 18
    assert lines[2].startswith("| mobilenetv2 | tflite-fp32 | 94.12 % (93.7 to 94.6) | 0.664 ms |")
    assert [line for line in lines if "macOS only" in line] == [lines[-1]]


def test_synthetic_accuracy_is_called_so_in_its_cell() -> None:
    text = tables.markdown(benchmark(bench_document(synthetic=True)).measurements)
    assert text.count("synthetic |") == 12


def test_names_cannot_break_the_table() -> None:
    document = bench_document()
    document["results"][0]["model"] = "a|b\n<img>`x`"
    line = tables.markdown(benchmark(document).measurements).splitlines()[2]
    assert line.startswith("| a\\|b \\<img\\>\\`x\\` |")


def test_documents_are_generated_checked_and_left_alone_when_fresh(tmp_path: Path) -> None:
    write_bench(tmp_path / "benchmarks" / "results" / "two.json")
    readme = tmp_path / "README.md"
    write(tmp_path / "benchmarks" / "results" / "proofs.json", verify_document())
    kinds = ("two table", "two+proofs advice", "two picture", "two source")
    regions = "\n".join(f"<!-- generated: {kind} -->\nold\n<!-- end -->" for kind in kinds)
    readme.write_text(f"# Title\n\n{regions}\nkept\n", encoding="utf-8")
    root = f"--root={tmp_path}"

    assert run(root, "--check").returncode == 1
    assert "old" in readme.read_text(encoding="utf-8")
    written = run(root)
    assert written.returncode == 0, written.stderr
    text = readme.read_text(encoding="utf-8").replace("\u00a0", " ")
    assert "old" not in text
    assert "| mobilenetv2 | tflite-fp32 | 94.12 %" in text
    assert "> Ship mobilenetv2 onnx-int8" in text
    assert "](docs/pictures/two.svg)" in text
    assert "commit 0123abcd0123" in text
    assert text.endswith("kept\n")
    assert (tmp_path / "docs" / "pictures" / "two.svg").read_text(encoding="utf-8").startswith("<?xml")
    fresh = run(root, "--check")
    assert (fresh.returncode, fresh.stdout) == (0, "")

    write_bench(tmp_path / "benchmarks" / "results" / "two.json", speed=2.0)
    stale = run(root, "--check")
    assert stale.returncode == 1
    assert "out of date: README.md" in stale.stdout
    assert "two.svg" in stale.stdout


def test_a_document_advises_nothing_that_was_not_verified(tmp_path: Path) -> None:
    write_bench(tmp_path / "benchmarks" / "results" / "two.json")
    readme = tmp_path / "README.md"
    readme.write_text("<!-- generated: two advice -->\n<!-- end -->\n", encoding="utf-8")
    assert run(f"--root={tmp_path}").returncode == 0
    assert "> No recommendation: none of 12 artifacts is verified" in readme.read_text(encoding="utf-8")


def test_a_script_s_comparison_is_a_table_with_its_source(tmp_path: Path) -> None:
    document = {
        "commit": "0123abcd" * 5,
        "command": "python some.py",
        "machine": {"cpu_model": "AMD EPYC"},
        "data": {"name": "cifar10"},
        "comparison": {"columns": ["what", "accuracy", "points"], "rows": [["all | of it", "72.4 %", "-1.5"]]},
    }
    write(tmp_path / "benchmarks" / "results" / "some.json", document)
    (tmp_path / "README.md").write_text("<!-- generated: some comparison -->\n<!-- end -->\n", encoding="utf-8")
    assert run(f"--root={tmp_path}").returncode == 0
    assert (tmp_path / "README.md").read_text(encoding="utf-8").splitlines()[1:-1] == [
        "| what | accuracy | points |",
        "| --- | ---: | ---: |",
        "| all \\| of it | 72.4 % | -1.5 |",
        "",
        "Measured on AMD EPYC, commit 0123abcd0123, with `python some.py`; data: cifar10, sha256 unknown.",
    ]


def test_proofs_are_a_line_for_each_model_with_its_source(tmp_path: Path) -> None:
    bounds = {"margin": 0.002, "confident_agreement": 1.0, "max_abs_diff": 1e-3}
    floats: dict[str, Any] = {"tolerance": bounds, "max_abs_diff": 4.2e-6}
    quantized = {"confident": {"margin": 0.2, "images": 1900, "agreement": 0.9876}}
    unanswered = {"accuracy": None}
    found: dict[str, dict[str, Any]] = {
        "one": {"tflite-fp32": floats, "tflite-int8": quantized, "onnx-int8": unanswered},
        "two": {"tflite-fp32": floats | {"status": "fail"}, "coreml-fp32": {"images": 2000}},
    }
    data = {"name": "synthetic", "synthetic": True, "checksum": "ab" * 32}
    for model, rows in found.items():
        results = [verified_row(model, variant, data=data, **row) for variant, row in rows.items()]
        machine = {"cpu_model": "AMD EPYC"}
        document = verify_document(*results, machine=machine, command=f"edge-cifar verify {model}")
        write(tmp_path / "benchmarks" / "results" / f"verify-{model}.json", document)
    mark = "<!-- generated: verify-one+verify-two proofs -->\n<!-- end -->\n"
    (tmp_path / "README.md").write_text(mark, encoding="utf-8")
    done = run(f"--root={tmp_path}")
    assert done.returncode == 0, done.stderr
    source = (
        "Measured on AMD EPYC, commit 0123abcd0123, with `edge-cifar verify one`, `edge-cifar verify two`; "
        "data: synthetic (synthetic), sha256 abababababab; 2,000 images."
    )
    assert (tmp_path / "README.md").read_text(encoding="utf-8").replace("\u00a0", " ").splitlines()[1:-1] == [
        "| model | tflite-fp32 | tflite-int8 | onnx-int8 | coreml-fp32 |",
        "| --- | ---: | ---: | ---: | ---: |",
        "| one | ✓ 4.2e-06 | ✓ 98.76 % | pass | — |",
        "| two | fail | — | — | unverified |",
        "",
        source,
    ]


def test_a_missing_result_or_unknown_kind_is_one_sentence(tmp_path: Path) -> None:
    write_bench(tmp_path / "benchmarks" / "results" / "two.json")
    for mark, said in (
        ("three table", "no bench or verify report at"),
        ("two poem", "use one of table"),
        ("../x table", "outside"),
    ):
        (tmp_path / "README.md").write_text(f"<!-- generated: {mark} -->\n<!-- end -->\n", encoding="utf-8")
        done = run(f"--root={tmp_path}")
        assert done.returncode == 1
        assert said in done.stderr
        assert done.stderr.count("\n") == 1


def test_this_project_s_documents_are_up_to_date() -> None:
    done = run("--check")
    assert done.returncode == 0, f"{done.stdout}{done.stderr}run: python benchmarks/readme_tables.py"
