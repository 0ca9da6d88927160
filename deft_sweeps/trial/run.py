"""The real TrialRun: train, evaluate, take the costs. A Bench keeps bases and examples warm for the trials of one worker."""

import io
import time
from collections import OrderedDict
from dataclasses import dataclass, field
from itertools import pairwise

import torch

from deft_sweeps.axes.adaptive import removed_linears, removed_parameters
from deft_sweeps.axes.density import DensityProbe, skipped_blocks
from deft_sweeps.axes.thresholds import GateHistogram
from deft_sweeps.axes.verb import verb
from deft_sweeps.config.data import Task
from deft_sweeps.config.trial import Evaluation, TrialConfig
from deft_sweeps.models.checkpoints import load_tokenizer
from deft_sweeps.result import Cost, Label, Point, RungResult, StepMetrics, TrialResult
from deft_sweeps.tasks.batches import Batch, collate, training_order
from deft_sweeps.tasks.load import TaskData, load_task
from deft_sweeps.trial.base import BaseKey, FrozenBase, build_base, model_inputs
from deft_sweeps.trial.build import Built, build
from deft_sweeps.trial.cost import PeakMemory, median_latency_sec, resident_bytes, tensor_bytes
from deft_sweeps.trial.energy import with_energy
from deft_sweeps.trial.evaluate import Evaluator, evaluating
from deft_sweeps.trial.gating import Gating
from deft_sweeps.trial.heads import HeadSpec, mean_target
from deft_sweeps.trial.heap import give_back_freed
from deft_sweeps.trial.predict import Answers
from deft_sweeps.trial.protocol import TrialRun
from deft_sweeps.trial.provenance import provenance
from deft_sweeps.trial.train import Learner


@dataclass(frozen=True, slots=True)
class BenchMaker:
    """Ships to a worker and makes its Bench there.

    Attributes:
        evaluation: how every trial is measured.
        n_threads: of torch.
        label: `proxy` where the worker shares the machine with others.
        n_bases: frozen bases kept warm, the least recently used dropped first.
    """

    evaluation: Evaluation
    n_threads: int = 1
    label: Label = "proxy"
    n_bases: int = 2

    def __call__(self) -> "Bench":
        return Bench(self)


class Bench:
    """Starts trials, one at a time, in this process."""

    def __init__(self, maker: BenchMaker) -> None:
        torch.set_num_threads(maker.n_threads)
        self.maker = maker
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self._bases: OrderedDict[BaseKey, FrozenBase] = OrderedDict()
        self._data: dict[tuple[Task, str], TaskData] = {}
        _import_heavy_parts()
        self.memory_floor = resident_bytes()

    def __call__(self, config: TrialConfig, seed: int, state: bytes | None = None) -> TrialRun:
        """Start a trial, or go on with one.

        Raises:
            CheckpointError, DataError, ConfigError: the configuration cannot be run.
        """
        memory = PeakMemory(self.device, self.memory_floor)
        started_at = time.time()
        data = self.data(config)
        built = build(self.base(config, data), config, seed, HeadSpec.of(data))
        run = Run(self, config, seed, data, built, memory, started_at, build_time_sec=time.time() - started_at)
        if state is not None:
            run.load(state)
        return run

    def data(self, config: TrialConfig) -> TaskData:
        """The task's splits, tokenised for the model."""
        key = (config.task, config.model)
        if key not in self._data:
            self._data[key] = load_task(config.task, config.model)
        return self._data[key]

    def base(self, config: TrialConfig, data: TaskData) -> FrozenBase:
        """The configuration's frozen base, warm or built now."""
        key = BaseKey.of(config, data.fingerprint, self.device)
        if key not in self._bases:
            while len(self._bases) >= self.maker.n_bases:
                self._bases.popitem(last=False)
            self._bases[key] = build_base(config, data, self.device)
        self._bases.move_to_end(key)
        return self._bases[key]

    def evaluator(self, built: Built, data: TaskData, split: str) -> Evaluator:
        """Measures a model on `validation` or `test`; batches hold examples of like length, so that little is padding."""
        give_back_freed()
        rows = data.test if split == "test" else data.validation
        lengths = [len(ids) for ids in rows["input_ids"]]
        order = sorted(range(len(lengths)), key=lambda i: lengths[i])
        size = self.maker.evaluation.batch_size
        batches = [
            collate([rows[i] for i in order[start : start + size]], data.class_ids, built.base.pad_id)
            for start in range(0, len(order), size)
        ]
        return Evaluator(built.model, built.gates, batches, order, self._answers(built, data, split, batches), self.device)

    def _answers(self, built: Built, data: TaskData, split: str, batches: list[Batch]) -> Answers:
        # A text may be as long as the longest of the split that is asked for.
        longest = max(0 if batch.labels is None else batch.labels.shape[1] for batch in batches)
        middle = mean_target(data) if data.kind == "regression" else 0.0
        return Answers(built.model, data, split, load_tokenizer(built.base.key.model), longest, middle)

    def latency_sec(self, built: Built, data: TaskData) -> float:
        """Median time of one forward pass over the first validation examples."""
        rows = [data.validation[i] for i in range(min(self.maker.evaluation.latency_batch_size, len(data.validation)))]
        inputs, _ = model_inputs(collate(rows, data.class_ids, built.base.pad_id), self.device)
        with torch.no_grad(), evaluating(built.model):
            return median_latency_sec(lambda: built.model(**inputs), self.maker.evaluation.latency_repeats, self.device)

    @torch.no_grad()
    def gate_histogram(self, built: Built, data: TaskData) -> GateHistogram:
        """Distribution of every gate's entries over the first training examples."""
        evaluation, histogram = self.maker.evaluation, GateHistogram(built.gates)
        n = min(evaluation.n_calibration, len(data.train))
        with evaluating(built.model):
            for start in range(0, n, evaluation.batch_size):
                rows = [data.train[i] for i in range(start, min(start + evaluation.batch_size, n))]
                inputs, masks = model_inputs(collate(rows, data.class_ids, built.base.pad_id), self.device)
                with histogram.reading(masks):
                    built.model(**inputs)
        return histogram

    def cost(self, built: Built, data: TaskData, memory: PeakMemory, build_sec: float, train_sec: float, evaluate_sec: float) -> Cost:
        """What the trial has cost so far."""
        n_trained = sum(parameter.numel() for parameter in built.trained.values())
        sparsity = built.base.sparsity
        numbers = built.blocks.removed if built.blocks is not None else ()
        removed = removed_linears(built.base.layout, numbers)
        sizes = {linear.name: linear.n_parameters for linear in built.base.layout.linears if linear not in removed}
        n_zero = sum(sparsity.get(name, 0.0) * size for name, size in sizes.items())
        return Cost(
            label=self.maker.label,
            trainable_parameters=n_trained,
            total_parameters=built.base.n_parameters - removed_parameters(built.base.layout, numbers) + n_trained,
            weight_bytes=tensor_bytes(built.model),
            weight_sparsity=n_zero / sum(sizes.values()),
            peak_memory_bytes=memory.read(),
            latency_sec=self.latency_sec(built, data),
            build_time_sec=build_sec,
            train_time_sec=train_sec,
            evaluate_time_sec=evaluate_sec,
        )


@dataclass(slots=True)
class Run:
    """One real trial; see TrialRun."""

    bench: Bench
    config: TrialConfig
    seed: int
    data: TaskData
    built: Built
    memory: PeakMemory
    started_at: float
    build_time_sec: float
    train_time_sec: float = 0.0
    steps_done: int = 0
    optimizer: torch.optim.Optimizer = field(init=False)
    gating: Gating | None = field(init=False)

    def __post_init__(self) -> None:
        training, blocks = self.config.training, self.built.blocks
        self.optimizer = torch.optim.AdamW(self.built.peft_parameters, lr=0.0, weight_decay=training.weight_decay)
        self.gating = None if blocks is None else Gating(self.built, blocks.settings, training.steps)

    def advance(self, n_steps: int) -> RungResult:
        until = min(self.steps_done + n_steps, self.config.training.steps)
        steps: list[StepMetrics] = []
        if self.gating is not None and not self.gating.over:
            steps += self._train(min(until, self.gating.n_soft))
            if self.steps_done >= self.gating.n_soft:
                self.gating.finish(self.optimizer)
        steps += self._train(until)
        return RungResult(step=self.steps_done, done=self.steps_done >= self.config.training.steps, steps=tuple(steps))

    def _train(self, until: int) -> list[StepMetrics]:
        """Train up to step `until`, with the model as it stands."""
        training, density = self.config.training, self.config.density
        # While the gates train, a closed block counts 0; once blocks are removed, the probe itself sees which.
        shares = self.built.blocks.shares if self.built.blocks is not None and self.gating is not None and not self.gating.over else None
        probe: DensityProbe | None = None if density.is_none else verb(density)(self.built.gates, density, shares)
        parameters = self.built.peft_parameters
        learner = Learner(
            self.built.model, parameters, self.optimizer, probe, training, self.bench.device, self.gating, self.built.allocation
        )
        order = training_order(len(self.data.train), self.seed, start=self.steps_done * training.batch_size)
        start = time.perf_counter()
        steps: list[StepMetrics] = []
        self.built.model.train()
        with learner:
            for number in range(self.steps_done, until):
                rows = [self.data.train[next(order)] for _ in range(training.batch_size)]
                steps.append(learner.step(number, self._micro_batches(rows)))
        self.steps_done += len(steps)
        self.train_time_sec += time.perf_counter() - start
        return steps

    def _micro_batches(self, rows: list[dict[str, object]]) -> list[Batch]:
        n = self.config.training.accumulation
        bounds = [round(i * len(rows) / n) for i in range(n + 1)]
        return [collate(rows[a:b], self.data.class_ids, self.built.base.pad_id) for a, b in pairwise(bounds)]

    def state(self) -> bytes:
        buffer = io.BytesIO()
        torch.save(
            {
                "trial_id": self.config.trial_id(self.seed),
                "steps_done": self.steps_done,
                "train_time_sec": self.train_time_sec,
                "elapsed_sec": time.time() - self.started_at,
                "trained": {name: parameter.detach() for name, parameter in self.built.trained.items()},
                "optimizer": self.optimizer.state_dict(),
                "gating": None if self.gating is None else self.gating.state(),
                "generator": torch.get_rng_state(),
                "allocation": None if self.built.allocation is None else self.built.allocation.state(),
            },
            buffer,
        )
        return buffer.getvalue()

    def load(self, state: bytes) -> None:
        """Go on from what `state` gave.

        Raises:
            ValueError: it is another trial's.
        """
        saved = torch.load(io.BytesIO(state), map_location=self.bench.device, weights_only=True)
        if saved["trial_id"] != self.config.trial_id(self.seed):
            raise ValueError(f"a checkpoint of {saved['trial_id']} cannot go on as {self.config.trial_id(self.seed)}")
        if self.gating is not None:
            self.gating.load(saved["gating"], self.optimizer)
        with torch.no_grad():
            for name, parameter in self.built.trained.items():
                parameter.copy_(saved["trained"][name])
        self.optimizer.load_state_dict(saved["optimizer"])
        if self.built.allocation is not None:
            self.built.allocation.load(saved["allocation"])
        torch.set_rng_state(saved["generator"].cpu())
        self.steps_done, self.train_time_sec = saved["steps_done"], saved["train_time_sec"]
        self.started_at -= saved["elapsed_sec"]  # As if without the pause: the trial's duration counts against the budget's hours.

    def weights(self) -> bytes:
        return self.built.save()

    def measure(self, thresholds: tuple[float, ...]) -> tuple[Point, ...]:
        evaluator = self.bench.evaluator(self.built, self.data, "validation")
        return tuple(evaluator.point(threshold) for threshold in thresholds)

    def finish(self) -> TrialResult:
        start = time.perf_counter()
        evaluator = self.bench.evaluator(self.built, self.data, "validation")
        plain, exact = evaluator.point_and_exact_density()
        points = (plain, *(evaluator.point(threshold) for threshold in self.bench.maker.evaluation.thresholds[1:]))
        if self.bench.maker.evaluation.percentiles:
            histogram = self.bench.gate_histogram(self.built, self.data)
            points += tuple(evaluator.point_by_block(p, histogram.thresholds(p)) for p in self.bench.maker.evaluation.percentiles)
        points = with_energy(points, self.built, evaluator)
        evaluate_sec = time.perf_counter() - start
        return TrialResult(
            config=self.config,
            seed=self.seed,
            status="complete",
            points=points,
            exact_density=exact,
            layer_sparsity={name: round(share, 5) for name, share in self.built.base.sparsity.items()},
            cost=self.bench.cost(self.built, self.data, self.memory, self.build_time_sec, self.train_time_sec, evaluate_sec),
            skipped=skipped_blocks(self.built.gates),
            block_gates=None if self.built.blocks is None else self.built.blocks.values(),
            provenance=provenance(self.bench.device, self.data.fingerprint, self.built.base.revision),
            started_at=self.started_at,
            finished_at=time.time(),
        )


def run_trial(bench: Bench, config: TrialConfig, seed: int) -> TrialResult:
    """A whole trial in one call."""
    run = bench(config, seed)
    run.advance(config.training.steps)
    return run.finish()


def _import_heavy_parts() -> None:
    """Load what every trial loads, so that the memory floor is taken after it."""
    import bitsandbytes  # noqa: F401
    import peft  # noqa: F401
