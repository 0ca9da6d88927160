"""What a trial takes: bytes of its weights and of its process, parameters, time of a pass."""

from deft_sweeps.metrics.metric import Metric, at_least_zero

WEIGHT_BYTES = Metric(
    name="weight_bytes",
    title="weights",
    meaning="bytes of all parameters and quantization scales as held in memory",
    direction="minimize",
    dimension="bytes",
    read=lambda _point, cost: None if cost is None else cost.weight_bytes,
    of_point=False,
    possible=at_least_zero,
    display="table",
    of_runtime=True,
)
TRAINABLE_PARAMETERS = Metric(
    name="trainable_parameters",
    title="trained parameters",
    meaning="number of parameters that the trial trains",
    direction="minimize",
    dimension="number",
    read=lambda _point, cost: None if cost is None else cost.trainable_parameters,
    of_point=False,
    possible=at_least_zero,
    display="card",
)
PEAK_MEMORY_BYTES = Metric(
    name="peak_memory_bytes",
    title="peak memory",
    meaning="highest memory of the trial's process above its size after imports",
    direction="minimize",
    dimension="bytes",
    read=lambda _point, cost: None if cost is None else cost.peak_memory_bytes,
    of_point=False,
    possible=at_least_zero,
    display="table",
    proxy_in_search=True,
    of_runtime=True,
)
LATENCY_SEC = Metric(
    name="latency_sec",
    title="latency",
    meaning="median time of one forward pass over a fixed batch",
    direction="minimize",
    dimension="seconds",
    read=lambda _point, cost: None if cost is None else cost.latency_sec,
    of_point=False,
    possible=at_least_zero,
    display="table",
    proxy_in_search=True,
    of_runtime=True,
)
