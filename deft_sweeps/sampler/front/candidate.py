"""Which configurations the sampler chooses from."""

from collections import ChainMap, Counter
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from deft_sweeps.sampler.front.encoding import SpaceEncoding, unit_position
from deft_sweeps.sampler.front.observation import ObservedTraining
from deft_sweeps.specification.combination import Start
from deft_sweeps.specification.domain import Domain, Float, Int, Value
from deft_sweeps.specification.sweep_spec import SweepSpec
from deft_sweeps.study.parameters import (
    Key,
    all_points,
    drawn,
    key_of,
    n_points,
    random_point,
    value_at,
)

N_CANDIDATES = 400
"""Number of candidates."""
_KEEP_PROBABILITY = 0.6
"""Probability that a neighbour keeps the combination, and each of the settings."""
_STEP_PROBABILITY = 0.7
"""Probability that a changed number moves by a small step instead of being drawn again."""
_STEP_DEVIATION = 0.15
"""Standard deviation of such a step, as a share of the range."""


class CandidatePool:
    """Draws candidates among configurations that may be proposed."""

    def __init__(self, spec: SweepSpec) -> None:
        self._spec = spec
        is_small = n_points(spec) <= 4 * N_CANDIDATES
        self._all_configurations = tuple(all_points(spec)) if is_small else None
        self._ended: dict[Key, Start] = {}
        self._n_seeds: Counter[Key] = Counter()

    def add_ended(self, configuration: Start) -> None:
        """Records a configuration whose training is over, so that it is not proposed again."""
        self._ended[key_of(configuration)] = configuration

    def count_seed(self, configuration: Start) -> None:
        """Counts a training towards `search.repeats`."""
        self._n_seeds[key_of(configuration)] += 1

    def excluded(self, running: Sequence[ObservedTraining]) -> Mapping[Key, Start]:
        """Configurations that are not proposed: ended (failed ones included) or running ones."""
        own = {key_of(t.configuration): t.configuration for t in running if t.is_own}
        return ChainMap(own, self._ended)

    def farthest_point(
        self,
        running: Sequence[ObservedTraining],
        encoding: SpaceEncoding,
        rng: np.random.Generator,
    ) -> Start:
        """The random configuration farthest from all excluded ones, for the initial design.

        Numbers are drawn from the middle half of their range.
        """
        candidates = [random_point(self._spec, rng, central=True) for _ in range(N_CANDIDATES)]
        excluded = self.excluded(running)
        if not excluded:
            return candidates[0]
        others, encoded = encoding.encode(excluded.values()), encoding.encode(candidates)
        distances = ((encoded[:, None] - others[None]) ** 2).sum(-1).min(1)
        tie_breaker = 1e-6 * rng.random(len(candidates))
        return candidates[int(np.argmax(distances + tie_breaker))]

    def candidates(
        self,
        running: Sequence[ObservedTraining],
        front_configurations: Callable[[], Sequence[Start]],
        rng: np.random.Generator,
    ) -> list[Start]:
        """Configurations to choose from, N_CANDIDATES at most; none if a small space is used up.

        Args:
            running: trainings under way.
            front_configurations: those with a point on the front, whose neighbours are included.
            rng: draws them.
        """
        if self._all_configurations is not None:
            remaining = self._remaining(self._all_configurations, running)
            if len(remaining) <= N_CANDIDATES:
                return remaining
            return [remaining[i] for i in rng.permutation(len(remaining))[:N_CANDIDATES]]
        n_half = N_CANDIDATES // 2
        candidates = [random_point(self._spec, rng) for _ in range(n_half)]
        if front := front_configurations():
            for _ in range(n_half):
                candidates.append(neighbour(self._spec, front[int(rng.integers(len(front)))], rng))
        excluded, used_up = self.excluded(running), self._used_up(running)
        distinct = {key_of(candidate): candidate for candidate in candidates}
        new = [c for key, c in distinct.items() if key not in excluded and key not in used_up]
        return new or candidates

    def _remaining(
        self, configurations: Sequence[Start], running: Sequence[ObservedTraining]
    ) -> list[Start]:
        """Configurations that are not excluded; else those that may run with another seed."""
        used_up, excluded = self._used_up(running), self.excluded(running)
        repeatable = [c for c in configurations if key_of(c) not in used_up]
        return [c for c in repeatable if key_of(c) not in excluded] or repeatable

    def _used_up(self, running: Sequence[ObservedTraining]) -> set[Key]:
        """Configurations that have run with `search.repeats` seeds, running ones included."""
        n_running = Counter(key_of(t.configuration) for t in running if t.is_own)
        n_seeds = self._n_seeds + n_running
        return {key for key, n in n_seeds.items() if n >= self._spec.search.repeats}


def neighbour(spec: SweepSpec, start: Start, rng: np.random.Generator) -> Start:
    """A random configuration near `start`: some settings are drawn again or moved by a small step,
    and sometimes the combination is another one.
    """
    label = start.combination
    if rng.random() >= _KEEP_PROBABILITY:
        label = spec.combinations[rng.integers(len(spec.combinations))].label
    values = {}
    for name, domain in spec.by_label[label].open.items():
        if name in start.values and rng.random() < _KEEP_PROBABILITY:
            values[name] = start.values[name]
        else:
            values[name] = _changed(domain, start.values.get(name), rng)
    return Start(label, values)


def _changed(domain: Domain, value: Value, rng: np.random.Generator) -> Value:
    if isinstance(domain, Float | Int) and value is not None and rng.random() < _STEP_PROBABILITY:
        return value_at(domain, unit_position(domain, value) + rng.normal(0.0, _STEP_DEVIATION))
    return drawn(domain, rng)
