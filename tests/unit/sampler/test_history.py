"""What samplers look at: bounded, and the same however often it is begun anew."""

import time

import numpy as np
import optuna
from optuna.samplers import RandomSampler
from optuna.study import Study
from optuna.trial import TrialState, create_trial

from deft_sweeps.front import non_dominated
from deft_sweeps.metrics import Direction
from deft_sweeps.sampler.history import History, TrialWindow, study_of

DIRECTIONS: list[Direction] = ["maximize", "minimize"]


def added(
    study: Study,
    values: list[float] | None,
    state: TrialState = TrialState.COMPLETE,
    broken: float = 0.0,
) -> None:
    limit = {"limit": broken} if broken else {}
    study.add_trial(create_trial(values=values, state=state, constraints=limit))


def test_the_window_shows_the_front_and_the_latest() -> None:
    rng = np.random.default_rng(0)
    study, window, history = (
        optuna.create_study(directions=DIRECTIONS),
        TrialWindow(5, 100),
        History(),
    )
    values = rng.random((60, 2)).round(2)
    breaks = rng.random(60) < 0.2
    for i, (row, broken) in enumerate(zip(values, breaks, strict=True)):
        added(study, row.tolist(), broken=0.5 if broken else -0.5)
        if i % 7 == 0:
            window.add(study, history.new_trials(study))
    added(study, None, TrialState.FAIL)
    added(study, None, TrialState.PRUNED)
    window.add(study, history.new_trials(study))
    shown = [trial.number for trial in window.trials()]
    feasible = np.flatnonzero(~breaks)
    front = {
        tuple(values[feasible][i])
        for i in np.flatnonzero(non_dominated(values[feasible], DIRECTIONS))
    }
    assert shown == sorted(set(shown))
    assert {60, 59, 58, 57, 56} | {61} >= set(shown[-5:])
    assert 60 not in shown, "a failed trial has no measurement"
    old = [n for n in shown if n < 56]
    assert {tuple(values[n]) for n in shown if n < 60} >= front
    assert all(tuple(values[n]) in front and not breaks[n] for n in old)


def test_a_long_front_is_shown_in_part_with_both_ends() -> None:
    study, window = optuna.create_study(directions=DIRECTIONS), TrialWindow(1, 10)
    for i in range(300):
        added(study, [i / 300, i / 300])
    window.add(study, History().new_trials(study))
    numbers = [trial.number for trial in window.trials()]
    assert len(numbers) <= 11
    assert {0, 299} <= set(numbers)


def test_history_hands_out_each_ended_trial_once_and_in_the_order_it_was_told() -> None:
    study, history = optuna.create_study(directions=DIRECTIONS), History()
    trials = [study.ask() for _ in range(4)]
    assert history.new_trials(study) == []
    assert len(history.running) == 4
    study.tell(trials[2], [0.1, 0.2])
    time.sleep(0.002)
    study.tell(trials[0], state=TrialState.FAIL)
    assert [t.number for t in history.new_trials(study)] == [2, 0]
    assert [t.number for t in history.running] == [1, 3]
    study.tell(trials[1], [0.1, 0.2])
    assert [t.number for t in history.new_trials(study)] == [1]
    assert history.new_trials(study) == []


def test_a_study_of_some_trials_has_copies_that_samplers_read_alike() -> None:
    whole = optuna.create_study(directions=DIRECTIONS)
    for i in range(4):
        added(whole, [i / 4, 0.5], broken=0.5 * i)
    begun = whole.ask()
    begun.suggest_float("a", 0, 1)
    shown = [whole.trials[4], whole.trials[3], whole.trials[1]]
    study = study_of(shown, whole.directions, RandomSampler())
    assert [trial.number for trial in study.trials] == [0, 1, 2]
    for copied, original in zip(study.trials, reversed(shown), strict=True):
        assert (copied.state, copied.values) == (original.state, original.values)
        assert (copied.params, copied.constraints) == (original.params, original.constraints)
    study.ask().set_user_attr("a", 1)
    assert len(whole.trials) == 5, "what happens in one does not happen in the other"
