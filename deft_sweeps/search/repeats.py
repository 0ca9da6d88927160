"""How often a configuration may run: a proposal that comes again is another seed of it, up to a
limit.
"""

from collections import Counter
from collections.abc import Callable, Iterable

import numpy as np
from optuna.study import Study
from optuna.trial import Trial, TrialState

from deft_sweeps.config.trial import TrialConfig
from deft_sweeps.specification.combination import Start
from deft_sweeps.specification.domain import n_values
from deft_sweeps.specification.sweep_spec import SweepSpec
from deft_sweeps.study.optuna_study import ASKED
from deft_sweeps.study.parameters import all_points, params, point_of, random_point, suggest

N_ASKS = 5
"""Proposals of a sampler that are looked at before a point is drawn at random instead."""

N_DRAWS = 100
MOST_LISTED = 10**6
"""A whole number's range with more values than this is drawn from like a real number's."""


class Taken:
    """The seeds that every configuration has used: those of finished trials, failed ones too, and
    of those under way.

    Args:
        trial_ids: of the trials.
        repeats: most seeds of one configuration while searching.
    """

    def __init__(self, trial_ids: Iterable[str], repeats: int) -> None:
        self._repeats = repeats
        self._trial_ids: set[str] = set()
        self._n_seeds: Counter[str] = Counter()
        self.update(trial_ids)

    def __contains__(self, trial_id: str) -> bool:
        return trial_id in self._trial_ids

    def update(self, trial_ids: Iterable[str]) -> None:
        """Count trials; one counted before is not counted again."""
        for trial_id in trial_ids:
            if trial_id not in self._trial_ids:
                self._trial_ids.add(trial_id)
                self._n_seeds[trial_id.rpartition("-s")[0]] += 1

    def may_run(self, config: TrialConfig) -> bool:
        """Whether the search may propose the configuration once more."""
        return self._n_seeds[config.config_id] < self._repeats

    def next_seed(self, config: TrialConfig, first: int) -> int:
        """The lowest seed from `first` on that the configuration has not used."""
        while config.trial_id(first) in self:
            first += 1
        return first


def ask(study: Study, spec: SweepSpec, taken: Taken) -> Trial | None:
    """The study's next trial, its parameters suggested: one that was enqueued, or the sampler's, or
    one drawn at random where the sampler insists on configurations that have run often enough; None
    where the whole space has.
    """
    for _ in range(N_ASKS):
        trial = study.ask()
        config = spec.config(suggest(trial, spec))
        if ASKED in trial.user_attrs or taken.may_run(config):
            return trial
        # Without a TRIAL_ID it stands for nothing that ran; left RUNNING, the sampler would shy
        # away from a trial that never ends.
        study.tell(trial, state=TrialState.FAIL)
    start = fresh_start(spec, taken.may_run, (spec.search.seed, trial.number))
    if start is None:
        return None
    study.enqueue_trial(params(spec, start), user_attrs={ASKED: "random"})
    return study.ask()


def fresh_start(
    spec: SweepSpec, may_run: Callable[[TrialConfig], bool], seed: Iterable[int]
) -> Start | None:
    """A random point that may run; None where no point of a finite space may.

    Drawn from all points first; where nearly every point of that is used up, from those that are
    left.

    Args:
        spec: of the space.
        may_run: asked of a configuration.
        seed: of the draw.
    """
    rng = np.random.default_rng(list(seed))
    for _ in range(N_DRAWS):
        start = random_point(spec, rng)
        if may_run(spec.config(start)):
            return start
    endless = [
        c
        for c in spec.combinations
        if any(n_values(domain) > MOST_LISTED for domain in c.open.values())
    ]
    if endless:  # All but surely open: what is drawn from so many does not come twice.
        return point_of(endless[rng.integers(len(endless))], rng)
    left = [start for start in all_points(spec) if may_run(spec.config(start))]
    return left[rng.integers(len(left))] if left else None
