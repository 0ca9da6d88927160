"""The quasi-random sampler."""

import numpy as np
import optuna
from scipy.stats import qmc

from deft_sweeps.sampler.optuna_sampler import make_sampler
from deft_sweeps.specification.search_settings import Search


def points(name: str, seed: int, n: int = 64) -> np.ndarray:
    """Proposals over two open parameters, one of them logarithmic, in the unit square."""
    study = optuna.create_study()
    rows = []
    for number in range(n):
        study.sampler = make_sampler(Search(sampler=name, seed=seed), number)
        trial = study.ask()
        a, b = trial.suggest_float("a", 0, 1), trial.suggest_float("b", 1e-4, 1, log=True)
        rows.append((a, 1 + np.log10(b) / 4))
        study.tell(trial, 0.0)
    return np.array(rows)


def test_it_fills_the_space_more_evenly_than_random_draws() -> None:
    even, drawn = (
        [qmc.discrepancy(points(name, s)) for s in range(4)] for name in ("qmc", "random")
    )
    assert max(even) < 0.5 * min(drawn)


def test_a_study_without_optunas_count_goes_on_in_the_sequence() -> None:
    """A study that is rebuilt from the store holds its trials and nothing besides."""
    through = points("qmc", 3, 9)
    study = optuna.create_study()
    ranges: dict[str, optuna.distributions.BaseDistribution] = {
        "a": optuna.distributions.FloatDistribution(0, 1),
        "b": optuna.distributions.FloatDistribution(1e-4, 1, log=True),
    }
    for a, b in through[:8]:
        params = {"a": float(a), "b": float(10 ** (4 * (b - 1)))}
        trial = optuna.trial.create_trial(params=params, distributions=ranges, values=[0.0])
        study.add_trial(trial)
    study.sampler = make_sampler(Search(sampler="qmc", seed=3), 8)
    proposed = study.ask()
    assert proposed.suggest_float("a", 0, 1) == through[8][0]
