"""What a trial costs in bytes and seconds, as measured in its own process."""

import math
import re
import resource
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from deft_sweeps.trial.freed_memory import give_back_freed

_STATUS = Path("/proc/self/status")


def tensor_bytes(model: nn.Module) -> int:
    """Bytes of all parameters and buffers as held in memory, quantized weights with their scales;
    shared tensors count once.
    """
    held: dict[int, torch.Tensor] = {}
    for module in model.modules():
        for tensor in (*module.parameters(recurse=False), *module.buffers(recurse=False)):
            held[tensor.data_ptr()] = tensor
            state: Any = getattr(tensor, "quant_state", None)
            scales = [] if state is None else list(state.as_dict(packed=True).values())
            held |= {id(scale): scale for scale in scales if isinstance(scale, torch.Tensor)}
        int8_scales = getattr(getattr(module, "state", None), "SCB", None)
        if isinstance(int8_scales, torch.Tensor):
            held[int8_scales.data_ptr()] = int8_scales
    return sum(tensor.numel() * tensor.element_size() for tensor in held.values())


def resident_bytes() -> int:
    """Memory of this process that is in RAM now."""
    return _status_bytes("VmRSS")


def gpu_memory_bytes() -> int | None:
    """Memory of the first GPU that this process sees; None if it sees none."""
    return torch.cuda.get_device_properties(0).total_memory if torch.cuda.is_available() else None


class PeakMemory:
    """Highest memory since it was made, above a floor: of the device's allocator on CUDA, else of
    this process.

    Args:
        floor: bytes that do not count, the process after imports say; unused on CUDA.
    """

    def __init__(self, device: torch.device, floor: int) -> None:
        self._device = device
        self._floor = floor
        if device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(device)
        else:
            give_back_freed()
            _forget_peak()

    def read(self) -> int:
        """Bytes, at least 0."""
        if self._device.type == "cuda":
            return int(torch.cuda.max_memory_allocated(self._device))
        return max(0, _status_bytes("VmHWM") - self._floor)


@dataclass(frozen=True, slots=True)
class Latency:
    """Wall time of a call, in seconds.

    Attributes:
        median: over the timed calls.
        high: upper end of the median's 95 % interval: the fastest call that lies above the median
            with that probability, whatever the distribution; None with fewer than five calls.
    """

    median: float
    high: float | None


def latency_of(times: Sequence[float]) -> Latency:
    """Median and its upper bound from the times of at least one call, in seconds.

    Each call is above the median with probability 1/2, so the k-th fastest of n is below it with
    the probability that at least k of n coins show heads.
    """
    ordered, n = sorted(times), len(times)
    below = [sum(math.comb(n, i) for i in range(k, n + 1)) / 2**n for k in range(1, n + 1)]
    high = next((t for t, risk in zip(ordered, below, strict=True) if risk <= 0.05), None)
    return Latency(statistics.median(times), high)


def measure_latency(run: Callable[[], object], repeats: int, device: torch.device) -> Latency:
    """Wall time of `run` over `repeats` calls, after one that does not count."""
    times = []
    for number in range(repeats + 1):
        start = time.perf_counter()
        run()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        if number:
            times.append(time.perf_counter() - start)
    return latency_of(times)


def _forget_peak() -> None:
    """Let the system's high-water mark start again from the present; where it has no such thing,
    the mark is the process's own.
    """
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return


def _status_bytes(name: str) -> int:
    if not _STATUS.exists():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    line = re.search(rf"{name}:\s+(\d+) kB", _STATUS.read_text())
    return int(line[1]) * 1024 if line else 0
