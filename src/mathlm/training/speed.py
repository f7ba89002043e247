"""How fast a run is against what its device could do: tokens a second, MFU, memory.

Not part of any result: these numbers go to `logs/`. Model flops a token are 6 N + 12 L h s
(Chowdhery et al., PaLM, arXiv 2204.02311, appendix B), N without the input embedding unless it is
also the output layer; recomputed activations do not count.
"""

from __future__ import annotations

import resource
import sys
import time
from typing import Any

import torch
from torch import nn

from mathlm.training.devices import DEVICES

_SIZE = 768


def flops_per_token(model: nn.Module, config: Any, sequence_length: int) -> float:
    """Flops of one token forward and backward; `config` is the model's, sizes by its names."""
    total = sum(int(weight.numel()) for weight in model.parameters())
    if not config.tie_word_embeddings:
        total -= int(config.vocab_size * config.hidden_size)
    attention = int(config.num_hidden_layers * config.hidden_size) * sequence_length
    return 6.0 * total + 12.0 * attention


def measured_peak(device: torch.device, dtype: torch.dtype = torch.float32) -> float:
    """Flop/s of the best of a few square matrix products: some hundredths of a second."""
    left = torch.ones(_SIZE, _SIZE, device=device, dtype=dtype)
    best = float("inf")
    for _ in range(4):
        start = time.perf_counter()
        left @ left
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        best = min(best, time.perf_counter() - start)
    return 2.0 * _SIZE**3 / best


def peak_flops(device: torch.device) -> tuple[float, str]:
    """The device's peak and where the number is from: `table` or `measured`."""
    if device.type == "cuda":
        name = torch.cuda.get_device_name(device)
        for known in DEVICES.values():
            if known.name in name:
                return known.peak_flops, "table"
        return measured_peak(device, torch.bfloat16), "measured"
    return measured_peak(device), "measured"


def peak_memory_mib(device: torch.device) -> float:
    """The most memory held so far: on the device, or by this process on a CPU."""
    if device.type == "cuda":
        return float(torch.cuda.max_memory_allocated(device)) / 2**20
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**20
