"""The simulated clock proposes what a real sweep proposes."""

import io
import math
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.search.arms import make_arm
from benchmarks.search.closed_form import make
from benchmarks.search.replay import ReplayMaker
from benchmarks.search.simulate import simulate
from deft_sweeps.specification.search_settings import Budget, Halving
from deft_sweeps.store.sweep_dir import SweepDir
from deft_sweeps.sweep.progress import LineView
from deft_sweeps.sweep.runner import run_sweep

pytestmark = pytest.mark.sweeps

TRIALS = 14


@pytest.mark.usefixtures("one_ray")
def test_simulated_and_real_sweep_run_the_same_trials_one_after_the_other(tmp_path: Path) -> None:
    problem = make("bent")
    search = replace(problem.spec.search, sampler="tpe", seed=5)
    budget = Budget(trials=TRIALS, concurrency=1)
    spec = replace(problem.spec, search=search, stopping=Halving(), budget=budget)
    sweep = SweepDir(tmp_path)
    with LineView(io.StringIO()) as view:
        outcome = run_sweep(spec, sweep, ReplayMaker(problem), view=view, n_cpus=1)
    assert outcome.n_failed == 0
    results = sorted(sweep.results(), key=lambda result: result.finished_at)
    ended = simulate(
        problem, make_arm("ours-tpe+halving", problem, 5), workers=1, max_trials=TRIALS
    )
    assert [(r.trial_id, r.status == "complete") for r in results] == [
        (one.proposal.config.trial_id(one.proposal.seed), one.complete) for one in ended
    ]
    assert {r.status for r in results} == {"complete", "stopped"}
    for one in results:
        for rung in one.rungs:
            assert rung.points == problem.curve(one.config, one.seed, rung.step)
        if one.status == "complete":
            assert one.points == problem.curve(one.config, one.seed, problem.rungs[-1])
            assert all(math.isfinite(point.score.value) for point in one.points)


def test_a_step_off_the_ladder_is_refused() -> None:
    from deft_sweeps.errors import TrialError

    problem = make("bent")
    run = ReplayMaker(problem)()(problem.spec.combinations[0].template, 0, None)
    run.advance(5)
    with pytest.raises(TrialError, match="not step 5"):
        run.measure((0.5,))
