"""Quality lost by pruning the packaged Flan-T5-small, before and after training with LoRA.

    python -m benchmarks.pruning [--validation 600] [--steps 60] [--calibration 128] [--seed 0]

Compares the dense model with magnitude pruning, Wanda and SparseGPT, at 50 % and at 2:4. All models
are measured on the same validation examples: the loss of the label's tokens and the accuracy, each
with its standard error. `drift` is the divergence KL(dense || pruned) of the first predicted token
before training. `saved` is the loss below magnitude pruning of the same pattern, paired by example;
the last lines judge it.
"""

import argparse
import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

import torch
from torch.nn import functional

from deft_sweeps.config.axes import (
    Lora,
    Magnitude,
    NoPruning,
    Pattern,
    Pruning,
    SparseGpt,
    Training,
    Wanda,
)
from deft_sweeps.config.data import PackagedTask, Splits
from deft_sweeps.config.trial import Evaluation, TrialConfig
from deft_sweeps.trial.base import model_inputs
from deft_sweeps.trial.evaluate import evaluating
from deft_sweeps.trial.run import TorchTrialRun
from deft_sweeps.trial.starter_factory import TorchTrialStarterFactory
from deft_sweeps.trial.torch_starter import TorchTrialStarter

PATTERNS: tuple[Pattern, ...] = ("unstructured", "2:4")


@dataclass(frozen=True, slots=True)
class Measured:
    """Values per validation example, in the same order for all models.

    Attributes:
        losses: mean negative log-likelihood of the label's tokens, in nats.
        right: 1.0 if the predicted class is correct, otherwise 0.0.
        first: log-probabilities of the first token, shape (examples, vocabulary), bfloat16.
    """

    losses: list[float]
    right: list[float]
    first: torch.Tensor


@torch.no_grad()
def measure(run: TorchTrialRun, starter: TorchTrialStarter) -> Measured:
    evaluator = starter.measurer.evaluator(run.trial_model, run.data, "validation")
    losses: list[float] = []
    right: list[float] = []
    first = []
    with evaluating(run.trial_model.model):
        for batch in evaluator.batches:
            inputs, _ = model_inputs(batch, starter.device)
            logits = run.trial_model.model(**inputs).logits.float()
            labels = inputs["labels"]
            nll = functional.cross_entropy(
                logits.flatten(0, 1), labels.flatten(), ignore_index=-100, reduction="none"
            ).reshape(labels.shape)
            losses += (nll.sum(-1) / (labels != -100).sum(-1)).tolist()
            scores = evaluator.answers.text.first_token_scores(logits, run.data.class_ids)
            right += (scores.argmax(-1).cpu() == batch.label_class).float().tolist()
            first.append(logits[:, 0].log_softmax(-1).bfloat16())
    return Measured(losses, right, torch.cat(first))


def mean_and_error(values: Sequence[float]) -> tuple[float, float]:
    return statistics.fmean(values), statistics.stdev(values) / math.sqrt(len(values))


def mean_text(values: Sequence[float]) -> str:
    mean, error = mean_and_error(values)
    return f"{mean:7.3f} ± {error:.3f}"


def saved(ours: Measured, theirs: Measured) -> list[float]:
    return [b - a for a, b in zip(ours.losses, theirs.losses, strict=True)]


def drift(model: Measured, dense: Measured) -> list[float]:
    expected = dense.first.float()
    return [float(x) for x in (expected.exp() * (expected - model.first.float())).sum(-1)]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--validation", type=int, default=600)
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--calibration", type=int, default=128)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    plain = TrialConfig(
        task=PackagedTask(splits=Splits(validation=arguments.validation)),
        peft=Lora(targets=("q", "v", "gate", "down")),
        training=Training(steps=arguments.steps, batch_size=16, learning_rate=2e-3),
    )
    n = arguments.calibration
    methods: tuple[Any, ...] = (Magnitude(), Wanda(n_calibration=n), SparseGpt(n_calibration=n))
    variants: list[tuple[str, Pruning]] = [("dense", NoPruning())]
    variants += [
        (f"{m.kind} {'50 %' if p == 'unstructured' else p}", replace(m, pattern=p))
        for p, m in product(PATTERNS, methods)
    ]
    starter = TorchTrialStarterFactory(Evaluation(), n_threads=1, n_bases=1)()
    print(
        f"packaged/flan-t5-small-title (not Google's), {arguments.validation} validation reviews, "
        f"{n} calibration examples, LoRA r 8 on"
    )
    print(
        f"q v gate down for {arguments.steps} steps, bfloat16, seed {arguments.seed}; mean ± "
        "standard error; measured"
    )
    heads = ("untrained loss", "accuracy", "drift", "trained loss", "accuracy", "saved", "saved")
    print(f"{'':18s}" + "".join(f"{head:>17s} " for head in heads))
    measured: dict[str, tuple[Measured, Measured]] = {}
    for name, pruning in variants:
        run = starter(replace(plain, pruning=pruning), arguments.seed)
        if not isinstance(run, TorchTrialRun):
            raise TypeError(f"a starter gives a TorchTrialRun, not {type(run).__name__}")
        before = measure(run, starter)
        run.advance(arguments.steps)
        measured[name] = before, measure(run, starter)
        cells = []
        for model in measured[name]:
            cells += [mean_text(model.losses), mean_text(model.right)]
        cells.insert(2, mean_text(drift(before, measured["dense"][0])))
        rival = measured.get(f"magnitude {name.partition(' ')[2]}")
        if rival is not None and not name.startswith("magnitude"):
            cells += [
                mean_text(saved(ours, theirs))
                for ours, theirs in zip(measured[name], rival, strict=True)
            ]
        print(f"{name:18s}" + "".join(f"{cell:>17s} " for cell in cells), flush=True)
    print("saved: loss less than magnitude's of the same pattern, untrained and trained")
    for name, models in measured.items():
        method, _, pattern = name.partition(" ")
        if method in ("wanda", "sparsegpt"):
            for stage, ours, theirs in zip(
                ("untrained", "trained"),
                models,
                measured[f"magnitude {pattern}"],
                strict=True,
            ):
                mean, error = mean_and_error(saved(ours, theirs))
                verdict = (
                    "loses less"
                    if mean > 2 * error
                    else "loses more"
                    if mean < -2 * error
                    else "no clear difference"
                )
                print(f"{name}, {stage}: {verdict} ({mean:+.3f} ± {error:.3f} nats)")


if __name__ == "__main__":
    main()
