"""What a trial costs in bytes and seconds, as measured in its own process."""

import time
from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from deft_sweeps.process_memory import forget_peak, peak_resident_bytes
from deft_sweeps.statistics.call_time import Latency, latency_of
from deft_sweeps.trial.freed_memory import give_back_freed


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
        self._highest_before = 0
        self._left_out = 0
        if device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(device)
        else:
            give_back_freed()
            forget_peak()

    def leave_out(self, n_bytes: int) -> None:
        """From now on, do not count so many bytes that are about to be held on the CPU: copies that
        a search makes for its speed, and that what it measures does without.
        """
        if n_bytes and self._device.type != "cuda":
            self._highest_before = self.read()
            self._left_out += n_bytes
            forget_peak()

    def read(self) -> int:
        """Bytes, at least 0, without those that were left out."""
        return self._highest(self._left_out)

    def held(self) -> int:
        """Bytes, at least 0, with those that were left out."""
        return self._highest(0)

    def _highest(self, left_out: int) -> int:
        if self._device.type == "cuda":
            return int(torch.cuda.max_memory_allocated(self._device))
        since = peak_resident_bytes() - self._floor - left_out
        return max(0, self._highest_before, since)


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
