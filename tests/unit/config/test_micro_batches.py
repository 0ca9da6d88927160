from dataclasses import replace

import pytest

from deft_sweeps.config.axes import DensityLoss, Training
from deft_sweeps.config.micro_batches import n_micro_batches
from deft_sweeps.config.trial import TrialConfig


def attempts(config: TrialConfig) -> list[int]:
    """The splits of a trial that runs out of memory each time."""
    splits, ran_out_at = [], 0
    while (n := n_micro_batches(config, ran_out_at)) is not None:
        splits.append(n)
        ran_out_at = n
    return splits


@pytest.mark.parametrize(
    ("batch_size", "accumulation", "expected"),
    [(16, 1, [1, 4, 16]), (64, 2, [2, 8, 64]), (3, 1, [1, 3]), (1, 1, [1]), (8, 8, [8])],
)
def test_a_trial_ends_with_one_example_at_a_time(
    batch_size: int, accumulation: int, expected: list[int]
) -> None:
    config = TrialConfig(training=Training(batch_size=batch_size, accumulation=accumulation))
    assert attempts(config) == expected


def test_a_loss_over_the_whole_batch_is_never_split() -> None:
    config = TrialConfig(density=DensityLoss(reduction="feature_map"))
    assert attempts(config) == [1]
    assert attempts(replace(config, density=DensityLoss())) == [1, 4, 16]
