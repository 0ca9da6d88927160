"""Compares the planner's time of a trial with that of real trials.

    python -m benchmarks.times [--rounds N] [--case NAME] [SWEEP_DIR ...]

Trains short trials of its own, each in a fresh process with one thread, in turns; or reads the
trials of finished sweeps. Training and evaluation are compared apart. Projected is what `Estimate`
says of as many cores as the trial has threads. Trials of a sweep that shared its cores with other
work took longer than their configuration needs.
"""

import argparse
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median

from deft_sweeps.config.axes import Adapter, DensityLoss, Int8, Lora, Nf4, Training
from deft_sweeps.config.data import PackagedTask, Splits
from deft_sweeps.config.trial import Evaluation, TrialConfig
from deft_sweeps.models.checkpoints import read_config
from deft_sweeps.models.families import layout
from deft_sweeps.projection.sweep_projection import FLOPS_PER_CORE, TIME_RANGE
from deft_sweeps.projection.trial_estimate import estimate
from deft_sweeps.result import CompleteTrial, complete_trials, read_result
from deft_sweeps.store.sweep_dir import SweepDir

EVALUATION = Evaluation(thresholds=(0.0, 0.5), objective_threshold=0.5, latency_repeats=1)
_LORA = TrialConfig(
    task=PackagedTask(splits=Splits(train=2000, validation=200, test=100)),
    peft=Lora(targets=("q", "v", "gate", "down")),
    training=Training(steps=24, batch_size=16),
)
_DENSITY = DensityLoss(weight=1.0, eps=1e-2)
CASES: dict[str, TrialConfig] = {
    "LoRA bf16": _LORA,
    "LoRA bf16 density loss": replace(_LORA, density=_DENSITY),
    "LoRA bf16 NF4": replace(_LORA, quantization=Nf4()),
    "LoRA bf16 int8": replace(_LORA, quantization=Int8()),
    "adapter bf16": replace(_LORA, peft=Adapter()),
    "LoRA fp32": replace(_LORA, dtype="fp32"),
    "LoRA fp32 NF4": replace(_LORA, dtype="fp32", quantization=Nf4()),
    "MiniLM LoRA bf16": replace(_LORA, model="packaged/minilm-l6"),
}


@dataclass(frozen=True, slots=True)
class Ratio:
    """Measured over projected seconds of one trial's training and of its evaluation."""

    training: float
    evaluation: float


def ratio(result: CompleteTrial) -> Ratio:
    """Of a trial whose times were measured.

    Raises:
        ValueError: it has no cost or no provenance.
    """
    config, cost, provenance = result.config, result.cost, result.provenance
    if cost is None or provenance is None:
        raise ValueError(f"{result.trial_id} was made up")
    rate = provenance.n_threads * FLOPS_PER_CORE[config.dtype]
    needs = estimate(config, layout(read_config(config.model)), EVALUATION, rate)
    evaluate_sec = len(result.points) / len(EVALUATION.thresholds) * needs.evaluate_sec
    return Ratio(cost.train_time_sec / needs.train_sec, cost.evaluate_time_sec / evaluate_sec)


def kind(config: TrialConfig) -> str:
    """What trials of one row have in common."""
    density = "density loss" if config.has_density_loss else "no density loss"
    model = config.model.split("/")[-1]
    return f"{model} {config.peft.kind} {config.dtype} {config.quantization.kind} {density}"


def trained(config: TrialConfig, evaluation: Evaluation = EVALUATION) -> CompleteTrial:
    """The trial with one thread, in this process."""
    from deft_sweeps.trial.starter_factory import TorchTrialStarterFactory

    run = TorchTrialStarterFactory(evaluation, n_bases=1)()(config, 0)
    run.advance(config.training.steps)
    return run.finish()


def in_fresh_process(name: str) -> CompleteTrial:
    """`trained` of a case in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.times", "--alone", name]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE)
    result = read_result(done.stdout)
    if not isinstance(result, CompleteTrial):
        raise TypeError(f"{name} ended as {result.status}")
    return result


def lines(trials: Iterable[tuple[str, CompleteTrial]]) -> list[str]:
    """A table: the ratios of each row's trials."""
    rows: dict[str, list[Ratio]] = defaultdict(list)
    for name, result in trials:
        rows[name].append(ratio(result))
    head = "| measured over projected | trials | training | evaluation |"
    return [head, "| --- | --- | --- | --- |"] + [
        f"| {name} | {len(of)} | {_spread([one.training for one in of])}"
        f" | {_spread([one.evaluation for one in of])} |"
        for name, of in rows.items()
    ]


def _spread(values: list[float]) -> str:
    return f"{median(values):.2f} ({min(values):.2f} to {max(values):.2f})"


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=3, help="trials of each case")
    parser.add_argument("--case", choices=tuple(CASES), action="append", help="this one alone")
    parser.add_argument("--alone", choices=tuple(CASES), help=argparse.SUPPRESS)
    parser.add_argument("sweeps", nargs="*", type=Path, metavar="SWEEP_DIR")
    given = parser.parse_args()
    if given.alone:
        print(trained(CASES[given.alone]).to_json().decode())
        return
    if given.sweeps:
        results = [r for path in given.sweeps for r in complete_trials(SweepDir(path).results())]
        trials = [(kind(result.config), result) for result in results]
    else:
        trials = [
            (name, in_fresh_process(name))
            for _ in range(given.rounds)
            for name in given.case or CASES
        ]
    low, high = TIME_RANGE
    print(f"`plan` says {low:g} to {high:g} for a core that is not shared", "", sep="\n")
    print(*lines(trials), sep="\n")


if __name__ == "__main__":
    main()
