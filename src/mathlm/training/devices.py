"""What accelerators can do by their makers' data sheets; no torch here.

Not a measurement (`speed.measured_peak`). Peaks are dense bfloat16 matrix products, without the
doubling that the sheets print for sparse ones; memory is what the driver reports, about.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Device:
    """One accelerator, or one core of a CPU."""

    name: str
    """A part of the name that the driver gives."""
    peak_flops: float
    """Dense bfloat16 flop/s (float32 for a CPU core)."""
    memory_gib: float
    """Memory that a program can use; for a CPU core 0: it shares the machine's."""


DEVICES: dict[str, Device] = {
    "a100": Device("A100-SXM4-80GB", 312e12, 79),
    "a100-40": Device("A100-SXM4-40GB", 312e12, 39),
    "a100-pcie": Device("A100", 312e12, 79),
    "h200": Device("H200", 989e12, 139),
    "h100": Device("H100", 989e12, 79),
    "b200": Device("B200", 2250e12, 178),
    "l40s": Device("L40S", 362e12, 44),
    "a10g": Device("A10G", 70e12, 22),
    "4090": Device("RTX 4090", 165e12, 23),
    "cpu": Device("CPU core", 1e11, 0),
}
"""By the name that `hardware=` takes; looked up in this order by the driver's name."""
