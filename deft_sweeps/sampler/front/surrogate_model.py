"""The model behind the sampler `front`: what a configuration would give at every threshold, and what that is worth.

It learns from the ends of trainings at every threshold, and from how far others got for what a rung tells of the end (`rungs`); and it
values a proposal by the hypervolume that all its points together would add to the front, since a trial is trained once and shipped at
whichever threshold is best.
"""

import math
from bisect import insort
from collections.abc import Iterable, Sequence
from itertools import compress
from statistics import fmean, median

import numpy as np
from numpy.typing import NDArray

from deft_sweeps.objective import BaselineName
from deft_sweeps.sampler.front.acquisition import Goal, Prospects
from deft_sweeps.sampler.front.encoding import Features
from deft_sweeps.sampler.front.hyperparameter_fit import fit
from deft_sweeps.sampler.front.kernel import Hyper, Rows
from deft_sweeps.sampler.front.observation import Known, Ladder, Measured, as_rows, final_rows, from_model, kept_rows, to_model
from deft_sweeps.sampler.front.posterior import Process, condition, joined
from deft_sweeps.sampler.front.rung_model import Line, line
from deft_sweeps.spec.schema import Halving, Start, SweepSpec
from deft_sweeps.study.optuna_study import modelled
from deft_sweeps.study.parameters import Key, key_of

Floats = NDArray[np.float64]

MAX_ROWS, MAX_FITTED = 480, 240
"""Rows that the model looks at, and that its hyperparameters are fitted to, at most: the cost grows with their cube. A model that forgets
where it has looked looks there again: with 240 rows of 4 thresholds, 3 of 6 searches on a front in pieces were not there after 200 trials,
with 480 all were (`benchmarks.search`, `broken`)."""
REFIT_GROWTH = 1.2
"""Hyperparameters are fitted again whenever there are this many times as many trainings."""
WORTH = 0.3
"""A training under way is not worth its rest below this part of what the best new one promises for the same steps. The best of many
expectations promises too much, another one is the best after every trial that ends, and what was spent on a training is lost with it: in
searches of `bent` (`benchmarks.search`, 8 seeds) 0.5 took 1.2 times the steps of 0.3, in those of real trainings (`flan_t5_small_reviews`)
0.5 and 1.0 took 1.1 and 1.2 times those of 0.3, and 0.1 as many."""
MOST_UNSURE = 100.0
"""What a rung tells with a variance above so many times that of the ends is left out."""
MOST_KEPT, KEPT = 320, 240
"""Trainings that are remembered at most, and how many are left when that is passed: half of them on the front, the others the latest."""


class FrontModel:
    """Values candidates, from the trainings that it was shown.

    Shown the same in the same order it is the same: nothing depends on when it was asked.
    """

    def __init__(self, spec: SweepSpec) -> None:
        self._spec = spec
        self._names = modelled(spec)
        self._features = Features.of(spec)
        self._n_ladder = len(Ladder(spec).names)
        self._trained: list[Known] = []
        self._n_shown = self._n_whole = 0
        self._unthresholded: dict[Key, list[tuple[float, ...]]] = {}
        self._of_baseline: dict[BaselineName, dict[Key, tuple[float, ...]]] = {}
        self._baselines: dict[BaselineName, tuple[float, ...]] = {}
        self._margins: dict[str, list[float]] = {}
        self._eta = spec.stopping.eta if isinstance(spec.stopping, Halving) else Halving().eta
        self._lines: dict[tuple[int, int], Line | None] = {}
        self._to_fit: tuple[Known, ...] = ()
        self._hypers: tuple[Hyper, ...] = ()
        self._on_front: frozenset[int] | None = None

    def add(self, known: Known) -> None:
        """Show a training that ended."""
        self._trained.append(known)
        self._n_shown += 1
        self._n_whole += bool(known.final)
        self._note_baselines(known)
        for limit, margin in known.margins.items():
            insort(self._margins.setdefault(limit, []), margin)
        self._on_front = None
        self._lines.clear()
        if len(self._trained) > MOST_KEPT:
            owners = self._owners()
            on_front = [training for training in self._trained if training.number in owners][-KEPT // 2 :]
            rest = [training for training in self._trained if training.number not in owners]
            kept = {training.number for training in (*on_front, *rest[len(on_front) - KEPT :])}
            self._trained, self._on_front = [training for training in self._trained if training.number in kept], None
        if _milestone(self._n_shown) == self._n_shown:
            self._to_fit = tuple(self._trained)

    @property
    def n_shown(self) -> int:
        """Trainings that ended, those stopped early too."""
        return self._n_shown

    @property
    def n_whole(self) -> int:
        """Trainings that came to their end."""
        return self._n_whole

    @property
    def features(self) -> Features:
        return self._features

    def prospects(self, candidates: Sequence[Start], running: Sequence[Known], rng: np.random.Generator) -> Prospects:
        """What each candidate is worth.

        Args:
            candidates: to value.
            running: trainings under way, taken to give what is expected of them after what they measured so far.
            rng: draws the samples.

        Raises:
            ValueError: no whole training was shown yet.
        """
        return self._prospects(candidates, running, (), rng)

    def _prospects(
        self, candidates: Sequence[Start], running: Sequence[Known], begun: Sequence[Known], rng: np.random.Generator
    ) -> Prospects:
        """With what `begun` trainings measured so far, and nothing expected of them."""
        if not self._n_whole:
            raise ValueError("a model needs one whole training at least")
        processes = self._processes([training for training in (*begun, *running) if training.points])
        own = (point for training in self._trained if training.own for point in training.final)
        found = _values(own).reshape(-1, len(self._names))
        if running:
            processes, believed = self._believe(processes, running)
            found = np.concatenate([found, believed])
        asked = final_rows(self._features, candidates, self._n_ladder)
        outlooks = [process.outlook(asked, self._n_ladder) for process in processes]
        return Prospects(self._goal(), outlooks, found[np.isfinite(found).all(axis=1)], rng)

    def is_worth_its_rest(self, training: Known, candidates: Sequence[Start], running: Sequence[Known], rng: np.random.Generator) -> bool:
        """Whether a training under way is expected to gain for each step that is left at least WORTH of what the best candidate gains for
        each of all its steps; arguments as of `prospects`, `running` without the training itself."""
        gains = self._prospects([training.start, *candidates], running, [training], rng).gains
        return bool(gains[0] >= WORTH * (1.0 - training.share) * gains[1:].max(initial=0.0))

    def best(self) -> list[Start]:
        """Configurations that have a point on the front."""
        owners = self._owners()
        return [training.start for training in self._trained if training.number in owners]

    def _owners(self) -> frozenset[int]:
        if self._on_front is None:
            owned = [(training.number, point) for training in self._trained for point in training.final]
            values = _values(point for _, point in owned).reshape(-1, len(self._names))
            goal = self._goal()
            places = np.flatnonzero(np.isfinite(values).all(axis=1) & goal.kept(values))
            self._on_front = frozenset(owned[i][0] for i in places[goal.on_front(values[places])])
        return self._on_front

    def _goal(self) -> Goal:
        bounds = []
        for limit in self._spec.limits:
            name = limit.bound.baseline
            # The model knows values, not their intervals: what `surely` asks beyond the bound is what it has typically asked so far.
            margins = self._margins.get(str(limit), ())
            bound = limit.bound.value + (median(margins) if margins else 0.0) * (1.0 if limit.relation == ">=" else -1.0)
            if name is None:
                bounds.append((limit, bound))
            elif name in self._baselines:
                bounds.append((limit, bound + self._baselines[name][self._names.index(limit.metric)]))
        return Goal(self._names, len(self._spec.objectives), tuple(bounds))

    def _note_baselines(self, known: Known) -> None:
        """Remember what the best-scoring configuration of each baseline measured without a threshold, the mean over its seeds."""
        template = self._spec.by_label[known.start.combination].template
        names = {limit.bound.baseline for limit in self._spec.limits if limit.bound.baseline}
        names = {name for name in names if template.is_baseline(name)}
        values = next((point.values for point in known.final if point.at == 0), None)
        if values is None or not known.own or not names:
            return
        seeds = self._unthresholded.setdefault(key_of(known.start), [])
        seeds.append(values)
        score = self._names.index("score")
        for name in names:
            means = self._of_baseline.setdefault(name, {})
            means[key_of(known.start)] = tuple(fmean(column) for column in zip(*seeds, strict=True))
            self._baselines[name] = max(means.values(), key=lambda mean: mean[score])

    def _processes(self, begun: Sequence[Known]) -> tuple[Process, ...]:
        """Of each metric, given the trainings that ended and what others measured so far."""
        if self._to_fit:
            kept = self._kept(self._to_fit, MAX_FITTED)
            fitted = (fit(*self._told(kept, i), self._features.groups, self._features.ordered) for i in range(len(self._names)))
            self._hypers, self._to_fit = tuple(fitted), ()
        kept = self._kept([*self._trained, *begun], MAX_ROWS)
        return tuple(condition(*self._told(kept, i), self._features.groups, hyper) for i, hyper in enumerate(self._hypers))

    def _kept(self, trained: Sequence[Known], limit: int) -> list[tuple[Known, Measured]]:
        """Rows to learn from: of trainings on the front, then of the latest; all of them while they are few."""
        latest = list(reversed(trained))
        if sum(len(training.points) for training in latest) > limit:
            owners = self._owners()
            on_front = [training for training in latest if training.number in owners]
            rest = [training for training in latest if training.number not in owners]
            n_front = limit // (2 * self._n_ladder)
            latest = [*on_front[:n_front], *rest, *on_front[n_front:]]
        return kept_rows(latest, limit)

    def _told(self, kept: Sequence[tuple[Known, Measured]], i: int) -> tuple[Rows, Floats]:
        """Rows and values of the i-th metric at the end of trainings: where it was measured there, or a rung tells of it."""
        values = to_model(self._names[i], np.array([point.values[i] for _, point in kept]))
        unsure = np.zeros((2, len(kept)))
        for row, (_, point) in enumerate(kept):
            if point.share < 1.0:
                found = self._line(i, self._level(point))
                values[row] = math.nan if found is None else found.end(values[row], point.at)
                unsure[:, row] = (0.0, 0.0) if found is None else found.end_variances
        there, variances = np.isfinite(values), unsure.sum(axis=0)
        ends = values[there & (variances == 0)]
        there &= variances <= (MOST_UNSURE * float(np.var(ends)) if len(ends) else 0.0)
        rows = as_rows(self._features, list(compress(kept, there)), self._n_ladder, *unsure[:, there])
        return rows, values[there]

    def _level(self, point: Measured) -> int:
        """Which rung it was measured at: one that is `eta` to the power of this before the end. Steps are whole, so shares differ a bit
        between trainings of different lengths."""
        return round(-math.log(point.share) / math.log(self._eta))

    def _line(self, i: int, level: int) -> Line | None:
        """What a rung tells of the end's i-th metric, by the whole trainings that were measured there."""
        if (i, level) not in self._lines:
            whole = [training for training in self._trained if training.final]
            rungs, ends = np.full((2, len(whole), self._n_ladder), math.nan)
            for row, training in enumerate(whole):
                for point in training.points:
                    if point.share == 1.0:
                        ends[row, point.at] = point.values[i]
                    elif self._level(point) == level:
                        rungs[row, point.at] = point.values[i]
            self._lines[i, level] = line(to_model(self._names[i], rungs), to_model(self._names[i], ends))
        return self._lines[i, level]

    def _believe(self, processes: Sequence[Process], running: Sequence[Known]) -> tuple[tuple[Process, ...], Floats]:
        """The processes as if the trainings under way had given what is expected of them, and those points."""
        asked = final_rows(self._features, [training.start for training in running], self._n_ladder)
        means = [process.predict(asked, self._n_ladder)[0].reshape(-1) for process in processes]
        believed = tuple(joined(process, asked, mean) for process, mean in zip(processes, means, strict=True))
        return believed, np.stack([from_model(name, mean) for name, mean in zip(self._names, means, strict=True)], axis=1)


def _values(points: Iterable[Measured]) -> Floats:
    return np.array([point.values for point in points], dtype=np.float64)


def _milestone(n: int) -> int:
    """The largest of 1, 2, 3, ... growing by REFIT_GROWTH that is not above `n`."""
    at = 1
    while (after := max(at + 1, int(at * REFIT_GROWTH))) <= n:
        at = after
    return at
