"""Where the time and the energy of an inference go, where anybody tells."""

from __future__ import annotations

import json
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support import bench as bench_support
from support.bench import QUICK, fake_bundle
from support.mean_colour import images
from support.small_onnx import convolution

from edge_cifar import machine
from edge_cifar.bench import energy, peak
from edge_cifar.cli.main import main
from edge_cifar.errors import MeasurementError
from edge_cifar.pixels import Setup
from edge_cifar.runtimes import onnxruntime
from edge_cifar.steps.bench import bench

BRISK = replace(QUICK, processes=1, windows=2, seconds=0.02, warm_up_seconds=0.05, profile=True)
OPERATORS = [
    {"name": "first", "type": "Conv", "device": "cpu", "milliseconds": 0.3, "share": 0.75},
    {"name": "second", "type": "Conv", "device": "gpu", "milliseconds": 0.05, "share": 0.125},
    {"name": "third", "type": "Softmax", "device": "cpu", "milliseconds": 0.05, "share": 0.125},
]


@pytest.fixture(autouse=True)
def fake_runtime(monkeypatch: pytest.MonkeyPatch, in_folder: Path) -> None:
    bench_support.install(monkeypatch)
    monkeypatch.setattr(energy, "find", lambda: None)


def telling(folder: Path, **settings: Any) -> Any:
    """A bundle whose manifest knows its multiply-adds, and whose int8 artifact tells its operators."""
    bundle = fake_bundle(folder, {"fp32": {}, "int8": {"operators": OPERATORS, **settings}})
    changed = replace(bundle, multiply_adds=1_000_000)
    changed.write_manifest()
    return changed


def test_operators_stand_in_the_row_and_their_absence_has_a_reason(tmp_path: Path) -> None:
    full, small = bench(telling(tmp_path), protocol=BRISK).to_json()["results"]
    assert full["operators"] is None
    assert full["unprofiled"] == "this file does not tell"
    assert small["operators"] == OPERATORS
    assert small["unprofiled"] is None


def test_without_the_option_nothing_is_profiled(tmp_path: Path) -> None:
    document = bench(telling(tmp_path, fails={"profile": "crash"}), protocol=replace(BRISK, profile=False)).to_json()
    assert [row["operators"] for row in document["results"]] == [None, None]
    assert "peak_multiply_adds_per_s" not in document["machine"]


def test_an_artifact_that_crashes_while_profiled_costs_its_own_row(tmp_path: Path) -> None:
    full, small = bench(telling(tmp_path, fails={"profile": "crash"}), protocol=BRISK).to_json()["results"]
    assert full["status"] == "ok"
    assert small["status"] == "failed"
    assert small["reason"].startswith("while profiling: its process crashed with SIGABRT")


def test_speed_is_told_against_the_machines_best(tmp_path: Path) -> None:
    document = bench(telling(tmp_path), protocol=replace(BRISK, threads=(1, 2))).to_json()
    assert set(document["machine"]["peak_multiply_adds_per_s"]) == {"1", "2"}
    row = document["results"][0]
    assert row["multiply_adds_per_s"] == pytest.approx(1e9 / row["latency_ms"]["median"])


def test_people_get_the_operators_and_a_picture(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("matplotlib", reason="the picture is drawn with Matplotlib")
    telling(tmp_path / "bundle")
    arguments = ["--profile", "--seconds", "0.05", "--output", "result.json"]
    assert main(["bench", str(tmp_path / "bundle"), *arguments]) == 0
    out = capsys.readouterr().out
    assert "75.0" in out.split()
    assert "no operator profile: this file does not tell" in out
    assert "GMAC/s" in out
    assert "energy: no readable power meter" in out
    assert Path("result-profile.png").read_bytes().startswith(b"\x89PNG")


def test_onnx_runtime_tells_its_nodes(tmp_path: Path) -> None:
    pytest.importorskip("onnx", reason="the test's model is written with onnx")
    pytest.importorskip("onnxruntime", reason="ONNX Runtime tells")
    image = np.resize(images(1)[0], (32, 32, 3))
    found = onnxruntime.profile(convolution(tmp_path / "net.onnx"), image, threads=1, setup=Setup(), seconds=0.05)
    assert {"Conv", "GlobalAveragePool", "MatMul", "Softmax"} <= {operator.type for operator in found}
    assert {operator.device for operator in found} == {"cpu"}
    assert sum(operator.share or 0 for operator in found) == pytest.approx(1.0)
    # A 5 by 5 convolution is nearly all there is to do.
    assert max(found, key=lambda operator: operator.milliseconds or 0).type == "Conv"


def test_the_best_of_matrix_products_is_a_plausible_speed() -> None:
    assert 1e8 < peak.multiply_adds_per_s(1, machine.identity().get("cpu_features", ())) < 1e13


def test_the_best_speed_is_that_of_the_quickest_product(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each product of two 512 by 512 matrices takes 512 cubed multiply-adds; the clock is ours."""
    clock, spent = [0.0], iter([0.125, 0.0625, 0.25])

    def multiply(left: Any, right: Any, out: Any) -> None:
        clock[0] += next(spent)

    monkeypatch.setattr(peak.time, "perf_counter", lambda: clock[0])
    monkeypatch.setattr(peak.np, "matmul", multiply)
    assert peak._best(1) == 512**3 / 0.0625


@pytest.mark.parametrize(("features", "kernels"), [(["avx2", "avx512"], "SkylakeX"), (["avx2"], "absent")])
def test_the_speed_is_what_its_worker_answers_with_the_kernels_of_the_processor(
    features: list[str], kernels: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = tmp_path / "told"
    script = (
        "import os, pathlib, sys\n"
        "from edge_cifar.processes import request_loop\n"
        "def handle(request, answer):\n"
        "    found = os.environ.get('OPENBLAS_CORETYPE', 'absent') + ' ' + str(request['threads'])\n"
        "    pathlib.Path(sys.argv[1]).write_text(found)\n"
        "    answer({'multiply_adds_per_s': 2.5e9})\n"
        "request_loop.serve(handle)"
    )
    monkeypatch.delenv("OPENBLAS_CORETYPE", raising=False)
    monkeypatch.setattr(peak, "WORKER", (sys.executable, "-c", script, str(told)))
    assert peak.multiply_adds_per_s(3, features) == 2.5e9
    assert told.read_text() == f"{kernels} 3"


def test_a_product_that_fails_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peak, "WORKER", ("false",))
    with pytest.raises(MeasurementError, match="cannot measure the machine's peak speed"):
        peak.multiply_adds_per_s(1, ())


# ---- energy


def packages(folder: Path, *counters: int) -> list[Path]:
    """RAPL's files: one package a counter, a part of the first one, which counts in it already, and its range."""
    for number, counter in enumerate(counters):
        zone = folder / f"intel-rapl:{number}"
        zone.mkdir()
        (zone / "energy_uj").write_text(f"{counter}\n")
        (zone / "max_energy_range_uj").write_text("1000000\n")
    (folder / "intel-rapl:0:0").mkdir()
    (folder / "intel-rapl:0:0" / "energy_uj").write_text("77\n")
    return [folder / f"intel-rapl:{number}" for number in range(len(counters))]


def test_rapl_sums_packages_and_follows_a_counter_round(tmp_path: Path) -> None:
    first, second = packages(tmp_path, 900_000, 100)

    def work() -> None:
        time.sleep(0.05)
        (first / "energy_uj").write_text("50000\n")  # 150,000 µJ later, past the end of its range
        (second / "energy_uj").write_text("50100\n")

    meter = energy.Rapl.found(tmp_path)
    assert meter is not None
    start = time.monotonic()
    watts = meter.watts(work, 0.05)
    assert watts is not None
    assert 0.2 / (time.monotonic() - start) <= watts <= 0.2 / 0.05


@pytest.mark.parametrize("content", [None, "", "secret"])
def test_no_counter_or_one_that_may_not_be_read_is_no_meter(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / "intel-rapl:0").mkdir()
        (tmp_path / "intel-rapl:0" / "energy_uj").write_text(content)
    assert energy.Rapl.found(tmp_path) is None


def test_powermetrics_is_asked_on_a_mac_alone_and_read(monkeypatch: pytest.MonkeyPatch) -> None:
    assert energy.Powermetrics.found() is None or energy.platform.system() == "Darwin"
    monkeypatch.setattr(energy, "_POWERMETRICS", ("echo", "Combined Power (CPU + GPU + ANE): 4321 mW"))
    assert energy.Powermetrics().watts(lambda: None, 0.1) == 4.321
    monkeypatch.setattr(energy, "_POWERMETRICS", ("false",))
    assert energy.Powermetrics().watts(lambda: None, 0.1) is None


class Steady:
    """A meter of a machine that always draws the same."""

    source = "a test"

    def watts(self, work: Any, seconds: float) -> float:
        work()
        return 5.0


def test_energy_of_an_image_is_power_times_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(energy, "find", Steady)
    fake_bundle(tmp_path / "bundle", {"fp32": {}})
    assert main(["bench", "bundle", "--seconds", "0.05", "--output", "r.json"]) == 0
    document = json.loads(Path("r.json").read_text())
    assert document["machine"]["energy_meter"] == {"source": "a test", "idle_watts": 5.0}
    row = document["results"][0]
    assert row["energy"]["watts"] == 5.0
    assert row["energy"]["joules_per_image"] == pytest.approx(5.0 * row["latency_ms"]["mean"] / 1000)
    assert "mJ" in capsys.readouterr().out.split()


def test_energy_that_nobody_tells_is_left_out_and_not_zero(tmp_path: Path) -> None:
    (row,) = bench(fake_bundle(tmp_path, {"fp32": {}}), protocol=BRISK).to_json()["results"]
    assert row["energy"] is None
