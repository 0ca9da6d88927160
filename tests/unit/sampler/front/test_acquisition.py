"""Values of candidates, and batches beside asking a new model for each of its members."""

import numpy as np
import pytest

from deft_sweeps.objective import parse_constraint
from deft_sweeps.sampler.front import acquisition
from deft_sweeps.sampler.front.acquisition import Acquisition
from deft_sweeps.sampler.front.kernel import Inputs, Kernel, LogHyperparameters
from deft_sweeps.sampler.front.posterior import GaussianProcess, condition
from deft_sweeps.sampler.front.search_goal import Goal

N_THRESHOLDS = 3
N_CANDIDATES = 40
NAMES = ("score", "activation_density")
LOG = LogHyperparameters(np.array([1.0, 1.0]), 0.0, 0.0, 0.0, 0.0, -4.0, -5.0)
KERNEL = Kernel(LOG, (0, 1))
THRESHOLDS = np.linspace(0.0, 1.0, N_THRESHOLDS)


def inputs_at(x: np.ndarray, first_number: int) -> Inputs:
    numbers = first_number - np.arange(len(x))
    n = N_THRESHOLDS * len(x)
    return Inputs(
        np.repeat(x, N_THRESHOLDS, axis=0),
        np.tile(THRESHOLDS, len(x)),
        np.repeat(numbers, N_THRESHOLDS),
        np.zeros(n),
        np.zeros(n),
    )


def landscape(seed: int) -> tuple[list[GaussianProcess], np.ndarray, Inputs]:
    """Processes of score and log density of ten trainings, their points, and candidates."""
    rng = np.random.default_rng(seed)
    x = rng.random((10, 2))
    density = np.outer(0.2 + 0.7 * x[:, 0], 1.0 - 0.6 * THRESHOLDS)
    score = 0.6 + 0.3 * density**0.5 - 0.2 * (x[:, 1:] - 0.4) ** 2
    observed = np.stack([score.reshape(-1), density.reshape(-1)], axis=1)
    inputs = inputs_at(x, 10)
    processes = [
        condition(KERNEL, inputs, observed[:, 0]),
        condition(KERNEL, inputs, np.log(observed[:, 1])),
    ]
    return processes, observed, inputs_at(rng.random((N_CANDIDATES, 2)), -1)


def made(
    processes: list[GaussianProcess], observed: np.ndarray, candidates: Inputs, goal: Goal
) -> Acquisition:
    posteriors = [process.posterior(candidates, N_THRESHOLDS) for process in processes]
    return Acquisition(goal, posteriors, observed, np.random.default_rng(0))


@pytest.mark.parametrize("seed", range(3))
def test_a_batch_is_what_a_new_model_selects_one_by_one(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(acquisition, "_N_RECOMPUTED", 4)
    monkeypatch.setattr(acquisition, "SHORTLIST_FACTOR", 8)
    processes, observed, candidates = landscape(seed)
    goal = Goal(NAMES, 2, ())
    batch = made(processes, observed, candidates, goal).select_batch(5)
    assert len(set(batch)) == 5
    for n, selected in enumerate(batch):
        values = made(processes, observed, candidates, goal).values
        values[batch[:n]] = -1.0
        # The batch keeps the scale of its first member, so its values differ a little.
        assert values[selected] >= 0.9 * values.max()
        first = N_THRESHOLDS * selected
        inputs = inputs_at(candidates.configurations[first : first + 1], -1)
        means = [process.posterior(inputs, N_THRESHOLDS).mean[0] for process in processes]
        processes = [
            process.condition_on_observations(inputs, mean)
            for process, mean in zip(processes, means, strict=True)
        ]
        point = np.stack([means[0], np.exp(means[1])], axis=1)
        observed = np.concatenate([observed, point])


def test_a_candidate_outside_the_limits_has_no_value() -> None:
    processes, observed, candidates = landscape(0)
    limit = parse_constraint("activation_density <= 0.0001")
    limited = Goal(NAMES, 2, ((limit, 1e-4),))
    assert not made(processes, observed, candidates, limited).values.any()
    assert made(processes, observed, candidates, Goal(NAMES, 2, ())).values.any()


def test_a_batch_is_never_larger_than_the_candidates() -> None:
    processes, observed, candidates = landscape(0)
    batch = made(processes, observed, candidates, Goal(NAMES, 2, ())).select_batch(1000)
    assert sorted(batch) == list(range(N_CANDIDATES))
