"""What samplers look at: bounded, and the same however often it is begun anew."""

import time
from dataclasses import replace

import numpy as np
import optuna
import pytest
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState, create_trial

from deft_sweeps.front import non_dominated
from deft_sweeps.objective import Direction
from deft_sweeps.sampler.history import History, StudyView, Window
from deft_sweeps.sampler.optuna_sampler import StudySampler
from deft_sweeps.spec.sampling import ConcreteName
from deft_sweeps.spec.schema import Search
from deft_sweeps.study.parameters import params, suggest
from tests.fakes import THRESHOLDS, fake_spec, surface

DIRECTIONS: list[Direction] = ["maximize", "minimize"]
NAMES: tuple[ConcreteName, ...] = ("tpe", "nsga2", "nsga3", "random")


def added(study: Study, values: list[float] | None, state: TrialState = TrialState.COMPLETE, broken: float = 0.0) -> None:
    limit = {"limit": broken} if broken else {}
    study.add_trial(create_trial(values=values, state=state, constraints=limit))


def test_the_window_shows_the_front_and_the_latest() -> None:
    rng = np.random.default_rng(0)
    study, window, history = optuna.create_study(directions=DIRECTIONS), Window(5, 100), History()
    values = rng.random((60, 2)).round(2)
    breaks = rng.random(60) < 0.2
    for i, (row, broken) in enumerate(zip(values, breaks, strict=True)):
        added(study, row.tolist(), broken=0.5 if broken else -0.5)
        if i % 7 == 0:
            window.add(study, history.news(study))
    added(study, None, TrialState.FAIL)
    added(study, None, TrialState.PRUNED)
    window.add(study, history.news(study))
    shown = [trial.number for trial in window.trials()]
    kept = np.flatnonzero(~breaks)
    front = {tuple(values[kept][i]) for i in np.flatnonzero(non_dominated(values[kept], DIRECTIONS))}
    assert shown == sorted(set(shown))
    assert {60, 59, 58, 57, 56} | {61} >= set(shown[-5:])
    assert 60 not in shown, "a failed trial tells a sampler nothing"
    old = [n for n in shown if n < 56]
    assert {tuple(values[n]) for n in shown if n < 60} >= front
    assert all(tuple(values[n]) in front and not breaks[n] for n in old)


def test_a_long_front_is_shown_in_part_with_both_ends() -> None:
    study, window = optuna.create_study(directions=DIRECTIONS), Window(1, 10)
    for i in range(300):
        added(study, [i / 300, i / 300])
    window.add(study, History().news(study))
    numbers = [trial.number for trial in window.trials()]
    assert len(numbers) <= 11
    assert {0, 299} <= set(numbers)


def test_history_hands_out_each_ended_trial_once_and_in_the_order_it_was_told() -> None:
    study, history = optuna.create_study(directions=DIRECTIONS), History()
    trials = [study.ask() for _ in range(4)]
    assert history.news(study) == []
    assert len(history.running) == 4
    study.tell(trials[2], [0.1, 0.2])
    time.sleep(0.002)
    study.tell(trials[0], state=TrialState.FAIL)
    assert [t.number for t in history.news(study)] == [2, 0]
    assert [t.number for t in history.running] == [1, 3]
    study.tell(trials[1], [0.1, 0.2])
    assert [t.number for t in history.news(study)] == [1]
    assert history.news(study) == []


def test_what_is_written_through_a_view_goes_to_the_study() -> None:
    study = optuna.create_study(directions=DIRECTIONS)
    added(study, [0.1, 0.2])
    view = StudyView(study, [])
    view.set_user_attr("a", 1)
    assert study.user_attrs == {"a": 1}
    assert (view.trials, len(study.trials), view.directions) == ([], 1, study.directions)


def proposals(name: ConcreteName, n: int, restart_every: int, seed: int = 5) -> list[dict[str, object]]:
    """Proposals with two at a time under way; a restart begins the sampler anew, as a new driver does."""
    spec, search = fake_spec(), Search(startup=4, seed=seed)
    study = optuna.create_study(directions=DIRECTIONS)
    found, live = [], []
    for i in range(n):
        if i % restart_every == 0:
            study.sampler = StudySampler(name, search)
        trial = study.ask()
        start = suggest(trial, spec)
        found.append(params(spec, start))
        live.append((trial, surface(spec.config(start), 0, THRESHOLDS[1])))
        if len(live) == 2:
            study.tell(*live.pop(0))
    return found


@pytest.mark.parametrize("name", NAMES)
def test_proposals_do_not_depend_on_when_the_sampler_was_begun(name: ConcreteName) -> None:
    through = proposals(name, 18, restart_every=99)
    assert proposals(name, 18, restart_every=1) == through
    assert proposals(name, 18, restart_every=5) == through
    assert proposals(name, 18, restart_every=99, seed=6) != through


@pytest.mark.parametrize("name", ["nsga2", "nsga3"])
def test_generations_go_on_in_a_study_that_was_built_anew(name: ConcreteName) -> None:
    """A rebuilt study holds the same trials without what Optuna's samplers keep beside them."""
    spec, search = fake_spec(), Search(startup=4, seed=5)
    study = optuna.create_study(directions=DIRECTIONS, sampler=StudySampler(name, search))
    for _ in range(13):
        trial = study.ask()
        study.tell(trial, surface(spec.config(suggest(trial, spec)), 0, THRESHOLDS[1]))
    again = optuna.create_study(directions=DIRECTIONS, sampler=StudySampler(name, search))
    for told in study.trials:
        again.add_trial(create_trial(params=told.params, distributions=told.distributions, values=told.values))
    assert [suggest(again.ask(), spec) for _ in range(3)] == [suggest(study.ask(), spec) for _ in range(3)]


def test_nsga_breeds_from_the_best_of_its_generations() -> None:
    """After the random generation, children sit nearer the best learning rate (1e-3) than random points do."""

    def distance(name: ConcreteName) -> float:
        rates = [float(str(p["training.learning_rate"])) for seed in range(3) for p in proposals(name, 80, 99, seed)[40:]]
        return float(sum(abs(np.log10(rate) + 3) for rate in rates) / len(rates))

    assert distance("nsga2") < 0.85 * distance("random")


def test_gp_models_a_space_that_is_the_same_everywhere() -> None:
    base = fake_spec()
    spec = replace(base, combinations=tuple(c for c in base.combinations if c.template.density.kind == "none")[:2])
    study = optuna.create_study(directions=DIRECTIONS, sampler=StudySampler("gp", Search(startup=4, seed=1)))
    seen: list[FrozenTrial] = []
    for _ in range(6):
        trial = study.ask()
        study.tell(trial, surface(spec.config(suggest(trial, spec)), 0, THRESHOLDS[1]))
        seen = study.trials
    assert any(key.startswith("gp:") for key in seen[-1].system_attrs), "modelled, not drawn at random"
