"""Trials in closed form: as deterministic as real ones, thousands a second, and with faults on
demand.
"""

import json
import os
import signal
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import safetensors.numpy

from deft_sweeps.config.axes import DensityLoss, Lora, Nf4, NoDensityLoss, Training, Unquantized
from deft_sweeps.config.trial import Evaluation, TrialConfig
from deft_sweeps.errors import TrialError
from deft_sweeps.objective import Policy
from deft_sweeps.result import (
    Advance,
    CompleteTrial,
    Cost,
    DensityReading,
    Point,
    Provenance,
    Score,
    StepMetrics,
)
from deft_sweeps.specification.combination import Combination, Start
from deft_sweeps.specification.domain import Float
from deft_sweeps.specification.search_settings import Budget, Search
from deft_sweeps.specification.sweep_spec import SweepSpec
from deft_sweeps.store.weights_file import sealed
from deft_sweeps.trial.protocol import TrialStarter

THRESHOLDS = (0.0, 0.01, 0.5)
N_EXAMPLES = 200
N_STEPS = 20

Fault = Literal["raise", "nan", "die_once", "die_always", "hang_once", "stop_once"]


def surface(config: TrialConfig, seed: int, threshold: float) -> tuple[float, float]:
    """Score and density of a trial at a threshold: a trade-off with a best learning rate, and noise
    that the seed decides.
    """
    weight = config.density.weight if isinstance(config.density, DensityLoss) else 0.0
    rate = np.log10(config.training.learning_rate) + 3.0
    noise = np.random.default_rng([seed, int(config.config_id, 16)]).normal(0.0, 0.005)
    density = (
        0.9
        / (1.0 + 3.0 * weight)
        / (1.0 + 2.0 * threshold)
        * (0.5 if config.activation == "relu" else 1.0)
    )
    score = 0.85 - 0.05 * rate**2 - 0.04 * weight - 0.03 * threshold + noise
    score -= 0.01 * isinstance(config.quantization, Nf4) + 0.02 * (config.activation == "relu")
    return float(np.clip(score, 0.0, 1.0)), float(np.clip(density, 0.0, 1.0))


@dataclass
class FakeRun:
    """A TrialRun whose training is arithmetic."""

    config: TrialConfig
    seed: int
    maker: "FakeMaker"
    step: int = 0
    started_at: float = field(default_factory=time.time)
    n_micro_batches: int = field(default=1, init=False)

    def advance(self, n_steps: int) -> Advance:
        metrics = []
        for _ in range(min(n_steps, self.config.training.steps - self.step)):
            self.step += 1
            self._maybe_fail()
            time.sleep(self.maker.step_sec)
            loss = 1.0 / self.step
            metrics.append(
                StepMetrics(
                    step=self.step,
                    task_loss=loss,
                    density_loss=loss / 2,
                    grad_norm=1.0,
                    learning_rate=1e-3,
                )
            )
        return Advance(
            step=self.step, done=self.step >= self.config.training.steps, steps=tuple(metrics)
        )

    def split(self, n_micro_batches: int) -> None:
        self.n_micro_batches = n_micro_batches
        self.maker.note("split", self.config.trial_id(self.seed), n_micro_batches)

    def state(self) -> bytes:
        return json.dumps(
            {"step": self.step, "elapsed_sec": time.time() - self.started_at}
        ).encode()

    def measure(self, thresholds: tuple[float, ...]) -> tuple[Point, ...]:
        self.maker.note("measure", self.config.trial_id(self.seed), self.step)
        return tuple(
            fake_point(self.config, self.seed, threshold, self.step / self.config.training.steps)
            for threshold in thresholds
        )

    def weights(self) -> bytes:
        return fake_weights(self.config.trial_id(self.seed))

    def finish(self) -> CompleteTrial:
        broken = self.maker.faults.get(self.config.config_id) == "nan"
        self.maker.note("finish", self.config.trial_id(self.seed), self.step)
        return fake_result(
            self.config, self.seed, self.started_at, loss=float("nan") if broken else None
        )

    def _maybe_fail(self) -> None:
        fault = self.maker.faults.get(self.config.config_id)
        if self.step != self.maker.fault_step:
            return
        if fault == "raise":
            raise TrialError(f"loss is not finite at step {self.step}")
        if fault == "die_always" or (
            fault == "die_once" and self.maker.first_time(self.config.config_id)
        ):
            os.kill(os.getpid(), signal.SIGKILL)
        if fault in ("hang_once", "stop_once") and self.maker.first_time(self.config.config_id):
            self.maker.note("silent", self.config.trial_id(self.seed), self.step)
            if fault == "stop_once":
                os.kill(os.getpid(), signal.SIGSTOP)
            time.sleep(3600)


def fake_weights(trial_id: str) -> bytes:
    """A tensor that no other trial has, as safetensors."""
    rng = np.random.default_rng(list(trial_id.encode()))
    return sealed(safetensors.numpy.save({"lora": rng.random((2, 2))}, {"trial_id": trial_id}))


@dataclass(frozen=True)
class FakeMaker:
    """Picklable maker of fake trials.

    Attributes:
        folder: where the fakes write what they do, and remember what they did once.
        faults: config_id to what goes wrong at `fault_step`.
    """

    folder: Path
    faults: Mapping[str, Fault] = field(default_factory=dict)
    fault_step: int = 7
    step_sec: float = 0.0

    def __call__(self) -> TrialStarter:
        self.note("worker", str(os.getpid()), 0)
        return self.start

    def start(self, config: TrialConfig, seed: int, state: bytes | None) -> FakeRun:
        saved: dict[str, Any] = json.loads(state) if state else {"step": 0, "elapsed_sec": 0.0}
        self.note("start", config.trial_id(seed), saved["step"])
        return FakeRun(config, seed, self, saved["step"], time.time() - saved["elapsed_sec"])

    def note(self, what: str, who: str, step: int) -> None:
        with (self.folder / "log").open("a") as file:
            file.write(f"{what} {who} {step}\n")

    def notes(self, what: str) -> list[tuple[str, int]]:
        """Who did `what` at which step, in order."""
        path = self.folder / "log"
        rows = [line.split() for line in path.read_text().splitlines()] if path.exists() else []
        return [(who, int(step)) for kind, who, step in rows if kind == what]

    def first_time(self, name: str) -> bool:
        try:
            (self.folder / f"once-{name}").touch(exist_ok=False)
        except FileExistsError:
            return False
        return True


def fake_point(
    config: TrialConfig,
    seed: int,
    threshold: float,
    trained: float = 1.0,
    loss: float | None = None,
) -> Point:
    """The surface's point once the share `trained` of the steps is done; untrained, every trial
    scores 0.5 and is dense.
    """
    score, density = surface(config, seed, threshold)
    score, density = 0.5 + (score - 0.5) * trained**0.5, 1.0 + (density - 1.0) * trained
    return Point(
        threshold=threshold,
        score=Score(
            metric="accuracy",
            value=score,
            n_examples=N_EXAMPLES,
            standard_error=(score * (1 - score) / N_EXAMPLES) ** 0.5,
        ),
        loss=1.0 - score if loss is None else loss,
        density=DensityReading(encoder_blocks=(density,), decoder_blocks=(density,)),
    )


def fake_result(
    config: TrialConfig, seed: int, started_at: float = 0.0, loss: float | None = None
) -> CompleteTrial:
    """What a fake trial gives; `loss`, where given, is that of every point."""
    points = [fake_point(config, seed, threshold, loss=loss) for threshold in THRESHOLDS]
    cost = Cost(
        label="proxy",
        trainable_parameters=10,
        total_parameters=100,
        weight_bytes=100 if isinstance(config.quantization, Nf4) else 400,
        weight_sparsity=0.0,
        peak_memory_bytes=1000,
        latency_sec=0.01,
        build_time_sec=0.0,
        train_time_sec=0.0,
        evaluate_time_sec=0.0,
    )
    provenance = Provenance(
        packages={},
        commit="",
        python="",
        device="cpu",
        n_threads=1,
        dataset_fingerprint="fake",
        checkpoint_revision="fake",
    )
    return CompleteTrial(
        config=config,
        seed=seed,
        points=tuple(points),
        cost=cost,
        provenance=provenance,
        started_at=started_at or time.time(),
        finished_at=time.time(),
    )


def with_checkpoints(spec: SweepSpec, every_sec: float = 1e-3) -> SweepSpec:
    """The spec with a time of training between two checkpoints; by default each report has one."""
    return replace(spec, budget=replace(spec.budget, checkpoint_minutes=every_sec / 60.0))


def fake_spec(
    trials: int = 12,
    *,
    first: tuple[Start, ...] = (),
    search: Search | None = None,
    max_failures: int = 1,
    concurrency: int = 2,
) -> SweepSpec:
    """Plain and DEFT trials, pretrained and relu, 4-bit or not, the learning rate and the weight of
    the density loss open.
    """
    rate, weight = Float(1e-4, 1e-2, log=True), Float(0.05, 5.0, log=True)
    training = Training(steps=N_STEPS)
    combinations = []
    for activation in ("pretrained", "relu"):
        for quantization in (Unquantized(), Nf4()):
            for density in (NoDensityLoss(), DensityLoss()):
                template = TrialConfig(
                    activation="relu" if activation == "relu" else "pretrained",
                    quantization=quantization,
                    density=density,
                    training=training,
                    peft=Lora(),
                )
                open_ = {"training.learning_rate": rate} | (
                    {"density.loss.weight": weight} if density.kind == "loss" else {}
                )
                combinations.append(
                    Combination(
                        f"{activation} lora {density.kind} {quantization.kind} none",
                        open_,
                        template,
                    )
                )
    return SweepSpec(
        name="fake",
        objectives=("score", "activation_density"),
        limits=(),
        choose=Policy(),
        combinations=tuple(combinations),
        excluded=(),
        first=first,
        evaluation=Evaluation(thresholds=THRESHOLDS, objective_threshold=0.01),
        search=search or Search(startup=4, seed=3),
        budget=Budget(trials=trials, concurrency=concurrency, max_failures=max_failures),
        trial_seed=0,
    )


def plain(learning_rate: float) -> Start:
    """A point of `fake_spec` to aim a fault at."""
    return Start("pretrained lora none none none", {"training.learning_rate": learning_rate})


def fake_gpu_driver(folder: Path, answer: str) -> None:
    """Put an `nvidia-smi` with this answer into the folder."""
    script = folder / "nvidia-smi"
    script.write_text(f"#!/bin/sh\ncat <<'END'\n{answer}END\n")
    script.chmod(0o755)
