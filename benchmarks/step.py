"""Ratios of CPU time per training step of the packaged Flan-T5-small.

    python -m benchmarks.step

Each line compares two variants. They take turns step by step, so that a change in the machine's
speed affects both. The ratio is that of the medians; the range of the single pairs follows it.
"""

import argparse
import statistics
import time
from dataclasses import replace
from typing import Any

from deft_sweeps.config.axes import Adapter, DensityLoss, Lora, NoDensityLoss, Training
from deft_sweeps.config.data import PackagedTask, Splits
from deft_sweeps.config.trial import Evaluation, TrialConfig
from deft_sweeps.trial.run import TorchTrialRun
from deft_sweeps.trial.starter_factory import TorchTrialStarterFactory
from deft_sweeps.trial.torch_starter import TorchTrialStarter

ROUNDS = 12
PLAIN = TrialConfig(
    task=PackagedTask(splits=Splits(validation=64)),
    activation="relu",
    peft=Lora(targets=("q", "v", "gate", "down")),
    training=Training(steps=10_000, batch_size=16),
)


def step_sec(run: TorchTrialRun) -> float:
    start = time.process_time()
    run.advance(1)
    return time.process_time() - start


def compare(
    name: str,
    starter: TorchTrialStarter,
    a: TrialConfig,
    b: TrialConfig,
    attention: tuple[str, str] = ("eager", "eager"),
) -> None:
    """Prints time(a) / time(b)."""
    runs: list[Any] = []
    for config, implementation in zip((a, b), attention, strict=True):
        run: Any = starter(config, 0)
        run.trial_model.model.set_attn_implementation(implementation)
        run.advance(1)
        runs.append(run)
    pairs = [(step_sec(runs[0]), step_sec(runs[1])) for _ in range(ROUNDS)]
    times_a, times_b = zip(*pairs, strict=True)
    each = [x / y for x, y in pairs]
    ratio = statistics.median(times_a) / statistics.median(times_b)
    print(
        f"{name:58s} {ratio:5.2f}  ({min(each):.2f} to {max(each):.2f}), "
        f"{statistics.median(times_b):.2f} s a step below the line"
    )


def main() -> None:
    argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    ).parse_args()
    starter = TorchTrialStarterFactory(Evaluation(), n_threads=1)()
    deft = replace(PLAIN, density=DensityLoss(weight=1.0, eps=1e-2))
    print("CPU seconds a step, batch 16, at most 48 tokens, bfloat16, 1 thread; measured")
    compare("with the density loss / plain PEFT", starter, deft, PLAIN)
    compare("fused attention / eager attention", starter, PLAIN, PLAIN, ("sdpa", "eager"))
    compare("float32 / bfloat16", starter, replace(PLAIN, dtype="fp32"), PLAIN)
    compare(
        "LoRA on q v gate down / bottleneck adapter",
        starter,
        PLAIN,
        replace(PLAIN, density=NoDensityLoss(), peft=Adapter()),
    )


if __name__ == "__main__":
    main()
