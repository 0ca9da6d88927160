"""Gains at equal density over the tables, held against known ones and against the README."""

from pathlib import Path

import pytest

from benchmarks.equal_density import NAMES, Trainings, lines, mean_gains, seed_reach, trainings
from benchmarks.search.table import TABLES, read
from deft_sweeps.config.axes import DensityLoss, Nf4, NoDensityLoss, Quantization, Unquantized
from deft_sweeps.config.trial import TrialConfig
from deft_sweeps.result import Point
from tests.samples import point

README = Path(__file__).parents[3] / "README.md"


def made(quantization: Quantization, gain: float, weight: float = 1.0) -> Trainings:
    """A twin whose score is its density, and a training that scores `gain` above it."""
    plain = TrialConfig(density=NoDensityLoss(), quantization=quantization)
    deft = TrialConfig(density=DensityLoss(weight=weight), quantization=quantization)

    def at(threshold: float, score: float, density: float) -> Point:
        return point(threshold, score, density, n=1000)

    return {
        plain: {0: (at(0.01, 0.9, 0.9), at(0.2, 0.5, 0.5), at(0.5, 0.2, 0.2))},
        deft: {0: (at(0.01, 0.6 + gain, 0.6), at(0.2, 0.3 + gain, 0.3), at(0.5, 0.1, 0.1))},
    }


def test_a_gain_is_the_distance_from_the_twins_curve_and_its_interval_is_over_twins() -> None:
    gains = mean_gains(made(Unquantized(), 0.02) | made(Nf4(), 0.04))
    assert [gain.threshold for gain in gains] == [0.01, 0.2, 0.5]
    for gain in gains[:2]:
        assert gain.value == pytest.approx(0.03)
        # Student's t for one degree of freedom, times the standard error of two values.
        assert gain.reach == pytest.approx(12.706 * 0.01, rel=1e-3)
        assert (gain.n_compared, gain.n_points, gain.n_twins) == (2, 2, 2)
    assert (gains[2].n_compared, gains[2].n_points, gains[2].n_twins) == (0, 2, 0)


def test_configurations_of_one_twin_count_once() -> None:
    shared = made(Unquantized(), 0.02) | made(Unquantized(), 0.06, weight=2.0)
    gains = mean_gains(shared | made(Nf4(), 0.0))
    assert gains[0].value == pytest.approx(0.02)
    assert gains[0].n_twins == 2


def test_the_reach_of_seeds_is_that_of_a_difference() -> None:
    config = TrialConfig()
    scores = enumerate((0.7, 0.8, 0.9))
    ends: Trainings = {config: {seed: (point(0.5, score, 0.3),) for seed, score in scores}}
    assert seed_reach(ends) == pytest.approx({0.5: 1.96 * 2**0.5 * 0.1}, rel=1e-3)


def test_the_readme_shows_what_the_tables_say() -> None:
    text = README.read_text("utf-8")
    for file, name in NAMES.items():
        rows = lines(name, mean_gains(trainings(read(TABLES / f"{file}.jsonl.gz"))))
        assert [row for row in rows if row not in text] == []
