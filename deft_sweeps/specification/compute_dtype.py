"""Chooses the dtype of a sweep that leaves it open. Loads no torch: reading a spec needs none."""

from functools import cache
from pathlib import Path

from deft_sweeps.config.axes import Dtype

BF16_FLAGS = frozenset({"avx512_bf16", "amx_bf16", "bf16"})
"""Linux's names for the instructions that multiply bfloat16: two of x86, one of Arm."""


@cache
def cpu_has_bf16(cpuinfo: Path = Path("/proc/cpuinfo")) -> bool:
    """Whether this machine's processor multiplies bfloat16; False if the system does not say.

    Without such instructions torch does it in software: on an AVX2 core a product of 256 x 512 and
    512 x 1024 took 243 ms, in float32 3.7 ms.
    """
    try:
        lines = cpuinfo.read_text().splitlines()
    except OSError:
        return False
    fields = (line.partition(":") for line in lines)
    flags = next((text for key, _, text in fields if key.strip() in ("flags", "Features")), "")
    return not BF16_FLAGS.isdisjoint(flags.split())


def fast_dtype(*, on_gpu: bool) -> Dtype:
    """bfloat16 on a GPU and on a processor with instructions for it, else float32."""
    return "bf16" if on_gpu or cpu_has_bf16() else "fp32"


def slow_dtype(dtype: Dtype, *, on_gpu: bool) -> str:
    """A warning about a chosen dtype that is slow on this machine; empty if it is not."""
    if dtype != "bf16" or on_gpu or cpu_has_bf16():
        return ""
    slow = "a training takes many times as long as in fp32, which `dtype: auto` takes here"
    return f"dtype bf16: this processor has no instructions for it, so that {slow}"
