"""The measurement that is quoted: a front member, once, on the test split, alone in a process of its own."""

import time
from dataclasses import dataclass
from typing import Literal

from deft_sweeps.config.trial import TrialConfig
from deft_sweeps.result import FinalMeasurement
from deft_sweeps.trial.build import build
from deft_sweeps.trial.cost import PeakMemory
from deft_sweeps.trial.evaluate import Evaluator
from deft_sweeps.trial.heads import HeadSpec
from deft_sweeps.trial.provenance import provenance
from deft_sweeps.trial.run import BenchMaker

_BISECTIONS = 12
_CLOSE = 0.002


@dataclass(frozen=True, slots=True)
class FinalJob:
    """What to measure.

    Attributes:
        weights: what the trial trained, as `TrialRun.weights` gave it.
        threshold: of the gate; None calibrates it.
        density: where `threshold` is None, the activation density on validation examples to calibrate it to.
    """

    role: Literal["chosen", "baseline", "twin"]
    config: TrialConfig
    seed: int
    weights: bytes
    threshold: float | None = None
    density: float | None = None


def measure_final(job: FinalJob, maker: BenchMaker) -> FinalMeasurement:
    """Build the trial's model from its weights and measure it on the test split."""
    bench = maker()
    memory = PeakMemory(bench.device, bench.memory_floor)
    start = time.perf_counter()
    data = bench.data(job.config)
    built = build(bench.base(job.config, data), job.config, job.seed, HeadSpec.of(data))
    built.load(job.weights)
    build_sec = time.perf_counter() - start
    threshold = job.threshold
    if threshold is None:
        if job.density is None:
            raise ValueError("a final job needs a threshold, or a density to calibrate one to")
        threshold = threshold_for(bench.evaluator(built, data, "validation"), job.density)
    start = time.perf_counter()
    point = bench.evaluator(built, data, "test").point(threshold)
    return FinalMeasurement(
        role=job.role,
        trial_id=job.config.trial_id(job.seed),
        point=point,
        cost=bench.cost(built, data, memory, build_sec, 0.0, time.perf_counter() - start),
        provenance=provenance(bench.device, data.fingerprint, built.base.revision),
    )


def threshold_for(evaluator: Evaluator, density: float) -> float:
    """The threshold at which the model's activation density is `density`, by bisection: density falls as the threshold rises.

    Args:
        evaluator: over calibration examples.
        density: in (0, 1); one that no threshold up to 64 reaches gives the nearest end.
    """
    low, high = 0.0, 1.0
    while evaluator.density(high) > density and high < 64:
        low, high = high, high * 2
    for _ in range(_BISECTIONS):
        middle = (low + high) / 2
        got = evaluator.density(middle)
        if abs(got - density) <= _CLOSE * density:
            return middle
        low, high = (middle, high) if got > density else (low, middle)
    return (low + high) / 2
