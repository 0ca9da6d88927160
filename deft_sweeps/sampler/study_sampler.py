"""The sampler that a sweep's study uses."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler, RandomSampler
from optuna.study import Study
from optuna.trial import FrozenTrial

from deft_sweeps.sampler.front.front_sampler import FrontSampler
from deft_sweeps.sampler.history import History, StudyView, TrialWindow
from deft_sweeps.sampler.optuna_sampler import (
    OPTUNA_SAMPLERS,
    GenerationSampler,
    make_sampler,
    population_size,
)
from deft_sweeps.specification.sampler_choice import choose_sampler
from deft_sweeps.specification.sampler_entry import ConcreteName
from deft_sweeps.specification.search_settings import Search
from deft_sweeps.specification.sweep_spec import SweepSpec

N_FRONT = 50
"""Maximum number of non-dominated trials that a sampler looks at besides the latest ones."""


def study_sampler(spec: SweepSpec) -> BaseSampler:
    """Returns the sampler that the spec names, or the one that `auto` resolves to."""
    name = choose_sampler(spec).name
    return FrontSampler(spec) if name == "front" else BoundedSampler(name, spec.search)


class BoundedSampler(BaseSampler):
    """Makes one of Optuna's samplers for each proposal and shows it a bounded part of the study.

    Args:
        name: of the sampler.
        search: settings; their own sampler name is ignored, since it may be `auto`.
    """

    def __init__(self, name: ConcreteName, search: Search) -> None:
        self._search = replace(search, sampler=name)
        self._history = History()
        n_latest = max(OPTUNA_SAMPLERS[name].n_latest, 2 * search.startup)
        self._window = TrialWindow(n_latest, N_FRONT)
        self._generation: list[FrozenTrial] = []
        self._parents: list[FrozenTrial] = []
        self._n_generations = 0
        self._number = -1
        self._inner: BaseSampler = RandomSampler(seed=0)
        self._view: Study | None = None

    def infer_relative_search_space(
        self, study: Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        """Returns the parameters that the sampler proposes together."""
        view = self._prepare(study, trial)
        return self._inner.infer_relative_search_space(view, trial)

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Returns their values."""
        view = self._prepare(study, trial)
        return self._inner.sample_relative(view, trial, search_space)

    def sample_independent(
        self,
        study: Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        """Returns the value of any other parameter."""
        view = self._prepare(study, trial)
        return self._inner.sample_independent(view, trial, param_name, param_distribution)

    def _prepare(self, study: Study, trial: FrozenTrial) -> Study:
        """Makes the sampler and the view of the study once for all parameters of a trial."""
        if self._view is None or trial.number != self._number:
            self._number = trial.number
            self._inner = make_sampler(self._search, trial.number)
            new_trials = self._history.new_trials(study)
            self._window.add(study, new_trials)
            if isinstance(self._inner, GenerationSampler):
                self._add_to_generation(study, new_trials)
                self._inner.parents = self._parents
            self._view = StudyView(study, [*self._window.trials(), *self._history.running])
        return self._view

    def _add_to_generation(self, study: Study, new_trials: Sequence[FrozenTrial]) -> None:
        """Selects new parents whenever a generation is complete."""
        for trial in new_trials:
            if trial.values is None:
                continue
            self._generation.append(trial)
            if len(self._generation) == population_size(self._search):
                self._n_generations += 1
                # A seed per generation: parents do not depend on which proposal needs them first.
                selector = make_sampler(self._search, -self._n_generations % 2**32)
                if isinstance(selector, GenerationSampler):
                    population = [*self._generation, *self._parents]
                    self._parents = selector.survivors(study, population)
                self._generation = []
