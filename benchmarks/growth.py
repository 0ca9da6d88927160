"""How a trial's time grows with its examples, its thresholds and the length of its texts.

    python -m benchmarks.growth [--rounds N]

One process and one thread train the cases in turns; seconds are wall time. Growth with trials is
what `benchmarks.makespan --trials` measures, and the driver's part of it `benchmarks.scale`.
"""

import argparse
from collections import defaultdict
from statistics import median

from benchmarks.times import trained
from deft_sweeps.config.axes import DensityLoss, Lora, Training
from deft_sweeps.config.data import PackagedTask, Splits
from deft_sweeps.config.trial import Evaluation, TrialConfig

THRESHOLDS = (0.0, 0.01, 0.2, 0.5, 1.0)


def config(n_examples: int = 400, max_tokens: int = 48) -> TrialConfig:
    """A DEFT trial of a few steps."""
    return TrialConfig(
        task=PackagedTask(
            max_input_tokens=max_tokens,
            splits=Splits(train=800, validation=n_examples, test=100),
        ),
        peft=Lora(targets=("q", "v", "gate", "down")),
        density=DensityLoss(weight=1.0, eps=1e-2),
        training=Training(steps=8, batch_size=16),
    )


CASES: dict[str, tuple[TrialConfig, int]] = {
    "100 examples, 2 thresholds, 48 tokens": (config(100), 2),
    "200 examples": (config(200), 2),
    "400 examples": (config(400), 2),
    "400 examples, 1 threshold": (config(400), 1),
    "400 examples, 5 thresholds": (config(400), 5),
    "400 examples, 12 tokens": (config(400, 12), 2),
    "400 examples, 24 tokens": (config(400, 24), 2),
}
"""By name: the trial, and at how many thresholds it is evaluated."""


def evaluation(n_thresholds: int) -> Evaluation:
    """At the first thresholds; one repetition of the latency, which is no part of the growth."""
    return Evaluation(
        thresholds=THRESHOLDS[:n_thresholds],
        objective_threshold=THRESHOLDS[n_thresholds - 1],
        latency_repeats=1,
    )


def measured(case: tuple[TrialConfig, int]) -> tuple[float, float]:
    """Seconds of a training step and of the evaluation."""
    trial, n_thresholds = case
    cost = trained(trial, evaluation(n_thresholds)).cost
    if cost is None:
        raise RuntimeError("the trial has no cost")
    return cost.train_time_sec / trial.training.steps, cost.evaluate_time_sec


def lines(times: dict[str, list[tuple[float, float]]]) -> list[str]:
    """A table of medians."""
    rows = ["| trial | a step, s | evaluation, s |", "| --- | --- | --- |"]
    for name, each in times.items():
        step, evaluate = (median(values) for values in zip(*each, strict=True))
        rows.append(f"| {name} | {step:.3f} | {evaluate:.2f} |")
    return rows


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=3, help="trials of each case")
    given = parser.parse_args()
    measured(CASES["100 examples, 2 thresholds, 48 tokens"])  # Imports and caches.
    times: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for _ in range(given.rounds):
        for name, case in CASES.items():
            times[name].append(measured(case))
    print(*lines(times), sep="\n")


if __name__ == "__main__":
    main()
