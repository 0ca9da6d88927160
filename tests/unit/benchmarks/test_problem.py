import numpy as np
import pytest

from benchmarks.search.closed_form import NAMES, RUNGS, make
from benchmarks.search.measure import truths_of
from benchmarks.search.problem import Scale, objective_values, scaled, truth
from deft_sweeps.config.trial import TrialConfig
from deft_sweeps.sampler.optuna_sampler import make_sampler
from deft_sweeps.specification.search_settings import Search
from deft_sweeps.specification.sweep_spec import SweepSpec
from deft_sweeps.study.parameters import suggest


def drawn(spec: SweepSpec, n: int) -> list[TrialConfig]:
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(directions=["maximize", "minimize"])
    configs = []
    for i in range(n):
        study.sampler = make_sampler(Search(sampler="random", seed=5), i)
        configs.append(spec.config(suggest(study.ask(), spec)))
    return configs


@pytest.mark.parametrize("scale", ["linear", "log"])
def test_the_volume_is_that_of_counted_cells(scale: Scale) -> None:
    front = np.array([[0.9, 0.5], [0.8, 0.2], [0.6, 0.1], [0.55, 0.3]])  # The last is dominated.
    volume = truth(front, ("score", "activation_density"), scale)
    worst_density = (
        0.5 + 0.1 * (0.5 - 0.1)
        if scale == "linear"
        else np.log10(0.5) + 0.1 * (np.log10(0.5) - np.log10(0.1))
    )
    assert volume.reference == pytest.approx([0.6 - 0.1 * 0.3, worst_density])
    densities = front[:, 1] if scale == "linear" else np.log10(front[:, 1])
    score, density = np.meshgrid(
        np.linspace(0.5, 1.0, 1501), np.linspace(densities.min(), worst_density, 1501)
    )
    covered = np.zeros(score.shape, dtype=bool)
    for best, least in zip(front[:, 0], densities, strict=True):
        covered |= (
            (score <= best)
            & (score > volume.reference[0])
            & (density >= least)
            & (density < worst_density)
        )
    cells = covered.mean() * (1.0 - 0.5) * (worst_density - densities.min())
    assert volume.volume == pytest.approx(cells, rel=5e-3)
    assert volume.share(front) == pytest.approx(1.0)
    assert 0.0 < volume.share(front[1:2]) < 1.0


def test_scaling_leaves_scores_and_its_argument_alone() -> None:
    values = np.array([[0.9, 0.1]])
    assert scaled(values, ("score", "activation_density"), "log").tolist() == [
        [0.9, pytest.approx(-1.0)]
    ]
    assert values.tolist() == [[0.9, 0.1]]


@pytest.mark.parametrize("name", NAMES)
def test_no_configuration_is_beyond_the_stated_front(name: str) -> None:
    problem = make(name)
    points = np.concatenate([problem.true_points(config) for config in drawn(problem.spec, 400)])
    for one in truths_of(problem):
        together = np.concatenate([points, problem.true_front()])
        assert one.share(together) == pytest.approx(1.0, abs=2e-3)
        assert one.share(points) < 0.97, "a few random trials must not be all of it"


@pytest.mark.parametrize("name", NAMES)
def test_a_curve_is_noise_about_the_truth_and_the_same_again(name: str) -> None:
    problem = make(name)
    config = drawn(problem.spec, 1)[0]
    ends = np.array(
        [
            objective_values(problem.spec.objectives, problem.curve(config, seed, RUNGS[-1]))
            for seed in range(300)
        ]
    )
    true = problem.true_points(config)
    assert np.abs(ends.mean(axis=0) - true).max() < 0.003
    assert ends.std(axis=0)[:, 0] == pytest.approx(0.006, rel=0.2)
    assert problem.curve(config, 3, RUNGS[0]) == problem.curve(config, 3, RUNGS[0])


@pytest.mark.parametrize("name", NAMES)
def test_learning_curves_cross(name: str) -> None:
    problem = make(name)
    configs = drawn(problem.spec, 40)
    first, last = (
        np.array([problem.curve(config, 0, step)[1].score.value for config in configs])
        for step in (RUNGS[0], RUNGS[-1])
    )
    ranks = [np.argsort(np.argsort(values)) for values in (first, last)]
    agreement = float(np.corrcoef(ranks[0], ranks[1])[0, 1])
    assert -0.2 < agreement < 0.95


def test_the_broken_front_is_in_pieces_of_several_combinations() -> None:
    problem = make("broken")
    densities = np.sort(problem.true_front()[:, 1])
    assert (np.diff(densities) > 0.03).sum() >= 2
