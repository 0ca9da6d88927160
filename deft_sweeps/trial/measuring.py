"""What a trial's model is worth and what it costs: score and density, latency, memory."""

from dataclasses import dataclass

import torch

from deft_sweeps.axes.adaptive import removed_linears, removed_parameters
from deft_sweeps.axes.quantization.dense_copy import packed_weights
from deft_sweeps.axes.thresholds import GateHistogram
from deft_sweeps.config.trial import Evaluation
from deft_sweeps.models.checkpoints import load_tokenizer
from deft_sweeps.models.families import family_of
from deft_sweeps.result import Cost, Label
from deft_sweeps.statistics.call_time import Latency
from deft_sweeps.tasks.batches import Batch, collate
from deft_sweeps.tasks.task_data import TaskData
from deft_sweeps.trial.base import model_inputs
from deft_sweeps.trial.build import TrialModel
from deft_sweeps.trial.cost import PeakMemory, measure_latency, tensor_bytes
from deft_sweeps.trial.evaluate import Evaluator, evaluating
from deft_sweeps.trial.freed_memory import give_back_freed
from deft_sweeps.trial.heads import mean_target
from deft_sweeps.trial.predict import AnswerReader


@dataclass(frozen=True, slots=True)
class Measurer:
    """Measures the models of one worker's trials.

    Attributes:
        label: of the costs, `proxy` where the worker shares the machine with others.
        device: where the models are.
    """

    evaluation: Evaluation
    label: Label
    device: torch.device

    def evaluator(self, trial_model: TrialModel, data: TaskData, split: str) -> Evaluator:
        """Measures a model on a held-out split, in batches of examples of similar length.

        Args:
            trial_model: to measure.
            data: of its task.
            split: `validation`, `selection` or `test`.
        """
        give_back_freed()
        rows = getattr(data, split)
        lengths = [len(ids) for ids in rows["input_ids"]]
        order = sorted(range(len(lengths)), key=lambda i: lengths[i])
        size = self.evaluation.batch_size
        batches = [
            collate(
                [rows[i] for i in order[start : start + size]],
                data.class_ids,
                trial_model.base.pad_id,
            )
            for start in range(0, len(order), size)
        ]
        return Evaluator(
            trial_model.model,
            trial_model.gates,
            batches,
            order,
            self._answers(trial_model, data, split, batches),
            self.device,
        )

    def _answers(
        self,
        trial_model: TrialModel,
        data: TaskData,
        split: str,
        batches: list[Batch],
    ) -> AnswerReader:
        # A text may be as long as the longest of the split that is measured.
        longest = max(0 if batch.labels is None else batch.labels.shape[1] for batch in batches)
        middle = mean_target(data) if data.kind == "regression" else 0.0
        return AnswerReader(
            trial_model.model,
            family_of(trial_model.base.layout).answering,
            data,
            split,
            load_tokenizer(trial_model.base.key.model),
            longest,
            middle,
        )

    def latency(self, trial_model: TrialModel, data: TaskData) -> Latency:
        """Time of one forward pass over the first validation examples."""
        n = min(self.evaluation.latency_batch_size, len(data.validation))
        rows = [data.validation[i] for i in range(n)]
        inputs, _ = model_inputs(
            collate(rows, data.class_ids, trial_model.base.pad_id),
            self.device,
        )
        with torch.no_grad(), evaluating(trial_model.model):
            return measure_latency(
                lambda: trial_model.model(**inputs),
                self.evaluation.latency_repeats,
                self.device,
            )

    @torch.no_grad()
    def gate_histogram(self, trial_model: TrialModel, data: TaskData) -> GateHistogram:
        """Distribution of every gate's entries over the first training examples."""
        evaluation, histogram = self.evaluation, GateHistogram(trial_model.gates)
        n = min(evaluation.n_calibration, len(data.train))
        with evaluating(trial_model.model):
            for start in range(0, n, evaluation.batch_size):
                rows = [data.train[i] for i in range(start, min(start + evaluation.batch_size, n))]
                inputs, masks = model_inputs(
                    collate(rows, data.class_ids, trial_model.base.pad_id),
                    self.device,
                )
                with histogram.reading(masks):
                    trial_model.model(**inputs)
        return histogram

    def cost(
        self,
        trial_model: TrialModel,
        data: TaskData,
        memory: PeakMemory,
        build_sec: float,
        train_sec: float,
        evaluate_sec: float,
    ) -> Cost:
        """What the trial has cost so far."""
        base, shape = trial_model.base, trial_model.base.layout
        n_trained = sum(parameter.numel() for parameter in trial_model.trained.values())
        numbers = trial_model.blocks.removed if trial_model.blocks is not None else ()
        removed = removed_linears(shape, numbers)
        linears = [linear for linear in shape.linears if linear not in removed]
        peak_bytes = memory.read()  # Before the timed passes, which are no part of the trial.
        with packed_weights(trial_model.model):
            latency = self.latency(trial_model, data)
        n_zero = sum(base.sparsity.get(x.name, 0.0) * x.n_parameters for x in linears)
        return Cost(
            label=self.label,
            trainable_parameters=n_trained,
            total_parameters=base.n_parameters - removed_parameters(shape, numbers) + n_trained,
            weight_bytes=tensor_bytes(trial_model.model),
            weight_sparsity=n_zero / sum(linear.n_parameters for linear in linears),
            peak_memory_bytes=peak_bytes,
            latency_sec=latency.median,
            build_time_sec=build_sec,
            train_time_sec=train_sec,
            evaluate_time_sec=evaluate_sec,
            latency_high_sec=latency.high,
        )
