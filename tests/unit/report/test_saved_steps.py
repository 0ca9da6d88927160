import pytest

from deft_sweeps.config.axes import Training
from deft_sweeps.config.trial import TrialConfig
from deft_sweeps.report.saved_steps import SavedSteps, saved_steps, stopped_text
from deft_sweeps.report.trial_tables import summary, trials_table
from deft_sweeps.result import Rung, StoppedTrial, TrialResult
from tests.samples import point, result

LONG = TrialConfig(training=Training(steps=90))


def stopped(*at: int) -> StoppedTrial:
    rungs = tuple(Rung(step=step, points=(point(),)) for step in at)
    return StoppedTrial(config=LONG, seed=0, rungs=rungs, started_at=0.0, finished_at=1.0)


def test_steps_of_stopped_and_complete_trials_are_counted() -> None:
    results: list[TrialResult] = [
        result(point(), config=LONG),
        result(config=LONG),
        stopped(10),
        stopped(10, 30),
    ]
    assert (
        saved_steps(results)
        == SavedSteps(2, 90 + 10 + 30, 270)
        == saved_steps(results[:2]) + saved_steps(results[2:])
    )
    assert saved_steps(results).share == pytest.approx(140 / 270)
    assert str(saved_steps(results)) == "2 stopped early, 0.52 of the training steps saved"
    assert saved_steps([stopped()]) == SavedSteps(0, 0, 0)
    assert saved_steps([]).share == 0.0


def test_a_stopped_trial_says_where() -> None:
    assert stopped_text(stopped(10, 30)) == "stopped after 30 of 90 steps"
    assert stopped_text(stopped()) == "stopped"
    (row,) = trials_table([stopped(10)], 0.01).rows
    assert row.cells[-1] == "stopped after 10 of 90 steps"
    assert summary([stopped(10)]).endswith(
        "; 0.89 of the training steps saved by early stopping, measured"
    )
