"""The sampler `front`: a small initial design, then the candidates with the highest acquisition."""

from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any

import numpy as np
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState
from threadpoolctl import ThreadpoolController

from deft_sweeps.sampler.front.candidate import CandidatePool
from deft_sweeps.sampler.front.observation import ObservationReader, ObservedTraining
from deft_sweeps.sampler.front.surrogate_model import SurrogateModel
from deft_sweeps.sampler.history import MEASURED_STATES, History
from deft_sweeps.specification.combination import Start
from deft_sweeps.specification.sweep_spec import SweepSpec
from deft_sweeps.study.optuna_study import TRIAL_ID
from deft_sweeps.study.parameters import Key, key_of, params, random_point

N_INITIAL = 3
"""Finished trainings, spread over the space, before the model is used."""
N_COMPARED = 100
"""Maximum number of candidates that an unfinished training is compared with."""
TRIALS_PER_PROPOSAL, MAX_BATCH = 20, 64
"""One proposal is prepared per TRIALS_PER_PROPOSAL trials that ended, at most MAX_BATCH. Five per
cent more trials change the model little, and asking it costs about as much for many proposals as
for one."""


class FrontSampler(BaseSampler):
    """Proposes configurations by the model's acquisition.

    Proposals depend only on the sweep's seed and on the order in which trials ended. Up to
    2 x TRIALS_PER_PROPOSAL trials they do not depend on how often the driver was started. Beyond,
    a batch is prepared at once, each proposal assuming that those before it give their posterior
    means; a restarted driver asks the model again instead of continuing the previous batch.
    """

    def __init__(self, spec: SweepSpec) -> None:
        self._spec = spec
        self._model, self._pool = SurrogateModel(spec), CandidatePool(spec)
        self._reader, self._history = ObservationReader(spec), History()
        self._stopped: set[Key] = set()
        self._proposed: Mapping[str, Any] = {}
        self._prepared: deque[Start] = deque()
        self._libraries = ThreadpoolController()

    def infer_relative_search_space(
        self, study: Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        """Returns nothing: `before_trial` proposes all parameters at once."""
        return {}

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Returns nothing."""
        return {}

    def before_trial(self, study: Study, trial: FrozenTrial) -> None:
        """Proposes a configuration, except for a trial whose parameters are given."""
        has_begun = (
            TRIAL_ID in trial.user_attrs
        )  # Optuna also calls this when it only writes to it.
        if "fixed_params" in trial.system_attrs or has_begun:
            return
        with self._single_threaded():
            self._update(study)
            self._proposed = params(self._spec, self._next(trial.number))

    def sample_independent(
        self,
        study: Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        """Returns a parameter of the proposed configuration."""
        return self._proposed[param_name]

    def is_worth_finishing(self, study: Study, number: int, step: int) -> bool:
        """Whether a running trial that is behind its peers at a rung is worth its remaining steps.

        It is until N_INITIAL trainings have finished, and afterwards if
        `SurrogateModel.is_worth_finishing` says so. A configuration that was stopped before always
        is: it was proposed again although that was known, and would be stopped again for the same
        reason.

        Args:
            study: of the sweep; holds what the trial has measured.
            number: of the study's trial.
            step: of the rung.
        """
        with self._single_threaded():
            self._update(study)
            training = self._reader.read(study.get_trials(deepcopy=False)[number])
            if training is None or self._model.n_finished < N_INITIAL:
                return True
            if key_of(training.configuration) in self._stopped:
                return True
            rng = np.random.default_rng([self._spec.search.seed, number, step])
            running = self._running(number)
            candidates = self._candidates([training, *running], rng)
            stride = max(1, -(-len(candidates) // N_COMPARED))
            return self._model.is_worth_finishing(training, candidates[::stride], running, rng)

    def _single_threaded(self) -> AbstractContextManager[Any]:
        """Restricts linear algebra to one thread. The matrices are small and trials use the other
        cores: several threads waiting for each other took 3 to 40 times the processor time.
        """
        limit: AbstractContextManager[Any] = self._libraries.limit(limits=1, user_api="blas")
        return limit

    def _update(self, study: Study) -> None:
        """Takes up the trials that ended since the last call."""
        for trial in self._history.new_trials(study):
            training = self._reader.read(trial)
            if training is None:
                continue
            if training.observations and trial.state in MEASURED_STATES:
                self._model.add(training)
            has_begun = TRIAL_ID in trial.user_attrs
            if not training.is_own or (trial.state == TrialState.FAIL and not has_begun):
                continue  # Of an earlier sweep, or refused.
            if trial.state == TrialState.PRUNED:
                # A configuration that was stopped early may be proposed again.
                self._stopped.add(key_of(training.configuration))
            else:
                self._pool.add_ended(training.configuration)
            if has_begun:
                self._pool.count_seed(training.configuration)

    def _running(self, number: int) -> list[ObservedTraining]:
        """Running trials except trial `number`."""
        others = (trial for trial in self._history.running if trial.number != number)
        trainings = (self._reader.read(trial) for trial in others)
        return [training for training in trainings if training is not None]

    def _next(self, number: int) -> Start:
        """The next prepared proposal, or the first of a new batch."""
        running = self._running(number)
        excluded = self._pool.excluded(running)
        while self._prepared:
            configuration = self._prepared.popleft()
            if key_of(configuration) not in excluded:
                return configuration
        rng = np.random.default_rng([self._spec.search.seed, number])
        configuration, *others = self._propose(running, rng)
        self._prepared.extend(others)
        return configuration

    def _propose(
        self, running: Sequence[ObservedTraining], rng: np.random.Generator
    ) -> list[Start]:
        """A batch of configurations for the next trials, at least one."""
        if self._model.n_finished < N_INITIAL:
            return [self._pool.farthest_point(running, self._model.encoding, rng)]
        candidates = self._candidates(running, rng)
        if not candidates:
            # The space is used up: the searcher refuses any configuration.
            return [random_point(self._spec, rng)]
        n = min(MAX_BATCH, max(1, self._model.n_ended // TRIALS_PER_PROPOSAL))
        acquisition = self._model.acquisition(candidates, running, rng)
        return [candidates[i] for i in acquisition.select_batch(n)]

    def _candidates(
        self, running: Sequence[ObservedTraining], rng: np.random.Generator
    ) -> list[Start]:
        return self._pool.candidates(running, self._model.front_configurations, rng)
