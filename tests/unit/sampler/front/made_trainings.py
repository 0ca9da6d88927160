"""Observed trainings of `fake_spec`, without a study."""

from collections.abc import Mapping

from deft_sweeps.sampler.front.observation import Observation, ObservedTraining
from deft_sweeps.specification.combination import Start
from tests.fakes import THRESHOLDS, plain

N_THRESHOLDS = len(THRESHOLDS)


def observed(step_share: float, *values: float, threshold_index: int = 0) -> Observation:
    """One point; values are those of the modelled metrics."""
    return Observation(threshold_index, step_share, values)


def training(
    number: int,
    *observations: Observation,
    configuration: Start | None = None,
    is_own: bool = True,
    margins: Mapping[str, float] | None = None,
) -> ObservedTraining:
    """A training; by default each number has a learning rate of its own."""
    start = configuration or plain(1e-3 + 1e-6 * number)
    return ObservedTraining(number, start, observations, is_own=is_own, margins=margins or {})
