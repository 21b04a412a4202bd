"""What a figure was measured on: the machine, and the state it is in.

A fact that the machine does not tell is left out; no host, user or folder is ever named.
"""

from __future__ import annotations

import os
import platform
import re
from pathlib import Path
from typing import Any

import psutil

from edge_cifar.processes import programs

# Names that the kernel gives to features that decide how fast a network runs, in the terms of the field.
_FEATURES = {
    # x86, as in /proc/cpuinfo
    "avx": "avx",
    "avx2": "avx2",
    "fma": "fma",
    "f16c": "f16c",
    "avx_vnni": "avx-vnni",
    "avx512f": "avx512",
    "avx512_vnni": "avx512-vnni",
    "avx512_bf16": "avx512-bf16",
    "avx512_fp16": "avx512-fp16",
    "amx_int8": "amx-int8",
    "amx_bf16": "amx-bf16",
    # x86, where macOS's sysctl has other names
    "avx512vnni": "avx512-vnni",
    # Arm, as in /proc/cpuinfo
    "neon": "neon",
    "asimd": "neon",
    "asimdhp": "fp16",
    "asimddp": "dotprod",
    "i8mm": "i8mm",
    "bf16": "bf16",
    "sve": "sve",
    "sve2": "sve2",
    "sme": "sme",
    # Arm, as macOS's sysctl has them
    "AdvSIMD": "neon",
    "FEAT_FP16": "fp16",
    "FEAT_DotProd": "dotprod",
    "FEAT_I8MM": "i8mm",
    "FEAT_BF16": "bf16",
    "FEAT_SME": "sme",
}

_X86 = ("x86_64", "amd64", "i386", "i686")
_VNNI = ("avx-vnni", "avx512-vnni")

# Sensors that sit on the processor; a disk's temperature says nothing about a network's latency.
_CPU_SENSORS = ("cpu_thermal", "coretemp", "k10temp", "zenpower", "soc_thermal", "cpu-thermal", "soc-thermal")

# Bits of `vcgencmd get_throttled`, from the Raspberry Pi documentation.
_PI_THROTTLING = {
    0: "under-voltage",
    1: "frequency capped",
    2: "throttled",
    3: "soft temperature limit",
    16: "under-voltage since boot",
    17: "frequency capped since boot",
    18: "throttled since boot",
    19: "soft temperature limit since boot",
}


def facts() -> dict[str, Any]:
    """The machine and its present state, as JSON-safe values: :func:`identity` with :func:`condition`."""
    return {**identity(), **condition()}


def identity() -> dict[str, Any]:
    """What stays the same while a benchmark runs.

    Returns:
        Those that are known of ``cpu_model``, ``architecture``, ``board``, ``physical_cores``,
        ``logical_cores``, ``usable_cores`` (this process may run on), ``cpu_features``,
        ``vnni`` (:func:`vnni`), ``virtual`` (True in a virtual machine), ``memory_bytes``, ``os``,
        ``kernel``, ``python``.
    """
    cpu = _cpu()
    return _known(
        {
            **cpu,
            "vnni": _vnni(cpu),
            "architecture": platform.machine(),
            "board": _read("/proc/device-tree/model").rstrip("\0"),
            "physical_cores": psutil.cpu_count(logical=False),
            "logical_cores": psutil.cpu_count(),
            "usable_cores": usable_cores(),
            "memory_bytes": psutil.virtual_memory().total,
            "os": _os_name(),
            "kernel": _kernel(),
            "python": platform.python_version(),
        }
    )


def condition() -> dict[str, Any]:
    """What may change while a benchmark runs.

    Returns:
        Those that are known of ``load_average`` (processes wanting to run, over 1, 5 and 15
        minutes), ``available_memory_bytes``, ``governor``, ``frequency_mhz`` (of the first core,
        now), ``max_frequency_mhz``, ``temperature_celsius`` (of the processor), ``throttling``
        (what the firmware reports; an empty list says that it reports none), ``throttle_count``
        (times the processor slowed down for heat since boot), ``speed_limit_percent`` (macOS),
        ``power_source`` (``mains`` or ``battery``; machines without a battery leave it out).
    """
    cpu0 = "/sys/devices/system/cpu/cpu0"
    return _known(
        {
            "load_average": [round(load, 2) for load in os.getloadavg()] if hasattr(os, "getloadavg") else None,
            "available_memory_bytes": psutil.virtual_memory().available,
            "governor": _read(f"{cpu0}/cpufreq/scaling_governor"),
            "frequency_mhz": _frequency_mhz(cpu0),
            "max_frequency_mhz": _megahertz(_read(f"{cpu0}/cpufreq/cpuinfo_max_freq")),
            "temperature_celsius": _temperature(),
            "throttling": _throttling(),
            "throttle_count": _integer(_read(f"{cpu0}/thermal_throttle/package_throttle_count")),
            "speed_limit_percent": _speed_limit(),
            "power_source": _power_source(),
        }
    )


def vnni() -> bool | None:
    """Whether an x86 processor adds products of bytes in 32 bits; None for others, and where it does not tell.

    Those that do not add two of them in 16 bits, which some files overflow (see :mod:`edge_cifar.readers.onnx`).
    """
    return _vnni(_cpu())


def usable_cores() -> int:
    """Cores that this process may run on: fewer than the machine has in a container or under taskset."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _cpu() -> dict[str, Any]:
    return _cpu_macos() if platform.system() == "Darwin" else _cpu_linux()


def _vnni(cpu: dict[str, Any]) -> bool | None:
    features = cpu.get("cpu_features")
    if platform.machine().lower() not in _X86 or features is None:
        return None
    return any(name in features for name in _VNNI)


def _cpu_linux() -> dict[str, Any]:
    text = _read("/proc/cpuinfo")
    fields = dict(re.findall(r"^([\w ]+?)\s*:\s*(.*)$", text, re.MULTILINE))
    flags = (fields.get("flags") or fields.get("Features") or "").split()
    return {
        "cpu_model": fields.get("model name") or _arm_core(fields) or platform.processor(),
        "cpu_features": _features(flags),
        "virtual": True if "hypervisor" in flags else None,
    }


def _arm_core(fields: dict[str, str]) -> str | None:
    # 64-bit Arm kernels give numbers instead of a name; these are the cores of the Raspberry Pis
    # (Arm's "Main ID Register" part numbers, implementer 0x41).
    parts = {"0xd03": "Cortex-A53", "0xd08": "Cortex-A72", "0xd0b": "Cortex-A76"}
    return parts.get(fields.get("CPU part", ""))


def _cpu_macos() -> dict[str, Any]:
    arm = [f"hw.optional.arm.{name}" for name in _FEATURES if name.startswith(("FEAT_", "Adv"))]
    names = ("machdep.cpu.brand_string", "machdep.cpu.features", "machdep.cpu.leaf7_features", *arm)
    # It fails as a whole when one name is unknown, yet prints those it knows.
    text = programs.output("sysctl", *names, partial=True)
    values = dict(line.split(": ", 1) for line in text.splitlines() if ": " in line)
    intel = (values.get("machdep.cpu.features", "") + " " + values.get("machdep.cpu.leaf7_features", "")).lower()
    flags = [name.rpartition(".")[2] for name, value in values.items() if value.strip() == "1"]
    return {
        "cpu_model": values.get("machdep.cpu.brand_string"),
        "cpu_features": _features([*flags, *intel.replace("avx1.0", "avx").split()]),
    }


def _features(flags: list[str]) -> list[str] | None:
    present = set(flags)
    return sorted({name for flag, name in _FEATURES.items() if flag in present}) or None


def _os_name() -> str:
    if platform.system() == "Darwin":
        return f"macOS {platform.mac_ver()[0]}"
    try:
        return platform.freedesktop_os_release()["PRETTY_NAME"]
    except (OSError, KeyError):
        return platform.system()


def _kernel() -> str:
    # The numbers alone: what follows them names whoever built the kernel.
    numbers = re.match(r"[\d.]+", platform.release())
    return f"{platform.system()} {numbers.group() if numbers else platform.release()}"


def _frequency_mhz(cpu0: str) -> float | None:
    now = _megahertz(_read(f"{cpu0}/cpufreq/scaling_cur_freq"))
    if now is not None:
        return now
    told = re.search(r"^cpu MHz\s*:\s*([\d.]+)", _read("/proc/cpuinfo"), re.MULTILINE)
    return round(float(told.group(1)), 1) if told else None


def _megahertz(kilohertz: str) -> float | None:
    value = _integer(kilohertz)
    return None if value is None else round(value / 1000, 1)


def _temperature() -> float | None:
    if not hasattr(psutil, "sensors_temperatures"):  # Linux and FreeBSD only
        return None
    sensors = psutil.sensors_temperatures()
    readings = [reading.current for name in _CPU_SENSORS for reading in sensors.get(name, ())]
    return round(max(readings), 1) if readings else None


def _throttling() -> list[str] | None:
    told = re.search(r"throttled=0x([0-9a-fA-F]+)", programs.output("vcgencmd", "get_throttled"))
    if told is None:
        return None
    bits = int(told.group(1), 16)
    return [name for bit, name in _PI_THROTTLING.items() if bits >> bit & 1]


def _speed_limit() -> int | None:
    if platform.system() != "Darwin":
        return None
    told = re.search(r"CPU_Speed_Limit\s*=\s*(\d+)", programs.output("pmset", "-g", "therm"))
    return int(told.group(1)) if told else None


def _power_source() -> str | None:
    try:
        battery = psutil.sensors_battery() if hasattr(psutil, "sensors_battery") else None
    except OSError:  # a container without /sys
        return None
    if battery is None or battery.power_plugged is None:
        return None
    return "mains" if battery.power_plugged else "battery"


def _known(values: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None and value != ""}


def _integer(text: str) -> int | None:
    return int(text) if text.isdigit() else None


def _read(path: str) -> str:
    """A small file's text, stripped; empty where it does not exist or may not be read."""
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""
