"""The real TrialRun: trains one trial in steps, saves and resumes it, and measures it at the
end.
"""

import io
import time
from dataclasses import dataclass, field
from itertools import pairwise

import torch

from deft_sweeps.axes.density_meter import skipped_blocks
from deft_sweeps.axes.density_probe import DensityProbe
from deft_sweeps.axes.verb import verb
from deft_sweeps.config.trial import TrialConfig
from deft_sweeps.result import Advance, CompleteTrial, Point, StepMetrics
from deft_sweeps.store.weights_file import TRIAL_ID, sealed
from deft_sweeps.tasks.batches import Batch, collate, training_order
from deft_sweeps.tasks.task_data import TaskData
from deft_sweeps.trial.block_gate_training import BlockGateTraining
from deft_sweeps.trial.build import TrialModel
from deft_sweeps.trial.cost import PeakMemory
from deft_sweeps.trial.energy_projection import with_energy
from deft_sweeps.trial.freed_memory import keeping_freed
from deft_sweeps.trial.measuring import Measurer
from deft_sweeps.trial.run_provenance import provenance
from deft_sweeps.trial.train import StepTrainer


@dataclass(slots=True)
class TorchTrialRun:
    """One real trial; see TrialRun."""

    measurer: Measurer
    config: TrialConfig
    seed: int
    data: TaskData
    trial_model: TrialModel
    memory: PeakMemory
    started_at: float
    build_time_sec: float
    train_time_sec: float = 0.0
    steps_done: int = 0
    n_micro_batches: int = field(init=False)
    optimizer: torch.optim.Optimizer = field(init=False)
    block_gate_training: BlockGateTraining | None = field(init=False)

    def __post_init__(self) -> None:
        training, blocks = self.config.training, self.trial_model.blocks
        self.n_micro_batches = training.accumulation
        self.optimizer = torch.optim.AdamW(
            self.trial_model.peft_parameters, lr=0.0, weight_decay=training.weight_decay
        )
        self.block_gate_training = (
            None if blocks is None else BlockGateTraining(self.trial_model, blocks, training.steps)
        )

    def split(self, n_micro_batches: int) -> None:
        """Split each batch of the steps to come into so many micro-batches."""
        self.n_micro_batches = n_micro_batches

    def advance(self, n_steps: int) -> Advance:
        """Train at most so many more steps."""
        until = min(self.steps_done + n_steps, self.config.training.steps)
        steps: list[StepMetrics] = []
        if self.block_gate_training is not None and not self.block_gate_training.over:
            steps += self._train(min(until, self.block_gate_training.n_soft))
            if self.steps_done >= self.block_gate_training.n_soft:
                self.block_gate_training.finish(self.optimizer)
        steps += self._train(until)
        return Advance(
            step=self.steps_done,
            done=self.steps_done >= self.config.training.steps,
            steps=tuple(steps),
        )

    def _train(self, until: int) -> list[StepMetrics]:
        """Train up to step `until`, with the model as it stands."""
        training, density = self.config.training, self.config.density
        # While the gates train, a closed block counts 0; once blocks are removed, the probe itself
        # sees which.
        blocks, gate_training = self.trial_model.blocks, self.block_gate_training
        gates_train = gate_training is not None and not gate_training.over
        shares = blocks.shares if blocks is not None and gates_train else None
        probe: DensityProbe | None = (
            None if density.is_none else verb(density)(self.trial_model.gates, density, shares)
        )
        parameters = self.trial_model.peft_parameters
        trainer = StepTrainer(
            self.trial_model.model,
            parameters,
            self.optimizer,
            probe,
            training,
            self.measurer.device,
            gate_training,
            self.trial_model.allocation,
        )
        order = training_order(
            len(self.data.train), self.seed, start=self.steps_done * training.batch_size
        )
        start = time.perf_counter()
        steps: list[StepMetrics] = []
        self.trial_model.model.train()
        with trainer, keeping_freed():
            for number in range(self.steps_done, until):
                rows = [self.data.train[next(order)] for _ in range(training.batch_size)]
                steps.append(trainer.step(number, self._micro_batches(rows)))
        self.steps_done += len(steps)
        self.train_time_sec += time.perf_counter() - start
        return steps

    def _micro_batches(self, rows: list[dict[str, object]]) -> list[Batch]:
        n = self.n_micro_batches
        bounds = [round(i * len(rows) / n) for i in range(n + 1)]
        return [
            collate(rows[a:b], self.data.class_ids, self.trial_model.base.pad_id)
            for a, b in pairwise(bounds)
        ]

    def state(self) -> bytes:
        """All that a later process needs to go on, as bytes."""
        buffer = io.BytesIO()
        torch.save(
            {
                "trial_id": self.config.trial_id(self.seed),
                "steps_done": self.steps_done,
                "train_time_sec": self.train_time_sec,
                "elapsed_sec": time.time() - self.started_at,
                "trained": {
                    name: parameter.detach() for name, parameter in self.trial_model.trained.items()
                },
                "optimizer": self.optimizer.state_dict(),
                "gating": (
                    None if self.block_gate_training is None else self.block_gate_training.state()
                ),
                "generator": torch.get_rng_state(),
                "allocation": (
                    None
                    if self.trial_model.allocation is None
                    else self.trial_model.allocation.state()
                ),
            },
            buffer,
        )
        return buffer.getvalue()

    def load(self, state: bytes) -> None:
        """Go on from what `state` gave.

        Raises:
            ValueError: it is another trial's.
        """
        saved = torch.load(io.BytesIO(state), map_location=self.measurer.device, weights_only=True)
        if saved["trial_id"] != self.config.trial_id(self.seed):
            raise ValueError(
                f"a checkpoint of {saved['trial_id']} cannot go on as"
                f" {self.config.trial_id(self.seed)}"
            )
        if self.block_gate_training is not None:
            self.block_gate_training.load(saved["gating"], self.optimizer)
        with torch.no_grad():
            for name, parameter in self.trial_model.trained.items():
                parameter.copy_(saved["trained"][name])
        self.optimizer.load_state_dict(saved["optimizer"])
        if self.trial_model.allocation is not None:
            self.trial_model.allocation.load(saved["allocation"])
        torch.set_rng_state(saved["generator"].cpu())
        self.steps_done, self.train_time_sec = saved["steps_done"], saved["train_time_sec"]
        # As if without the pause: the trial's duration counts against the budget's hours.
        self.started_at -= saved["elapsed_sec"]

    def weights(self) -> bytes:
        """What the trial trained, as safetensors bytes that say whose they are."""
        return sealed(self.trial_model.save({TRIAL_ID: self.config.trial_id(self.seed)}))

    def measure(self, thresholds: tuple[float, ...]) -> tuple[Point, ...]:
        """Score and density at these thresholds, on validation examples."""
        evaluator = self.measurer.evaluator(self.trial_model, self.data, "validation")
        points = [evaluator.point(threshold) for threshold in thresholds]
        return with_energy(points, self.trial_model, evaluator)

    def finish(self) -> CompleteTrial:
        """Measure the trial at its end, and give its result."""
        start = time.perf_counter()
        evaluator = self.measurer.evaluator(self.trial_model, self.data, "validation")
        plain, exact = evaluator.point_and_exact_density()
        points = (
            plain,
            *(evaluator.point(threshold) for threshold in self.measurer.evaluation.thresholds[1:]),
        )
        if self.measurer.evaluation.percentiles:
            histogram = self.measurer.gate_histogram(self.trial_model, self.data)
            points += tuple(
                evaluator.point_by_block(p, histogram.thresholds(p))
                for p in self.measurer.evaluation.percentiles
            )
        points = with_energy(points, self.trial_model, evaluator)
        evaluate_sec = time.perf_counter() - start
        return CompleteTrial(
            config=self.config,
            seed=self.seed,
            points=points,
            exact_density=exact,
            layer_sparsity={
                name: round(share, 5) for name, share in self.trial_model.base.sparsity.items()
            },
            cost=self.measurer.cost(
                self.trial_model,
                self.data,
                self.memory,
                self.build_time_sec,
                self.train_time_sec,
                evaluate_sec,
            ),
            skipped=skipped_blocks(self.trial_model.gates),
            block_gates=(
                None if self.trial_model.blocks is None else self.trial_model.blocks.values()
            ),
            provenance=provenance(
                self.measurer.device,
                self.data.fingerprint,
                self.trial_model.base.revision,
                self.n_micro_batches,
            ),
            started_at=self.started_at,
            finished_at=time.time(),
        )
