"""The sampler `front`: a few trials spread over the space, then whatever `FrontModel` expects to push the front furthest."""

from collections import ChainMap, Counter, deque
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any

import numpy as np
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState
from threadpoolctl import ThreadpoolController

from deft_sweeps.sampler.front.encoding import neighbour
from deft_sweeps.sampler.front.observation import Known, Ladder
from deft_sweeps.sampler.front.surrogate_model import FrontModel
from deft_sweeps.sampler.history import History
from deft_sweeps.spec.schema import Start, SweepSpec
from deft_sweeps.study.optuna_study import TRIAL_ID
from deft_sweeps.study.parameters import Key, all_points, key_of, n_points, params, random_point

N_START = 3
"""Trainings that are spread over the space before a model is made."""
N_CANDIDATES = 400
"""Points to choose from."""
N_BESIDE = 100
"""Of these at most, those that a training under way is compared with."""
TOLD_EACH, MOST_AT_ONCE = 20, 64
"""Proposals are prepared one at a time for each TOLD_EACH trials that ended, at most MOST_AT_ONCE: a twentieth more trials teach little,
and asking the model costs about as much for many proposals as for one."""


class FrontSampler(BaseSampler):
    """See the module.

    Its proposals depend on the sweep's seed and on what the study was told, in its order. Up to 2 x TOLD_EACH trials they do not depend on
    how often the driver was started. Beyond, some are prepared at once, each counting on what those before it are expected to give; a
    driver that goes on with a sweep asks the model anew instead of handing out what the last one had left.
    """

    def __init__(self, spec: SweepSpec) -> None:
        self._spec = spec
        self._model, self._ladder, self._history = FrontModel(spec), Ladder(spec), History()
        self._finite = tuple(all_points(spec)) if n_points(spec) <= 4 * N_CANDIDATES else None
        self._tried: dict[Key, Start] = {}
        self._stopped: set[Key] = set()
        self._n_seeds: Counter[Key] = Counter()
        self._proposed: Mapping[str, Any] = {}
        self._prepared: deque[Start] = deque()
        self._libraries = ThreadpoolController()

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        """Nothing: a whole point is proposed at once, before Optuna asks for its parts."""
        return {}

    def sample_relative(self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]) -> dict[str, Any]:
        """Nothing."""
        return {}

    def before_trial(self, study: Study, trial: FrozenTrial) -> None:
        """Propose a point, unless somebody asked for one."""
        if "fixed_params" in trial.system_attrs or TRIAL_ID in trial.user_attrs:  # Asked for, or long begun and only written to.
            return
        with self._alone():
            self._look(study)
            self._proposed = params(self._spec, self._next(trial.number))

    def sample_independent(self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution) -> Any:
        """A part of the point."""
        return self._proposed[param_name]

    def is_worth_its_rest(self, study: Study, number: int, step: int) -> bool:
        """Whether the study's trial `number`, measured at a rung, shall go on although it is behind its peers: until a model can be made,
        and then while its rest is expected to gain enough beside a new trial, as `FrontModel.is_worth_its_rest` says. One whose
        configuration was stopped before goes on: it was proposed again knowing that, and would be stopped for the same again."""
        with self._alone():
            self._look(study)
            known = self._ladder.known(study.get_trials(deepcopy=False)[number])
            if known is None or self._model.n_whole < N_START or key_of(known.start) in self._stopped:
                return True
            rng = np.random.default_rng([self._spec.search.seed, number, step])
            running = self._running(number)
            candidates = self._candidates([known, *running], rng)
            return self._model.is_worth_its_rest(known, candidates[:: max(1, -(-len(candidates) // N_BESIDE))], running, rng)

    def _alone(self) -> AbstractContextManager[Any]:
        """Linear algebra in one thread. The matrices are small and the processor is busy with trials: threads that wait for each other took
        from 3 to 40 times the processor time that one takes."""
        limited: AbstractContextManager[Any] = self._libraries.limit(limits=1, user_api="blas")
        return limited

    def _look(self, study: Study) -> None:
        """Take up what the study was told since the last time."""
        for trial in self._history.news(study):
            known = self._ladder.known(trial)
            if known is None:
                continue
            if known.points and trial.state in (TrialState.COMPLETE, TrialState.PRUNED):
                self._model.add(known)
            # One that was stopped early may yet turn out to be worth its end.
            if known.own and trial.state == TrialState.PRUNED:
                self._stopped.add(key_of(known.start))
            elif known.own:
                self._tried[key_of(known.start)] = known.start
            self._n_seeds[key_of(known.start)] += known.own and TRIAL_ID in trial.user_attrs

    def _running(self, number: int) -> list[Known]:
        """Trials under way but for that one."""
        return [known for other in self._history.running if other.number != number and (known := self._ladder.known(other))]

    def _next(self, number: int) -> Start:
        running = self._running(number)
        taken = self._taken(running)
        while self._prepared:
            start = self._prepared.popleft()
            if key_of(start) not in taken:
                return start
        start, *others = self._propose(running, np.random.default_rng([self._spec.search.seed, number]))
        self._prepared.extend(others)
        return start

    def _taken(self, running: Sequence[Known]) -> Mapping[Key, Start]:
        """Points that are not to be proposed: those that came to their end, failed ones too, and those under way."""
        return ChainMap({key_of(known.start): known.start for known in running if known.own}, self._tried)

    def _propose(self, running: Sequence[Known], rng: np.random.Generator) -> list[Start]:
        """Points for the next trials, in their order; at least one."""
        if self._model.n_whole < N_START:
            return [self._apart(running, rng)]
        candidates = self._candidates(running, rng)
        if not candidates:
            return [random_point(self._spec, rng)]  # It will be refused, as anything would.
        n = min(MOST_AT_ONCE, max(1, self._model.n_shown // TOLD_EACH))
        return [candidates[i] for i in self._model.prospects(candidates, running, rng).pick(n)]

    def _apart(self, running: Sequence[Known], rng: np.random.Generator) -> Start:
        """Of points with every number in the middle of its range, the one furthest from all that was tried."""
        candidates = [random_point(self._spec, rng, central=True) for _ in range(N_CANDIDATES)]
        taken = self._taken(running)
        if not taken:
            return candidates[0]
        there, new = self._model.features.vectors(taken.values()), self._model.features.vectors(candidates)
        distances = ((new[:, None] - there[None]) ** 2).sum(-1).min(1)
        return candidates[int(np.argmax(distances + 1e-6 * rng.random(len(candidates))))]

    def _candidates(self, running: Sequence[Known], rng: np.random.Generator) -> list[Start]:
        """Configurations that are not taken: of a small space all of them, and once all are taken, those that may run with another seed;
        else random ones, and neighbours of those on the front. None where a small space is used up."""
        n_seeds = self._n_seeds + Counter(key_of(known.start) for known in running if known.own)
        used_up = {key for key, n in n_seeds.items() if n >= self._spec.search.repeats}
        taken = self._taken(running)
        if self._finite is not None:
            open_ = [start for start in self._finite if key_of(start) not in used_up]
            left = [start for start in open_ if key_of(start) not in taken] or open_
            return left if len(left) <= N_CANDIDATES else [left[i] for i in rng.permutation(len(left))[:N_CANDIDATES]]
        drawn = [random_point(self._spec, rng) for _ in range(N_CANDIDATES // 2)]
        best = self._model.best()
        drawn += [neighbour(self._spec, best[rng.integers(len(best))], rng) for _ in range(N_CANDIDATES // 2) if best]
        new = {key: start for start in drawn if (key := key_of(start)) not in taken and key not in used_up}
        return list(new.values()) or drawn
