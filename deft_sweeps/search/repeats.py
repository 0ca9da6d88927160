"""Limits how often a configuration runs: each repetition takes another seed."""

from collections import Counter
from collections.abc import Callable, Iterable

import numpy as np

from deft_sweeps.config.trial import TrialConfig
from deft_sweeps.specification.combination import Start
from deft_sweeps.specification.domain import n_values
from deft_sweeps.specification.sweep_spec import SweepSpec
from deft_sweeps.study.parameters import all_points, point_of, random_point
from deft_sweeps.study.proposal import Origin
from deft_sweeps.study.sweep_study import SweepStudy

N_ASKS = 5
"""Proposals of the sampler that are refused before a point is drawn at random."""

N_DRAWS = 100
"""Random draws from all points before the points that may still run are listed."""
MOST_LISTED = 10**6
"""A range of whole numbers with more values than this counts as continuous."""


class RepeatLimit:
    """Counts the seeds of each configuration, of ended (also failed) and running trials.

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
        """Counts trials, each once."""
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


def ask(study: SweepStudy, spec: SweepSpec, taken: RepeatLimit) -> tuple[int, Start, Origin] | None:
    """Number, point and origin of the next proposal; None if the whole space is used up.

    The sampler proposes. If it insists on configurations that have run often enough, a point is
    drawn at random.
    """
    for _ in range(N_ASKS):
        number, start = study.ask()
        if taken.may_run(spec.config(start)):
            return number, start, "sampler"
        # A trial left RUNNING that never ends would repel the sampler.
        study.refuse(number)
    drawn = fresh_start(spec, taken.may_run, (spec.search.seed, study.optuna_number(number)))
    return None if drawn is None else (study.ask_at(drawn), drawn, "random")


def fresh_start(
    spec: SweepSpec, may_run: Callable[[TrialConfig], bool], seed: Iterable[int]
) -> Start | None:
    """A random point that may run; None if a finite space has none.

    It is drawn from all points first. If N_DRAWS draws fail, it is drawn from those that may still
    run.

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
    if endless:  # A draw from so many values is almost surely a new one.
        return point_of(endless[rng.integers(len(endless))], rng)
    allowed = [start for start in all_points(spec) if may_run(spec.config(start))]
    return allowed[rng.integers(len(allowed))] if allowed else None
