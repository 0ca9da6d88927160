"""The sampler `front`: proposes the trial whose points, all thresholds together, are expected to push the front furthest.

It differs from a plain multi-objective sampler in what it learns from and in what it asks for. It learns from every point that was
measured, at each threshold and at each rung, also of trials that were stopped early; and it values a proposal by the hypervolume that
all its points together would add to the front, since a trial is trained once and shipped at whichever threshold is best.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler
from optuna.study import Study
from optuna.trial import FrozenTrial

from deft_sweeps.front import non_dominated
from deft_sweeps.objective import METRICS
from deft_sweeps.search.features import Features, all_points, n_points, neighbour, random_point
from deft_sweeps.search.gain import directions, set_gains
from deft_sweeps.search.known import History, Known, as_rows, final_rows, from_model, kept_rows, ladder_of, to_model
from deft_sweeps.search.space import params
from deft_sweeps.search.surrogate import Hyper, Process, condition, fit
from deft_sweeps.spec.schema import Start, SweepSpec

Floats = NDArray[np.float64]

import os
TEMP = float(os.environ.get("TEMP_", 1))
N_START = int(os.environ.get("NSTART", 3))
"""Trainings that are spread over the space before a model is made."""
N_CANDIDATES = 400
N_SAMPLES = 32
N_DIRECTIONS = 96
REFIT_GROWTH = 1.1
"""Hyperparameters are fitted again whenever there are this many times as many trainings."""


class FrontSampler(BaseSampler):
    """See the module.

    Its proposal depends on the seed and on what the study knows, not on how often the driver was started: what it remembers between
    proposals can be worked out again from the study.
    """

    def __init__(self, spec: SweepSpec, seed: int) -> None:
        self._spec, self._seed = spec, seed
        self._features = Features.of(spec)
        self._ladder = ladder_of(spec)
        self._finite = tuple(all_points(spec)) if n_points(spec) <= 4 * N_CANDIDATES else None
        self._hyper: tuple[int, tuple[Hyper, ...]] = (0, ())
        self._proposed: Mapping[str, Any] = {}

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        return {}

    def sample_relative(self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]) -> dict[str, Any]:
        return {}

    def before_trial(self, study: Study, trial: FrozenTrial) -> None:
        if "fixed_params" in trial.system_attrs:
            self._proposed = {}
            return
        others = [t for t in study.get_trials(deepcopy=False) if t.number != trial.number]
        rng = np.random.default_rng([self._seed, trial.number])
        self._proposed = params(self._spec, self.propose(History.of(self._spec, others), rng))

    def sample_independent(self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution) -> Any:
        return self._proposed[param_name]

    def propose(self, history: History, rng: np.random.Generator) -> Start:
        """The next configuration to train."""
        trained = [known for known in history.finished if known.points]
        if len([known for known in trained if known.final]) < N_START:
            return self._apart(history, rng)
        candidates = self._candidates(history, rng)
        return candidates[int(np.argmax(self._gains(candidates, history, trained, rng)))]

    def _candidates(self, history: History, rng: np.random.Generator) -> list[Start]:
        tried = {_key(start) for start in history.tried}
        if self._finite is not None:
            left = [start for start in self._finite if _key(start) not in tried]
            if left:
                return left if len(left) <= N_CANDIDATES else [left[i] for i in rng.permutation(len(left))[:N_CANDIDATES]]
            return list(self._finite[:N_CANDIDATES])
        drawn = [random_point(self._spec, rng) for _ in range(N_CANDIDATES // 2)]
        best = self._best(history)
        drawn += [neighbour(self._spec, best[rng.integers(len(best))], rng) for _ in range(N_CANDIDATES // 2) if best]
        new = {_key(start): start for start in drawn if _key(start) not in tried}
        return list(new.values()) or drawn

    def _best(self, history: History) -> list[Start]:
        """Configurations that have a point on the front."""
        owned = [(known, point.values) for known in history.finished for point in known.final]
        if not owned:
            return []
        on_front = non_dominated([values[: self._m] for _, values in owned], self._directions)
        return [known.start for (known, _), kept in zip(owned, on_front, strict=True) if kept]

    def _apart(self, history: History, rng: np.random.Generator) -> Start:
        """Of points with every number in the middle of its range, the one furthest from all that was tried."""
        candidates = [random_point(self._spec, rng, central=True) for _ in range(N_CANDIDATES)]
        if not history.tried:
            return candidates[rng.integers(len(candidates))]
        there, new = self._features.vectors(history.tried), self._features.vectors(candidates)
        distances = ((new[:, None] - there[None]) ** 2).sum(-1).min(1)
        return candidates[int(np.argmax(distances + 1e-6 * rng.random(len(candidates))))]

    def _gains(self, candidates: Sequence[Start], history: History, trained: Sequence[Known], rng: np.random.Generator) -> Floats:
        """Expected hypervolume gain of each candidate, on a scale of its own."""
        n_ladder = len(self._ladder)
        processes = self._processes(trained)
        front = np.array([point.values[: self._m] for known in trained for point in known.final])
        if history.running:
            processes, believed = self._believe(processes, trained, history.running)
            front = np.concatenate([front, believed.reshape(-1, self._m)])
        asked = final_rows(self._features, candidates, n_ladder)
        noise = rng.standard_normal((self._m, N_SAMPLES, n_ladder))
        drawn = np.empty((len(candidates), N_SAMPLES, n_ladder, self._m))
        for i, (metric, process) in enumerate(zip(self._spec.objectives, processes, strict=True)):
            mean, covariance = process.predict(asked, n_ladder)
            half = np.linalg.cholesky(covariance + 1e-8 * process.scale**2 * np.eye(n_ladder))
            drawn[..., i] = from_model(metric, mean[:, None] + TEMP * np.einsum("cij,sj->csi", half, noise[i], optimize=True))
        scaled, there = self._scaled(drawn, front)
        return set_gains(scaled, there, directions(N_DIRECTIONS, self._m)).mean(axis=1)

    def _scaled(self, drawn: Floats, points: Floats) -> tuple[Floats, Floats]:
        """Drawn points and the front's so that the reference is 0 and the best of each objective 1.

        The reference is the front's own worst value of each objective, a tenth of the front's range beyond it.
        """
        signs = np.array([1.0 if direction == "maximize" else -1.0 for direction in self._directions])
        front = (points * signs)[non_dominated(points, self._directions)]
        best, worst = front.max(axis=0), front.min(axis=0)
        spread = np.where(best > worst, best - worst, np.maximum(np.ptp(points, axis=0), 1e-9))
        reference = best - 1.1 * spread
        return (drawn * signs - reference) / spread, (front - reference) / spread

    def _processes(self, trained: Sequence[Known]) -> tuple[Process, ...]:
        hypers = self._hypers(trained)
        kept = kept_rows(trained)
        rows = as_rows(self._features, kept, len(self._ladder))
        return tuple(
            condition(rows, self._values(kept, i), self._features.groups, hyper) for i, hyper in enumerate(hypers)
        )

    def _hypers(self, trained: Sequence[Known]) -> tuple[Hyper, ...]:
        n = _milestone(len(trained))
        if self._hyper[0] != n:
            kept = kept_rows(trained[:n])
            rows = as_rows(self._features, kept, len(self._ladder))
            self._hyper = n, tuple(fit(rows, self._values(kept, i), self._features.groups, self._features.ordered) for i in range(self._m))
        return self._hyper[1]

    def _values(self, kept: Sequence[Any], i: int) -> Floats:
        return to_model(self._spec.objectives[i], np.array([point.values[i] for _, point in kept]))

    def _believe(
        self, processes: Sequence[Process], trained: Sequence[Known], running: Sequence[Known]
    ) -> tuple[tuple[Process, ...], Floats]:
        """The processes as if the trainings under way had given what is expected of them, and those points."""
        n_ladder = len(self._ladder)
        asked = final_rows(self._features, [known.start for known in running], n_ladder)
        believed = np.empty((len(running), n_ladder, self._m))
        made = []
        for i, (metric, process) in enumerate(zip(self._spec.objectives, processes, strict=True)):
            mean, _ = process.predict(asked, n_ladder)
            believed[..., i] = from_model(metric, mean)
            kept = kept_rows(trained)
            rows = as_rows(self._features, kept, n_ladder)
            joined = type(rows)(
                np.concatenate([rows.x, asked.x]),
                np.concatenate([rows.at, asked.at]),
                np.concatenate([rows.share, asked.share]),
                np.concatenate([rows.training, -1 - np.repeat(np.arange(len(running)), n_ladder)]),
            )
            values = np.concatenate([self._values(kept, i), mean.reshape(-1)])
            made.append(condition(joined, values, self._features.groups, process.hyper))
        return tuple(made), believed

    @property
    def _m(self) -> int:
        return len(self._spec.objectives)

    @property
    def _directions(self) -> list[Any]:
        return [METRICS[name].direction for name in self._spec.objectives]


def _milestone(n: int) -> int:
    """The largest of 1, 2, 3, ... growing by REFIT_GROWTH that is not above `n`."""
    at = 1
    while (after := max(at + 1, int(at * REFIT_GROWTH))) <= n:
        at = after
    return at


def _key(start: Start) -> tuple[str, tuple[tuple[str, object], ...]]:
    return start.combination, tuple(sorted(start.values.items()))
