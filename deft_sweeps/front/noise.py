"""How sure it is that a member belongs on the front: Monte Carlo over the noise of what was measured."""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import reduce
from typing import Literal

import numpy as np

from deft_sweeps.config.trial import TrialConfig
from deft_sweeps.front.dominance import Floats
from deft_sweeps.front.pareto import FrontMember, ParetoFront, baselines_of, configurations, directions_of, judgeable, keeps, values_of
from deft_sweeps.front.seeds import t_quantile
from deft_sweeps.objective import Constraint, Direction
from deft_sweeps.result import TrialResult

N_DRAWS = 2000
REACH = 4.0
"""Normal deviations by which a point may gain on a member before it is taken to have no part in the front; of a t distribution the
quantile that is as seldom passed."""
_CHUNK = 1 << 18

Sampler = Callable[[int, np.random.Generator], Floats]
"""Draws so many times; shape (draws, points, m)."""


@dataclass(frozen=True, slots=True)
class Membership:
    """How likely each member of a front is on it.

    Attributes:
        probabilities: by the member's name, in [0, 1].
        source: of the noise: `seeds` where training's own is counted, beside that of the validation examples; `examples` where only
            theirs is, since no seeds tell of training's; `none` where neither is known.
        note: what was drawn, in a sentence or two.
    """

    probabilities: Mapping[str, float] = field(default_factory=dict)
    source: Literal["seeds", "examples", "none"] = "none"
    note: str = ""


def membership(results: Iterable[TrialResult], front: ParetoFront, limits: Sequence[Constraint] = (), seed: int = 0) -> Membership:
    """The probability that each member of `front` is on it, under the noise of the measurements of all points that keep the limits.

    Two noises add up, each where it is known. Of training: a configuration's means move with the covariance within configurations,
    pooled over all that have several seeds, whether they keep the limits or not, and divided by the configuration's own number of
    them; the thresholds of one configuration move together, as they did in the trials. That covariance is an estimate, at times from
    one pair of seeds, so the draws are of a t distribution with its degrees of freedom: of every single difference that is exact, and
    no number of seeds has to be declared enough. Of the examples: the score moves as the mean over validation examples does when these
    are drawn again, the same examples for all points (the bootstrap's normal limit). Limits are taken as kept.

    Args:
        results: that the front was made of.
        front: `pareto_front` of them.
        limits: the same as the front's.
        seed: of the draws.
    """
    if not front.members:
        return Membership()
    results = tuple(results)
    known = baselines_of(results)
    judged = [limit for limit in limits if judgeable(limit, known)]
    everyone = configurations(results, front.objectives)
    pool = [m for m in everyone if all(keeps(m, limit, known) for limit in judged)]
    directions = directions_of(front.objectives)
    seeds, examples = _SeedNoise(everyone, pool, front.objectives), _ExampleNoise(pool, front.objectives)
    noises: list[_SeedNoise | _ExampleNoise] = [noise for noise in (seeds, examples) if noise.known]
    if not noises:
        return Membership(dict.fromkeys((m.name for m in front.members), 1.0), "none", "no noise is known, so every member counts as sure")
    values = values_of(pool, front.objectives)
    of = {member.name: i for i, member in enumerate(pool)}
    reach = np.sqrt(sum((noise.reach() ** 2 for noise in noises), np.zeros_like(values)))
    kept = np.flatnonzero(_within_reach(values, reach, [of[member.name] for member in front.members], directions))
    samplers = [noise.sampler(kept) for noise in noises]
    rng = np.random.default_rng(seed)
    draws = (sum((draw(n, rng) for draw in samplers), np.zeros(())) for n in _pieces(kept.size * values.shape[1] + examples.n))
    places = {int(i): place for place, i in enumerate(kept)}
    shares = front_shares(values[kept], draws, directions, [places[of[member.name]] for member in front.members])
    told = {member.name: float(share) for member, share in zip(front.members, shares, strict=True)}
    return Membership(told, "seeds" if seeds.known else "examples", _note(seeds, examples))


def _note(seeds: "_SeedNoise", examples: "_ExampleNoise") -> str:
    head = f"Share of {N_DRAWS} draws in which nothing dominates the member. "
    same = "the same ones for all points where their scores are kept"
    if not seeds.known:
        return (
            f"{head}{seeds.unknown}, so training's own noise is not known and not counted: only the {examples.n_told} validation examples "
            f"are drawn again, {same}, and the density stands still"
        )
    again = f"the {examples.n_told} validation examples are drawn again as well, {same}"
    return (
        f"{head}Training's noise: t distributed ({seeds.freedom} degrees of freedom), with the objectives' covariance over the seeds of a "
        f"configuration, pooled over the {seeds.n_repeated} that have several and held to be alike for all, divided by the member's own "
        f"seeds; {again if examples.known else 'the validation examples are taken as given'}"
    )


def front_shares(values: Floats, noise: Iterable[Floats], directions: Sequence[Direction], of: Sequence[int] | None = None) -> Floats:
    """In which share of the draws no other point dominates each point.

    Args:
        values: shape (n, m).
        noise: to be added, in pieces of shape (draws, n, m).
        directions: one an objective.
        of: indices of the points asked about; None is all of them.
    """
    signs = np.array([1.0 if direction == "minimize" else -1.0 for direction in directions])
    asked = np.arange(len(values)) if of is None else np.asarray(of, dtype=int)
    counts, n_draws = np.zeros(len(asked)), 0
    for piece in noise:
        # An objective at a time, and the points that are nowhere worse are few: several times faster than whole rows.
        losses = [np.ascontiguousarray(column) for column in np.moveaxis((values + piece) * signs, 2, 0)]
        for k, i in enumerate(asked):
            no_worse = reduce(np.logical_and, [column <= column[:, i : i + 1] for column in losses])
            draw, other = no_worse.nonzero()
            better = reduce(np.logical_or, [column[draw, other] < column[draw, i] for column in losses])
            counts[k] += len(piece) - len(np.unique(draw[better]))
        n_draws += len(piece)
    shares: Floats = counts / max(1, n_draws)
    return shares


def _within_reach(values: Floats, reach: Floats, members: Sequence[int], directions: Sequence[Direction]) -> np.ndarray:
    """Which points could be on the front if each gained on a member as much as both together reach; the members are among them.

    A point that a member stays ahead of even so can be left out: whatever it dominates, that member dominates too.
    """
    losses = values * np.array([1.0 if direction == "minimize" else -1.0 for direction in directions])
    beaten = np.zeros(len(values), dtype=bool)
    for i in members:
        best = losses - np.hypot(reach, reach[i])
        beaten |= np.all(losses[i] <= best, axis=1) & np.any(losses[i] < best, axis=1)
    return ~beaten


class _SeedNoise:
    """Draws of the means over seeds, jointly for the thresholds of a configuration.

    The covariance of any thresholds is that of the residuals of all repeated trials, whatever their number: a product of a matrix with
    itself, so that its triangular factor comes from a QR decomposition, and nothing is inverted where it is singular.

    Args:
        everyone: whose seeds tell of the noise.
        pool: that is drawn.
        objectives: names of `objective.METRICS`.
    """

    def __init__(self, everyone: Sequence[FrontMember], pool: Sequence[FrontMember], objectives: Sequence[str]) -> None:
        self._pool, self._m = pool, len(objectives)
        rows: dict[str, int] = {}
        found: dict[str, list[tuple[int, Floats]]] = {}
        self._freedom: dict[str, int] = {}
        for member in everyone:
            if member.seeds:
                mean = np.array([member.values[name] for name in objectives])
                for one in member.seeds:
                    row = rows.setdefault(one.result.trial_id, len(rows))
                    off = np.array([one.values[name] for name in objectives]) - mean
                    # The mean of equal values is rounded: that is no noise.
                    found.setdefault(member.point.at, []).append((row, np.where(np.abs(off) > 1e-12 * np.abs(mean), off, 0.0)))
                self._freedom[member.point.at] = self._freedom.get(member.point.at, 0) + member.n_seeds - 1
        self._residuals = {}
        for at, residuals in found.items():
            table = np.zeros((len(rows), self._m))
            for row, residual in residuals:
                table[row] = residual / math.sqrt(self._freedom[at])
            self._residuals[at] = table
        # At a threshold where nothing was repeated, the noise is that of the others on average.
        self._elsewhere = sum(self._residuals.values(), np.zeros((len(rows), self._m))) / max(1, len(self._residuals))
        self.freedom = max(self._freedom.values(), default=0)
        self.n_repeated = len({member.result.config for member in everyone if member.seeds})

    @property
    def known(self) -> bool:
        """Whether some seeds differ: the spread of a few that are equal by chance is no estimate."""
        return any(table.any() for table in self._residuals.values())

    @property
    def unknown(self) -> str:
        """Why it is not known."""
        if not self.n_repeated:
            return "No configuration has a second seed"
        return f"The seeds of the {self.n_repeated} configuration(s) that have several do not differ ({self.freedom} degrees of freedom)"

    def reach(self) -> Floats:
        """How far each point's means may move, shape (n, m)."""
        central = math.erf(REACH / math.sqrt(2))
        every = [t_quantile(central, self._degrees(member)) * np.sqrt((self._of(member) ** 2).sum(axis=0)) for member in self._pool]
        return np.array(every)

    def sampler(self, kept: Sequence[int] | np.ndarray) -> Sampler:
        groups: dict[TrialConfig, list[int]] = {}
        for place, i in enumerate(kept):
            groups.setdefault(self._pool[i].result.config, []).append(place)
        factors = [_factor(np.hstack([self._of(self._pool[kept[p]]) for p in places])) for places in groups.values()]
        degrees = np.array([self._degrees(self._pool[i]) for i in kept])
        steps, which = np.unique(degrees, return_inverse=True)

        def draw(n: int, rng: np.random.Generator) -> Floats:
            piece = np.zeros((n, len(kept), self._m))
            for places, (factor, column) in zip(groups.values(), factors, strict=True):
                piece[:, places] = (rng.standard_normal((n, len(factor))) @ factor)[:, column].reshape(n, len(places), self._m)
            # One estimate serves all points, so all are off by it together; a threshold with fewer seeds has a part of the others'.
            off: Floats = np.cumsum(rng.chisquare(np.diff(steps, prepend=0), (n, len(steps))), axis=1) / steps
            stretch: Floats = 1 / np.sqrt(off)
            return piece * stretch[:, which, None]

        return draw

    def _of(self, member: FrontMember) -> Floats:
        found: Floats = self._residuals.get(member.point.at, self._elsewhere) / math.sqrt(member.n_seeds)
        return found

    def _degrees(self, member: FrontMember) -> int:
        return self._freedom.get(member.point.at, min(self._freedom.values()))


def _factor(loads: Floats) -> tuple[Floats, np.ndarray]:
    """An upper factor of the different columns' covariance `loads.T @ loads`, and which of them each column is."""
    different, column = _different(loads.T)
    return np.linalg.qr(different.T).R, column


def _different(rows: Floats) -> tuple[Floats, np.ndarray]:
    """The different rows, and which of them each row is: multiplied apart, equal ones may be rounded apart, and one point then dominates
    another that equals it."""
    different, which = np.unique(rows, axis=0, return_inverse=True)
    return different, which.reshape(-1)


class _ExampleNoise:
    """Draws of the scores as means over validation examples, the same examples for all points; of several seeds, of their mean."""

    def __init__(self, pool: Sequence[FrontMember], objectives: Sequence[str]) -> None:
        self._pool, self._m = pool, len(objectives)
        self._column = objectives.index("score") if "score" in objectives else None
        self._scores = [member.example_scores for member in pool]
        lengths = [len(scores) for scores in self._scores]
        self.n = max(set(lengths), key=lengths.count, default=0)
        self._errors = np.array([member.point.score.standard_error for member in pool])

    @property
    def known(self) -> bool:
        return self._column is not None and bool(np.any(self._errors > 0))

    @property
    def n_told(self) -> int:
        return self.n or max(member.point.score.n_examples for member in self._pool)

    def reach(self) -> Floats:
        """How far each point's values may move, shape (n, m); only the score does."""
        found = np.zeros((len(self._pool), self._m))
        found[:, self._column] = REACH * self._errors
        return found

    def sampler(self, kept: Sequence[int] | np.ndarray) -> Sampler:
        paired = np.array([self._is_paired(i) for i in kept], dtype=bool)
        scores = np.array([self._scores[i] for i, p in zip(kept, paired, strict=True) if p], dtype=float)
        scores = scores.reshape(int(paired.sum()), self.n)
        scores, column = _different(scores)
        loads = (scores - scores.sum(axis=1, keepdims=True) / max(1, self.n)).T / math.sqrt(max(1, self.n * (self.n - 1)))
        alone = self._errors[kept][~paired]

        def draw(n: int, rng: np.random.Generator) -> Floats:
            piece = np.zeros((n, len(kept), self._m))
            piece[:, paired, self._column] = (rng.standard_normal((n, self.n)) @ loads)[:, column]
            piece[:, ~paired, self._column] = rng.standard_normal((n, len(alone))) * alone
            return piece

        return draw

    def _is_paired(self, i: int) -> bool:
        """Whether the point's score is the mean of its examples', as F1 over all of them is not."""
        scores = self._scores[i]
        return self.n > 1 and len(scores) == self.n and abs(float(scores.mean()) - self._pool[i].values["score"]) < 1e-6


def _pieces(width: int) -> Iterator[int]:
    """Numbers of draws that add up to N_DRAWS, none so large that memory counts."""
    size = max(1, min(N_DRAWS, _CHUNK // max(1, width)))
    for begin in range(0, N_DRAWS, size):
        yield min(size, N_DRAWS - begin)
