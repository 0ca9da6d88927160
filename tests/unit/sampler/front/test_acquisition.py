"""Picking several candidates at once, beside asking a new model for each."""

import numpy as np
import pytest

from deft_sweeps.objective import parse_constraint
from deft_sweeps.sampler.front import acquisition as prospects
from deft_sweeps.sampler.front.acquisition import Goal, Prospects
from deft_sweeps.sampler.front.kernel import Hyper, Rows
from deft_sweeps.sampler.front.posterior import Process, condition, joined

N_EACH = 3
N_CANDIDATES = 40
NAMES = ("score", "activation_density")
HYPER = Hyper(np.array([1.0, 1.0]), 0.0, 0.0, 0.0, 0.0, -4.0, -5.0)
THRESHOLDS = np.linspace(0.0, 1.0, N_EACH)


def rows_at(x: np.ndarray, first: int) -> Rows:
    numbers = first - np.arange(len(x))
    n = N_EACH * len(x)
    return Rows(np.repeat(x, N_EACH, axis=0), np.tile(THRESHOLDS, len(x)), np.repeat(numbers, N_EACH), np.zeros(n), np.zeros(n))


def landscape(seed: int) -> tuple[list[Process], np.ndarray, Rows]:
    """Models of score and log density of ten trainings, what those gave, and candidates."""
    rng = np.random.default_rng(seed)
    x = rng.random((10, 2))
    density = np.outer(0.2 + 0.7 * x[:, 0], 1.0 - 0.6 * THRESHOLDS)
    score = 0.6 + 0.3 * density**0.5 - 0.2 * (x[:, 1:] - 0.4) ** 2
    found = np.stack([score.reshape(-1), density.reshape(-1)], axis=1)
    told = rows_at(x, 10)
    processes = [condition(told, found[:, 0], (0, 1), HYPER), condition(told, np.log(found[:, 1]), (0, 1), HYPER)]
    return processes, found, rows_at(rng.random((N_CANDIDATES, 2)), -1)


def of(processes: list[Process], found: np.ndarray, asked: Rows, goal: Goal) -> Prospects:
    return Prospects(goal, [process.outlook(asked, N_EACH) for process in processes], found, np.random.default_rng(0))


@pytest.mark.parametrize("seed", range(3))
def test_several_picks_are_those_of_a_new_model_for_each(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prospects, "_LOOKED_AT", 4)
    monkeypatch.setattr(prospects, "SHORTLIST", 8)
    processes, found, asked = landscape(seed)
    goal = Goal(NAMES, 2, ())
    at_once = of(processes, found, asked, goal).pick(5)
    assert len(set(at_once)) == 5
    for n, picked in enumerate(at_once):
        gains = of(processes, found, asked, goal).gains
        gains[at_once[:n]] = -1.0
        # The scale is the first pick's for all of them, and looking at those in front only is exact where gains only fall.
        assert gains[picked] >= 0.9 * gains.max()
        told = rows_at(asked.x[N_EACH * picked : N_EACH * picked + 1], -1)
        means = [process.predict(told, N_EACH)[0][0] for process in processes]
        processes = [joined(process, told, mean) for process, mean in zip(processes, means, strict=True)]
        found = np.concatenate([found, np.stack([means[0], np.exp(means[1])], axis=1)])


def test_what_breaks_a_limit_gains_nothing() -> None:
    processes, found, asked = landscape(0)
    limit = parse_constraint("activation_density <= 0.0001")
    assert not of(processes, found, asked, Goal(NAMES, 2, ((limit, 1e-4),))).gains.any()
    assert of(processes, found, asked, Goal(NAMES, 2, ())).gains.any()


def test_no_more_are_picked_than_there_are() -> None:
    processes, found, asked = landscape(0)
    assert sorted(of(processes, found, asked, Goal(NAMES, 2, ())).pick(1000)) == list(range(N_CANDIDATES))
