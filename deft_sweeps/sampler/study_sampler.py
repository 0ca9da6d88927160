"""The sampler that a sweep's study uses."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler
from optuna.study import Study
from optuna.trial import FrozenTrial, Trial

from deft_sweeps.sampler.front.front_sampler import FrontSampler
from deft_sweeps.sampler.history import History, TrialWindow, study_of
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
from deft_sweeps.study.parameters import suggest_from

N_FRONT = 50
"""Maximum number of non-dominated trials that a sampler looks at besides the latest ones."""


def study_sampler(spec: SweepSpec) -> BaseSampler:
    """Returns the sampler that the spec names, or the one that `auto` resolves to."""
    name = choose_sampler(spec).name
    return FrontSampler(spec) if name == "front" else BoundedSampler(name, spec.search)


class BoundedSampler(BaseSampler):
    """Makes one of Optuna's samplers for each proposal and shows it a bounded part of the study.

    The sampler is asked in a study of its own, which holds copies of the trials that it may see.

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
        self._proposed: Trial | None = None

    def trial_attrs(self, number: int) -> Mapping[str, Any]:
        """Returns what Optuna's sampler notes about the trial that it proposed last."""
        if self._proposed is None or number != self._number:
            return {}
        trials = self._proposed.study.get_trials(deepcopy=False)
        return trials[self._proposed.number].system_attrs

    def infer_relative_search_space(
        self, study: Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        """Returns nothing: the trial in the sampler's own study has all parameters."""
        return {}

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Returns nothing."""
        return {}

    def sample_independent(
        self,
        study: Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        """Returns a parameter of the proposed configuration."""
        if self._proposed is None or trial.number != self._number:
            self._number = trial.number
            self._proposed = self._propose(study, trial)
        return suggest_from(self._proposed, param_name, param_distribution)

    def _propose(self, study: Study, trial: FrozenTrial) -> Trial:
        """Begins a trial in a study of the trials that the sampler may see."""
        sampler = make_sampler(self._search, trial.number)
        new_trials = self._history.new_trials(study)
        self._window.add(study, new_trials)
        if isinstance(sampler, GenerationSampler):
            self._add_to_generation(study, new_trials)
            sampler.parents = self._parents
        others = (other for other in self._history.running if other.number != trial.number)
        return study_of([*self._window.trials(), *others], study.directions, sampler).ask()

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
