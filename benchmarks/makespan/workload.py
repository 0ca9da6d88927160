"""What both sides run: configurations, data and evaluation, once for each side."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

from deft_sweeps.config.axes import DensityLoss, Dtype, Lora, Nf4, NoDensityLoss, Unquantized
from deft_sweeps.config.trial import TrialConfig
from deft_sweeps.packaged.checkpoint_conversion import packaged_folder
from deft_sweeps.specification.spec_reader import parse_spec
from deft_sweeps.tasks.batches import training_order
from deft_sweeps.tasks.task_data import load_task

SEED = 0
BATCH_SIZE = 16
EVALUATION_BATCH_SIZE = 64
LEARNING_RATE = 2e-3
TARGETS = ("q", "v", "gate", "down")
T5_LAYERS = {"q": "q", "v": "v", "gate": "wi_0", "down": "wo"}
"""Names of the targets in transformers' T5."""
PLAIN_RANKS = (8, 4, 2, 1, 3, 5, 6, 7)
DENSE_RANK = 16
"""LoRA's rank in configurations with a density loss. No plain configuration has it, so a chosen one
with a density loss still lacks its twin, and the twin is part of the measured time."""


@dataclass(frozen=True, slots=True)
class Workload:
    """The size of one run.

    Attributes:
        n_trials: configurations, 1 to 64; the first one is plain LoRA.
        steps: optimiser steps of a trial.
        at_once: trials at a time, with one thread each.
        thresholds: at which each trial is evaluated on all validation examples.
        n_validation: examples that a trial is evaluated on.
        n_test: examples of this project's final measurements, which the script has none of.
    """

    n_trials: int = 8
    steps: int = 20
    at_once: int = 2
    dtype: Dtype = "fp32"
    thresholds: tuple[float, ...] = (0.0, 0.01, 0.2, 0.5, 1.0)
    n_validation: int = 400
    n_test: int = 1200

    def spec_text(self) -> str:
        """The sweep's YAML, whose first points are all its trials."""
        return _SPEC.format(
            n_validation=self.n_validation,
            n_test=self.n_test,
            ranks=sorted((*PLAIN_RANKS, DENSE_RANK)),
            targets=list(TARGETS),
            steps=self.steps,
            batch_size=BATCH_SIZE,
            learning_rate=LEARNING_RATE,
            first="\n".join(f"  - {json.dumps(point)}" for point in self.points()),
            thresholds=list(self.thresholds),
            objective_threshold=self.thresholds[-1],
            evaluation_batch_size=EVALUATION_BATCH_SIZE,
            dtype=self.dtype,
            seed=SEED,
            n_trials=self.n_trials,
            at_once=self.at_once,
        )

    def points(self) -> list[dict[str, Any]]:
        """The configurations as first points of the spec.

        Raises:
            ValueError: more than there are.
        """
        points = list(islice(_points(), self.n_trials))
        if len(points) < self.n_trials:
            raise ValueError(f"expected at most {len(points)} trials, got {self.n_trials}")
        return points

    def configs(self) -> list[TrialConfig]:
        """The configurations, as the spec's reader understands them."""
        spec = parse_spec(self.spec_text(), "makespan.yaml")
        by_label = {combination.label: combination for combination in spec.combinations}
        return [by_label[start.combination].config(start.values) for start in spec.first]

    def script_settings(self, folder: Path, *, reuse_actors: bool) -> dict[str, Any]:
        """The same for the script, as JSON.

        Args:
            folder: that it writes into.
            reuse_actors: whether a process serves several trials.
        """
        configs = self.configs()
        return {
            "folder": str(folder),
            "data": str(folder / "examples.json"),
            "model": str(packaged_folder(configs[0].model)),
            "at_once": self.at_once,
            "reuse_actors": reuse_actors,
            "trials": [
                {
                    "seed": SEED,
                    "dtype": self.dtype,
                    "thresholds": list(self.thresholds),
                    "eval_batch_size": EVALUATION_BATCH_SIZE,
                    **script_trial(config),
                }
                for config in configs
            ],
        }

    def write_examples(self, path: Path) -> None:
        """The tokenised examples that the script reads: validation, and training in the order in
        which this project trains on them. Also fills this project's own cache of them.
        """
        config = self.configs()[0]
        data = load_task(config.task, config.checkpoint)
        order = training_order(len(data.train), SEED)
        rows = islice(order, self.steps * config.training.batch_size)
        content = {
            "class_tokens": [ids[0] for ids in data.class_ids],
            "train": [_example(data.train[row]) for row in rows],
            "validation": [_example(row) for row in data.validation],
        }
        path.write_text(json.dumps(content), encoding="utf-8")


def script_trial(config: TrialConfig) -> dict[str, Any]:
    """A configuration in the script's words.

    Raises:
        ValueError: the script does not do what the configuration asks for.
    """
    peft, density, training = config.peft, config.density, config.training
    loss = density if isinstance(density, DensityLoss) else None
    nf4 = isinstance(config.quantization, Nf4)
    understood = TrialConfig(
        model=config.model,
        task=config.task,
        activation=config.activation,
        peft=Lora(r=peft.r, alpha=peft.alpha, targets=peft.targets)
        if isinstance(peft, Lora)
        else Lora(),
        density=NoDensityLoss() if loss is None else DensityLoss(weight=loss.weight, eps=loss.eps),
        quantization=Nf4() if nf4 else Unquantized(),
        training=replace(training, warmup_share=0.0, accumulation=1),
        dtype=config.dtype,
    )
    if config != understood or not isinstance(peft, Lora):
        raise ValueError(f"the script has no such configuration: {config}")
    return {
        "name": config.config_id,
        "relu": config.activation == "relu",
        "nf4": nf4,
        "r": peft.r,
        "alpha": peft.alpha,
        "targets": [T5_LAYERS[role] for role in peft.targets],
        "density_weight": 0.0 if loss is None else loss.weight,
        "density_eps": 0.0 if loss is None else loss.eps,
        "steps": training.steps,
        "batch_size": training.batch_size,
        "learning_rate": training.learning_rate,
        "weight_decay": training.weight_decay,
        "max_grad_norm": training.max_grad_norm,
    }


def _points() -> Iterator[dict[str, Any]]:
    """Eight configurations for each rank of the plain ones."""
    for group, rank in enumerate(PLAIN_RANKS):
        factor = 1 + group / 2

        def plain(activation: str, quantization: str, rank: int = rank) -> dict[str, Any]:
            return {
                "activation": activation,
                "peft": {"lora": {"r": rank}},
                "density": "none",
                "quantization": quantization,
            }

        def dense(
            activation: str, weight: float, eps: float, quantization: str, factor: float = factor
        ) -> dict[str, Any]:
            return {
                "activation": activation,
                "peft": {"lora": {"r": DENSE_RANK}},
                "density": {"loss": {"weight": weight * factor, "eps": eps}},
                "quantization": quantization,
            }

        yield plain("pretrained", "none")
        yield dense("relu", 2, 1e-3, "none")
        yield dense("pretrained", 1.5, 1e-2, "none")
        yield dense("relu", 1, 1e-2, "none")
        yield dense("relu", 2, 1e-3, "nf4")
        yield dense("pretrained", 3, 1e-3, "none")
        yield dense("relu", 1, 1e-2, "nf4")
        yield dense("pretrained", 1.5, 1e-2, "nf4")


def _example(row: dict[str, Any]) -> dict[str, list[int]]:
    return {"input_ids": list(row["input_ids"]), "labels": list(row["target_ids"])}


_SPEC = """\
name: makespan
model: packaged/flan-t5-small-title
task:
  kind: packaged
  name: rotten-tomatoes
  splits: {{validation: {n_validation}, test: {n_test}}}
space:
  activation: [pretrained, relu]
  peft:
    - lora: {{r: {{choice: {ranks}}}, alpha: 16, targets: {targets}}}
  density:
    - none
    - loss: {{weight: {{low: 0.5, high: 16}}, eps: {{choice: [0.001, 0.01]}}}}
  quantization: [none, nf4]
  training:
    steps: {steps}
    batch_size: {batch_size}
    learning_rate: {learning_rate}
    warmup_share: 0
dtype: {dtype}
first:
{first}
objectives: [score, activation_density]
choose: best score where activation_density <= 0.5
evaluation:
  thresholds: {thresholds}
  objective_threshold: {objective_threshold}
  batch_size: {evaluation_batch_size}
search: {{seed: {seed}}}
trial_seed: {seed}
budget: {{trials: {n_trials}, concurrency: {at_once}, cpus_per_trial: 1}}
"""
