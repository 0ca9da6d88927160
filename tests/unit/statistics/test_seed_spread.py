"""How far the seed alone moves a score, and that it stands beside every difference of trainings."""

import math
from dataclasses import replace

import numpy as np
import pytest

from deft_sweeps.findings import Findings
from deft_sweeps.findings.equal_density import equal_density_gains
from deft_sweeps.findings.pareto_front import pareto_front
from deft_sweeps.findings.sweep_comparison import ComparedSweep, compare
from deft_sweeps.report.choice_text import caveats
from deft_sweeps.report.comparison_tables import levels_table
from deft_sweeps.report.front_tables import finals_table
from deft_sweeps.report.seed_text import seeds_told
from deft_sweeps.report.trial_tables import equal_density_table
from deft_sweeps.result import CompleteTrial
from deft_sweeps.statistics.seed_mean import t_975
from deft_sweeps.statistics.seed_spread import seed_spread
from tests.made_sweep import sweep_finals
from tests.samples import point, result

OBJECTIVES = ("score", "activation_density")
UNKNOWN = "is not known from this sweep; it was 0.04 in score in the README's tables"


def test_variances_are_pooled_by_their_trainings() -> None:
    spread = seed_spread([[[0.8, 0.84], [0.7, 0.7]], [[0.5, 0.6, 0.7]], [[0.9]]])
    assert spread is not None
    assert (spread.n_configurations, spread.degrees) == (2, 3)
    # By hand: (1 * (0.0008 + 0) / 2 + 2 * 0.01) / 3.
    pooled = (0.0004 + 0.02) / 3
    assert spread.reach == pytest.approx(t_975(3) * math.sqrt(2 * pooled))


def test_nothing_is_known_without_seeds_that_differ() -> None:
    assert seed_spread([]) is None
    assert seed_spread([[[0.8]], [[0.7], [0.6]]]) is None
    assert seed_spread([[[0.7 + 0.1, 0.8, 0.8]]]) is None


def test_the_next_difference_stays_within_the_reach_as_often_as_it_says() -> None:
    rng = np.random.default_rng(5)
    n, inside = 3000, 0
    for _ in range(n):
        spread = seed_spread([[rng.normal(0.8, 0.02, 2).tolist()] for _ in range(3)])
        first, second = rng.normal(0.8, 0.02, 2)
        assert spread is not None
        inside += abs(first - second) <= spread.reach
    assert inside / n == pytest.approx(0.95, abs=3 * math.sqrt(0.05 * 0.95 / n))


def sweep(*, repeated: bool) -> list[CompleteTrial]:
    """Plain PEFT and two trials with the density loss, one of them with a second seed."""
    trials = [
        result(point(0.0, 0.8, 0.9), point(0.5, 0.6, 0.2)),
        result(point(0.0, 0.82, 0.5), weight=1.0),
        result(point(0.0, 0.7, 0.4), weight=2.0),
    ]
    second = result(point(0.0, 0.74, 0.4), weight=2.0, seed=1)
    return [*trials, second] if repeated else trials


def test_the_seed_stands_beside_every_comparison_of_two_trainings() -> None:
    for repeated in (False, True):
        results = sweep(repeated=repeated)
        findings = Findings(results, OBJECTIVES)
        sentence = seeds_told(findings.seed_spread)
        if repeated:
            reach = t_975(1) * math.sqrt(2) * np.std([0.7, 0.74], ddof=1)
            assert f"differ by up to {reach:.3f} in score (95 %, pooled over 1 rep" in sentence
        else:
            assert UNKNOWN in sentence
        choice = findings.choice
        assert choice.difference is not None
        assert any(sentence in caveat for caveat in caveats(choice))
        gains = equal_density_gains(results)
        assert sentence in equal_density_table(gains, findings.seed_spread).note
        assert sentence in finals_table(sweep_finals(), findings.seed_spread).note
        entry = ComparedSweep("a", pareto_front(results, OBJECTIVES), tuple(results))
        comparison = compare([entry, replace(entry, name="b")])
        clause = seeds_told(comparison.seed_spread, "these sweeps")
        assert clause in levels_table(comparison).note
        # One configuration in both sweeps counts once.
        assert ("pooled over 1 repeated configuration of these sweeps" in clause) is repeated
