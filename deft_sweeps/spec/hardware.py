"""In which dtype a sweep computes where its spec leaves that open. Loads no torch: a spec is read where there need be none."""

from functools import cache
from pathlib import Path

from deft_sweeps.config.axes import Dtype

BF16_FLAGS = frozenset({"avx512_bf16", "amx_bf16", "bf16"})
"""What Linux calls the instructions that multiply bfloat16: two of x86, one of Arm."""


@cache
def cpu_has_bf16(cpuinfo: Path = Path("/proc/cpuinfo")) -> bool:
    """Whether this machine's processor multiplies bfloat16; no where that cannot be told.

    Without such instructions torch does it in software: on an AVX2 core a product of 256 x 512 and 512 x 1024 took 243 ms, in float32 3.7.
    """
    try:
        lines = cpuinfo.read_text().splitlines()
    except OSError:
        return False
    flags = next((line for line in lines if line.partition(":")[0].strip() in ("flags", "Features")), "")
    return not BF16_FLAGS.isdisjoint(flags.partition(":")[2].split())


def fast_dtype(*, on_gpu: bool) -> Dtype:
    """bfloat16 on a GPU, and where this machine's processor has instructions for it; else float32."""
    return "bf16" if on_gpu or cpu_has_bf16() else "fp32"


def slow_dtype(dtype: Dtype, *, on_gpu: bool) -> str:
    """What is to be said of a dtype that was asked for and is slow here; empty where there is nothing."""
    if dtype != "bf16" or on_gpu or cpu_has_bf16():
        return ""
    slow = "this processor has no instructions for it, so that a training takes many times as long as in fp32"
    return f"dtype bf16: {slow}, which `dtype: auto` takes here"
