"""What a trial costs."""

from dataclasses import dataclass
from typing import Literal

Label = Literal["measured", "proxy", "undeployed"]
"""`measured` alone on the machine; `proxy` beside other trials or in a worker that others have
used; `undeployed`: of the trial itself, where the sweep asks for those of another runtime."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What the trial costs.

    Attributes:
        label: how latency, memory and, if `undeployed`, bytes were taken.
        trainable_parameters: adapters, and a head where there is one.
        total_parameters: base and adapters, counted before quantization packs them.
        weight_bytes: of all parameters and quantization scales as held in memory.
        weight_sparsity: share of zeros among the weights that pruning may cut, in [0, 1].
        peak_memory_bytes: of the process above its size after imports; of the device's allocator on
            CUDA.
        latency_sec: median of one forward pass over the evaluation's fixed batch.
        latency_high_sec: upper end of that median's 95 % interval, by the order of the timed
            passes; None with fewer than five, and of results of earlier versions.
    """

    label: Label
    trainable_parameters: int
    total_parameters: int
    weight_bytes: int
    weight_sparsity: float
    peak_memory_bytes: int
    latency_sec: float
    build_time_sec: float
    train_time_sec: float
    evaluate_time_sec: float
    latency_high_sec: float | None = None
