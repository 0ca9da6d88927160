"""What a sweep's trials need of memory, as the trials that have ended correct it."""

from collections.abc import Sequence

from deft_sweeps.config.trial import TrialConfig
from deft_sweeps.projection.measured_peaks import (
    kind_of,
    peak_ratios,
    projected_bytes,
    raised_bytes,
)
from deft_sweeps.projection.memory_fit import model_shape
from deft_sweeps.result import TrialResult
from deft_sweeps.specification.sweep_spec import SweepSpec


class LearnedMemory:
    """Projected memory of trials, raised by what trials of the same kind needed.

    Args:
        spec: of the sweep.
        results: of its trials, those of earlier drivers included; it grows while the sweep runs.
    """

    def __init__(self, spec: SweepSpec, results: Sequence[TrialResult]) -> None:
        self._spec, self._results, self._n_seen = spec, results, 0
        self._on_gpu = spec.budget.gpu_share > 0
        self._ratios: dict[str, float] = {}
        self._shape = model_shape(spec)
        self._largest: int | None = None

    def ratio(self, config: TrialConfig) -> float:
        """The highest of measured to projected bytes of the trial's kind; 0 if none has ended."""
        self._learn()
        return self._ratios.get(kind_of(config), 0.0)

    def bytes_of(self, config: TrialConfig) -> int | None:
        """That a trial needs, of the host's memory or of the GPU's; None if the model's shape
        cannot be read here.
        """
        self._learn()
        if self._shape is None:
            return None
        evaluation = self._spec.evaluation
        projected = projected_bytes(config, self._shape, evaluation, on_gpu=self._on_gpu)
        return raised_bytes(projected, config, self._ratios)

    def largest_bytes(self) -> int | None:
        """The most that a trial of any combination needs, as `bytes_of`."""
        self._learn()
        if self._largest is None and self._shape is not None:
            needs = (self.bytes_of(c.template) for c in self._spec.combinations)
            self._largest = max((need for need in needs if need is not None), default=None)
        return self._largest

    def _learn(self) -> None:
        """Take in the results that came since."""
        new, self._n_seen = self._results[self._n_seen :], len(self._results)
        if self._shape is None or not new:
            return
        evaluation = self._spec.evaluation
        learned = peak_ratios(new, self._shape, evaluation, on_gpu=self._on_gpu)
        for kind, ratio in learned.items():
            if ratio > self._ratios.get(kind, 0.0):
                self._ratios[kind], self._largest = ratio, None
