"""The machine's facts: known ones only, nothing private, in no time; and when they make figures doubtful."""

from __future__ import annotations

import getpass
import json
import socket
from typing import Any

import pytest
from support.pace import times_longer

from edge_cifar import machine
from edge_cifar.bench import conditions
from edge_cifar.processes import programs


def test_facts_are_json_and_hold_no_empty_value() -> None:
    facts = machine.facts()
    assert json.loads(json.dumps(facts, allow_nan=False)) == facts
    assert all(value is not None and value != "" for value in facts.values())
    assert {"architecture", "logical_cores", "memory_bytes", "os", "kernel", "python"} <= facts.keys()
    assert facts["memory_bytes"] > 100_000_000


def test_facts_name_no_host_and_no_folder() -> None:
    values = [value for value in machine.facts().values() if isinstance(value, str)]
    assert socket.gethostname() not in values
    assert getpass.getuser() not in values
    assert not any(value.startswith("/") for value in values)


def test_facts_cost_little_processor_time() -> None:
    machine.facts()
    # Measured: a twentieth.
    assert times_longer(machine.facts, lambda: sum(number * number for number in range(1_000_000))) < 1


def test_machine_without_sys_tells_the_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing() -> None:
        raise FileNotFoundError("/sys/class/power_supply")

    monkeypatch.setattr(machine.psutil, "sensors_battery", missing, raising=False)
    facts = machine.facts()
    assert "power_source" not in facts
    assert facts["usable_cores"] >= 1


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ("throttled=0x0\n", []),
        ("throttled=0x50005\n", ["under-voltage", "throttled", "under-voltage since boot", "throttled since boot"]),
        ("", None),
    ],
)
def test_a_raspberry_pi_tells_its_throttling(
    told: str, expected: list[str] | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(programs, "output", lambda program, *_, **__: told if program == "vcgencmd" else "")
    assert machine.condition().get("throttling") == expected


def test_a_raspberry_pis_processor_is_told_by_its_part_number(monkeypatch: pytest.MonkeyPatch) -> None:
    cpuinfo = "processor\t: 0\nFeatures\t: fp asimd asimddp\nCPU implementer\t: 0x41\nCPU part\t: 0xd0b\n"
    monkeypatch.setattr(machine, "_read", lambda path: cpuinfo if path == "/proc/cpuinfo" else "")
    monkeypatch.setattr(machine.platform, "system", lambda: "Linux")
    facts = machine.identity()
    assert facts["cpu_model"] == "Cortex-A76"
    assert facts["cpu_features"] == ["dotprod", "neon"]


def test_a_mac_tells_its_chip_and_its_speed_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    told = {
        "sysctl": "machdep.cpu.brand_string: Apple M1\nhw.optional.arm.FEAT_DotProd: 1\nhw.optional.arm.FEAT_SME: 0\n",
        "pmset": "CPU Power notify\n\tCPU_Speed_Limit \t= 80\n",
    }
    monkeypatch.setattr(programs, "output", lambda program, *_, **__: told.get(program, ""))
    monkeypatch.setattr(machine.platform, "system", lambda: "Darwin")
    facts = machine.facts()
    assert facts["cpu_model"] == "Apple M1"
    assert facts["cpu_features"] == ["dotprod"]
    assert facts["speed_limit_percent"] == 80


@pytest.mark.parametrize(
    ("before", "after", "others", "said"),
    [
        ({}, {}, 0.1, None),
        ({}, {"load_average": [3.0, 2.0, 1.0]}, 1.5, "other processes used 1.5 cores"),
        ({}, {"throttling": ["throttled"]}, None, "is throttled (throttled)"),
        ({"throttling": []}, {"throttling": ["throttled since boot"]}, None, "was throttled during the measurement"),
        ({"throttling": ["throttled since boot"]}, {"throttling": ["throttled since boot"]}, None, None),
        ({"throttle_count": 1}, {"throttle_count": 2}, None, "overheated"),
        ({}, {"speed_limit_percent": 80}, None, "80 %"),
        ({"power_source": "battery"}, {"power_source": "mains"}, None, "on battery"),
    ],
)
def test_a_doubtful_condition_is_warned_about(
    before: dict[str, Any], after: dict[str, Any], others: float | None, said: str | None
) -> None:
    found = conditions.warnings(before, after, others)
    assert found == [] if said is None else (len(found) == 1 and said in found[0])


def test_what_we_use_of_the_processor_ourselves_is_not_counted_as_others(monkeypatch: pytest.MonkeyPatch) -> None:
    clocks = {"busy": 1000.0, "own": 20.0, "wall": 500.0}
    monkeypatch.setattr(conditions, "_busy_seconds", lambda: clocks["busy"])
    monkeypatch.setattr(conditions.time, "process_time", lambda: clocks["own"])
    monkeypatch.setattr(conditions.time, "monotonic", lambda: clocks["wall"])
    bystanders = conditions.Bystanders()
    assert bystanders.cores is None
    for _ in range(2):
        bystanders.start()
        # Of ten seconds on all cores three were this process', four its workers', and three others'.
        clocks.update({name: value + more for (name, value), more in zip(clocks.items(), (10, 3, 6), strict=True)})
        bystanders.stop(workers_cpu_seconds=4.0)
        # What happens between two measurements counts for nothing.
        clocks.update({name: value + 100 for name, value in clocks.items()})
    assert bystanders.cores == pytest.approx(3 / 6)


@pytest.mark.parametrize(
    ("architecture", "flags", "expected"),
    [
        ("x86_64", "avx2 avx512f", False),
        ("x86_64", "avx2 avx_vnni", True),
        ("x86_64", "avx2 avx512f avx512_vnni", True),
        ("x86_64", "", None),
        ("aarch64", "asimd asimddp", None),
    ],
)
def test_the_machine_tells_whether_its_processor_has_vnni(
    architecture: str, flags: str, expected: bool | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine, "_read", lambda path: f"flags\t: {flags}\n" if path == "/proc/cpuinfo" else "")
    monkeypatch.setattr(machine.platform, "system", lambda: "Linux")
    monkeypatch.setattr(machine.platform, "machine", lambda: architecture)
    assert machine.vnni() is expected
    assert machine.identity().get("vnni") is expected


def test_a_mac_with_an_intel_processor_tells_it_in_its_own_words(monkeypatch: pytest.MonkeyPatch) -> None:
    told = "machdep.cpu.features: FPU AVX1.0\nmachdep.cpu.leaf7_features: AVX2 AVX512F\n"
    monkeypatch.setattr(machine.platform, "system", lambda: "Darwin")
    monkeypatch.setattr(machine.platform, "machine", lambda: "x86_64")
    monkeypatch.setattr(programs, "output", lambda *_, **__: told)
    assert machine.vnni() is False
    monkeypatch.setattr(programs, "output", lambda *_, **__: told.replace("AVX512F", "AVX512F AVX512VNNI"))
    assert machine.vnni() is True
