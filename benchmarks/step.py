"""Ratios of CPU time per training step and evaluation point of the packaged Flan-T5-small.

    python -m benchmarks.step [--rounds N]

Each line compares two variants. They take turns step by step, so that a change in the machine's
speed affects both. The ratio is that of the medians; the range of the single pairs follows it. The
lines of levers compare a trial with one of them, or all, switched off.
"""

import argparse
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import replace
from typing import Any
from unittest.mock import patch

import torch
from torch.profiler import ProfilerActivity, profile

from deft_sweeps.axes import t5_norm
from deft_sweeps.axes.activation import gate_pass
from deft_sweeps.axes.peft import low_rank_update
from deft_sweeps.axes.quantization.dense_copy import packed_weights
from deft_sweeps.config.axes import Adapter, DensityLoss, Lora, Nf4, NoDensityLoss, Training
from deft_sweeps.config.data import PackagedTask, Splits
from deft_sweeps.config.trial import Evaluation, TrialConfig
from deft_sweeps.trial import run as trial_run
from deft_sweeps.trial.run import TorchTrialRun
from deft_sweeps.trial.starter_factory import TorchTrialStarterFactory
from deft_sweeps.trial.torch_starter import TorchTrialStarter

THRESHOLD = 0.05
PLAIN = TrialConfig(
    task=PackagedTask(splits=Splits(validation=64)),
    activation="relu",
    peft=Lora(targets=("q", "v", "gate", "down")),
    training=Training(steps=10_000, batch_size=16),
)
DEFT = replace(PLAIN, density=DensityLoss(weight=1.0, eps=1e-2))

Switch = Callable[[Any], AbstractContextManager[Any]]
"""Switches a lever off inside the context that it makes of a run."""


def _without_kernel(module: Any) -> Switch:
    return lambda _: patch.object(module, "usable", lambda *_: False)


@contextmanager
def _as_glibc_comes(_: Any) -> Iterator[None]:
    with patch.object(trial_run, "keeping_freed", nullcontext):
        yield


def _by_comparison(gate: torch.Tensor, threshold: float) -> torch.Tensor:
    return torch.where(gate.abs() > threshold, gate, 0.0) if threshold > 0 else gate


@contextmanager
def _gate_by_torch(run: Any) -> Iterator[None]:
    with (
        _without_kernel(gate_pass)(run),
        patch.object(gate_pass, "thresholded_entries", _by_comparison),
    ):
        yield


@contextmanager
def _all_off(run: Any) -> Iterator[None]:
    with (
        _gate_by_torch(run),
        _without_kernel(low_rank_update)(run),
        _without_kernel(t5_norm)(run),
        packed_weights(run.trial_model.model),
        _as_glibc_comes(run),
    ):
        yield


LEVERS: dict[str, Switch] = {
    "gate, threshold and density in one pass": _gate_by_torch,
    "LoRA in one step": _without_kernel(low_rank_update),
    "T5's norm in one pass": _without_kernel(t5_norm),
    "freed memory kept": _as_glibc_comes,
    "all levers": _all_off,
}
PACKED_LEVERS: dict[str, Switch] = {
    "dense copy of the packed base": lambda run: packed_weights(run.trial_model.model),
    "all levers": _all_off,
}


def step_sec(run: TorchTrialRun) -> float:
    start = time.process_time()
    run.advance(1)
    return time.process_time() - start


def point_sec(run: TorchTrialRun) -> float:
    """CPU time of an evaluation point."""
    evaluator = run.measurer.evaluator(run.trial_model, run.data, "validation")
    start = time.process_time()
    evaluator.point(THRESHOLD)
    return time.process_time() - start


def show(name: str, pairs: list[tuple[float, float]], unit: str = "s a step") -> float:
    """Prints and returns time(a) / time(b) of the pairs (a, b), as a ratio of medians."""
    times_a, times_b = zip(*pairs, strict=True)
    each = [x / y for x, y in pairs]
    ratio = float(statistics.median(times_a) / statistics.median(times_b))
    print(
        f"{name:58s} {ratio:5.2f}  ({min(each):.2f} to {max(each):.2f}), "
        f"{statistics.median(times_b):.2f} {unit} below the line",
        flush=True,
    )
    return ratio


def compare(
    name: str,
    starter: TorchTrialStarter,
    a: TrialConfig,
    b: TrialConfig,
    rounds: int,
    attention: tuple[str, str] = ("eager", "eager"),
) -> None:
    """Two configurations, each at its own trial."""
    runs: list[Any] = []
    for config, implementation in zip((a, b), attention, strict=True):
        run: Any = starter(config, 0)
        run.trial_model.model.set_attn_implementation(implementation)
        run.advance(1)
        runs.append(run)
    show(name, [(step_sec(runs[0]), step_sec(runs[1])) for _ in range(rounds)])


def compare_levers(
    name: str,
    starter: TorchTrialStarter,
    config: TrialConfig,
    levers: dict[str, Switch],
    rounds: int,
    *,
    points: bool = False,
) -> list[str]:
    """Compares each lever on and off, on two trials that take the same batches.

    Returns:
        A text for each ratio of all levers together.
    """
    with_all = []
    for lever, off in levers.items():
        with_it, without = (starter(config, 0) for _ in range(2))
        measures = [(step_sec, f"{name}: {lever}", "s a step")]
        if points:
            measures.append((point_sec, f"{name}: {lever}, point", "s a point"))
        for measure, title, unit in measures:
            pairs = []
            for _ in range(rounds + 1):
                on = measure(with_it)  # type: ignore[arg-type]
                with off(without):
                    pairs.append((on, measure(without)))  # type: ignore[arg-type]
            ratio = show(title, pairs[1:], unit)
            if off is _all_off:
                with_all.append(f"{name} {ratio:.2f} {unit.removeprefix('s ')}")
    return with_all


def peak_flops() -> float:
    """Floating-point operations a second of one thread's large bfloat16 product."""
    a = torch.randn(2048, 2048).bfloat16()
    times = []
    for _ in range(10):
        start = time.process_time()
        a @ a
        times.append(time.process_time() - start)
    return 2 * 2048.0**3 / statistics.median(times)


def show_profile(starter: TorchTrialStarter, config: TrialConfig) -> None:
    """Prints the operations that take most of a step, and the peak that it may be held against."""
    run = starter(config, 0)
    run.advance(3)
    with profile(activities=[ProfilerActivity.CPU]) as profiler:
        run.advance(4)
    events = sorted(profiler.key_averages(), key=lambda e: -e.self_cpu_time_total)
    whole = sum(event.self_cpu_time_total for event in events)
    print("share of a step, by operation:")
    for event in events[:14]:
        print(f"  {event.key[:50]:50s} {event.self_cpu_time_total / whole:6.1%}")
    print(f"bfloat16 product of one thread: {peak_flops() / 1e9:.0f} GFLOP/s")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=12, help="pairs of each comparison")
    rounds = parser.parse_args().rounds
    if rounds < 1:
        parser.error("--rounds: at least 1")
    starter = TorchTrialStarterFactory(Evaluation(), n_threads=1, n_bases=4)()
    print("CPU seconds, batch 16, at most 48 tokens, bfloat16, 1 thread; measured")
    compare("with the density loss / plain PEFT", starter, DEFT, PLAIN, rounds)
    compare("fused attention / eager attention", starter, PLAIN, PLAIN, rounds, ("sdpa", "eager"))
    compare("float32 / bfloat16", starter, replace(PLAIN, dtype="fp32"), PLAIN, rounds)
    compare(
        "LoRA on q v gate down / bottleneck adapter",
        starter,
        PLAIN,
        replace(PLAIN, density=NoDensityLoss(), peft=Adapter()),
        rounds,
    )
    print("a lever on / off")
    ratios = compare_levers("DEFT", starter, DEFT, LEVERS, rounds, points=True)
    all_levers: dict[str, Switch] = {"all levers": _all_off}
    packed = replace(DEFT, quantization=Nf4())
    ratios += compare_levers("plain LoRA", starter, PLAIN, all_levers, rounds)
    ratios += compare_levers("NF4 DEFT", starter, packed, PACKED_LEVERS, rounds)
    ratios += compare_levers("float32", starter, replace(PLAIN, dtype="fp32"), all_levers, rounds)
    show_profile(starter, DEFT)
    print(f"all levers on / off: {', '.join(ratios)}")


if __name__ == "__main__":
    main()
