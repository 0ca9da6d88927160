"""Optuna's samplers by the names that a spec uses, each bounded in what it looks at."""

import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, assert_never

import numpy as np
from optuna.distributions import BaseDistribution
from optuna.exceptions import ExperimentalWarning
from optuna.samplers import BaseGASampler, BaseSampler, GPSampler, NSGAIIISampler, NSGAIISampler, RandomSampler, TPESampler
from optuna.study import Study
from optuna.trial import FrozenTrial

from deft_sweeps.sampler.front.front_sampler import FrontSampler
from deft_sweeps.sampler.history import History, StudyView, Window
from deft_sweeps.spec.sampling import ConcreteName, pick
from deft_sweeps.spec.schema import Search, SweepSpec

N_LATEST: dict[ConcreteName, int] = {"front": 1, "tpe": 200, "gp": 60, "nsga2": 50, "nsga3": 50, "random": 1}
"""Latest trials that a sampler looks at. NSGA takes its parents from its generations, and from these only which parameters there are."""
N_FRONT = 50
"""Non-dominated trials that it looks at besides, at most."""


class _GivenParents(BaseGASampler):
    """With its parents given, where there are any: Optuna's keeps generations in the study's attributes, and a rebuilt study has none."""

    parents: Sequence[FrozenTrial] | None = None
    _elite_population_selection_strategy: Callable[[Study, list[FrozenTrial]], list[FrozenTrial]]

    def get_trial_generation(self, study: Study, trial: FrozenTrial) -> int:
        return super().get_trial_generation(study, trial) if self.parents is None else 0

    def get_parent_population(self, study: Study, generation: int) -> list[FrozenTrial]:
        return super().get_parent_population(study, generation) if self.parents is None else list(self.parents)

    def survivors(self, study: Study, population: list[FrozenTrial]) -> list[FrozenTrial]:
        """The best of a generation and its parents."""
        return self._elite_population_selection_strategy(study, population)


class _Nsga2(_GivenParents, NSGAIISampler):
    """Optuna's NSGA-II."""


class _Nsga3(_GivenParents, NSGAIIISampler):
    """Optuna's NSGA-III."""


def make_sampler(search: Search, n_trials: int) -> BaseSampler:
    """A sampler for the proposal after `n_trials`.

    Its seed depends on the sweep's seed and on how many trials there are, so a proposal does not depend on how often the driver was
    started: none of these samplers keeps anything else of its own between proposals.

    Raises:
        ValueError: the name is `auto`, which `spec.sampling.pick` turns into one of the others, or `front`, which needs the spec.
    """
    seed = int(np.random.SeedSequence([search.seed, n_trials]).generate_state(1)[0])
    population = max(2, search.startup)
    match search.sampler:
        case "tpe":
            with warnings.catch_warnings():
                # `multivariate` and `group` are experimental by name only: they are what makes TPE model a conditional space jointly.
                warnings.simplefilter("ignore", ExperimentalWarning)
                return TPESampler(multivariate=True, group=True, constant_liar=True, n_startup_trials=search.startup, seed=seed)
        case "nsga2":
            # The first generation is random; with the default of 50 a small sweep would be nothing else.
            return _Nsga2(population_size=population, seed=seed)
        case "nsga3":
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ExperimentalWarning)
                return _Nsga3(population_size=population, seed=seed)
        case "gp":
            return GPSampler(n_startup_trials=search.startup, seed=seed, warn_independent_sampling=False)
        case "random":
            return RandomSampler(seed=seed)
        case "auto" | "front":
            raise ValueError(f"{search.sampler} is no sampler of Optuna's")
        case unknown:
            assert_never(unknown)


def study_sampler(spec: SweepSpec) -> BaseSampler:
    """The sampler of a sweep's study: what the spec names, or what `auto` picks for it."""
    name = pick(spec).name
    return FrontSampler(spec) if name == "front" else StudySampler(name, spec.search)


class StudySampler(BaseSampler):
    """The sampler of a whole study: for each proposal one of `make_sampler`, which sees a bounded part of what the study knows.

    Args:
        name: of the sampler.
        search: its settings; its own name, which may be `auto`, is not looked at.
    """

    def __init__(self, name: ConcreteName, search: Search) -> None:
        self._search = replace(search, sampler=name)
        self._history = History()
        self._window = Window(max(N_LATEST[name], 2 * search.startup), N_FRONT)
        self._generation: list[FrozenTrial] = []
        self._parents: list[FrozenTrial] = []
        self._n_generations = 0
        self._number = -1
        self._inner: BaseSampler = RandomSampler(seed=0)
        self._view: Study | None = None

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        """The parameters that the sampler proposes together."""
        view = self._look(study, trial)
        return self._inner.infer_relative_search_space(view, trial)

    def sample_relative(self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]) -> dict[str, Any]:
        """Their values."""
        return self._inner.sample_relative(self._look(study, trial), trial, search_space)

    def sample_independent(self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution) -> Any:
        """The value of any other parameter."""
        return self._inner.sample_independent(self._look(study, trial), trial, param_name, param_distribution)

    def _look(self, study: Study, trial: FrozenTrial) -> Study:
        """What the proposal for `trial` is made from; the same for all of its parameters."""
        if self._view is None or trial.number != self._number:
            self._number = trial.number
            self._inner = make_sampler(self._search, trial.number)
            news = self._history.news(study)
            self._window.add(study, news)
            if isinstance(self._inner, _GivenParents):
                self._breed(study, news)
                self._inner.parents = self._parents
            self._view = StudyView(study, [*self._window.trials(), *self._history.running])
        return self._view

    def _breed(self, study: Study, news: Sequence[FrozenTrial]) -> None:
        for trial in news:
            if trial.values is None:
                continue
            self._generation.append(trial)
            if len(self._generation) == max(2, self._search.startup):
                self._n_generations += 1
                # Of its own seed: a generation is chosen once, at whichever proposal it is first needed.
                chooser = make_sampler(self._search, -self._n_generations % 2**32)
                if isinstance(chooser, _GivenParents):
                    self._parents = chooser.survivors(study, [*self._generation, *self._parents])
                self._generation = []
