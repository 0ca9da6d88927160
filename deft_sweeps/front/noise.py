"""How sure it is that a member belongs on the front: Monte Carlo over the noise of what was measured."""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from deft_sweeps.front.dominance import Floats
from deft_sweeps.front.pareto import FrontMember, ParetoFront, baselines_of, configurations, directions_of, judgeable, keeps, values_of
from deft_sweeps.objective import Constraint, Direction
from deft_sweeps.result import TrialResult

N_DRAWS = 2000
REACH = 4.0
"""Deviations by which a point may improve before it is taken to have no part in the front."""
_CHUNK = 1 << 21


@dataclass(frozen=True, slots=True)
class Membership:
    """How likely each member of a front is on it.

    Attributes:
        probabilities: by the member's name, in [0, 1].
        source: of the noise: the spread over training seeds, the drawing of the validation examples where no configuration has a second
            seed, or none where neither is known.
        note: what was drawn, in a sentence or two.
    """

    probabilities: Mapping[str, float] = field(default_factory=dict)
    source: Literal["seeds", "examples", "none"] = "none"
    note: str = ""


def membership(results: Iterable[TrialResult], front: ParetoFront, limits: Sequence[Constraint] = (), seed: int = 0) -> Membership:
    """The probability that each member of `front` is on it, under the noise of the measurements of all points that keep the limits.

    With seeds: a configuration's means move by a normal draw whose covariance is that within configurations, pooled over all that have
    several seeds and divided by the configuration's own number of them. The thresholds of one configuration move together, as they did
    in the trials. Without seeds: the score moves as the mean over validation examples does when these are drawn again, the same examples
    for all points (the bootstrap's normal limit), and nothing else moves. Limits are taken as kept.

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
    pool = [m for m in configurations(results, front.objectives) if all(keeps(m, limit, known) for limit in judged)]
    directions = directions_of(front.objectives)
    noise: _SeedNoise | _ExampleNoise = _SeedNoise(pool, front.objectives)
    if not noise.known:
        noise = _ExampleNoise(pool, front.objectives)
    if not noise.known:
        return Membership(dict.fromkeys((m.name for m in front.members), 1.0), "none", "no noise is known, so every member counts as sure")
    kept = _within_reach(values_of(pool, front.objectives), noise.deviations(), values_of(front.members, front.objectives), directions)
    rivals = [member for member, keep in zip(pool, kept, strict=True) if keep]
    places = {member.name: i for i, member in enumerate(rivals)}
    draws = noise.draws(np.flatnonzero(kept), np.random.default_rng(seed))
    shares = front_shares(values_of(rivals, front.objectives), draws, directions, [places[member.name] for member in front.members])
    told = {member.name: float(share) for member, share in zip(front.members, shares, strict=True)}
    return Membership(told, noise.source, noise.note)


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
        losses = (values + piece) * signs
        for k, i in enumerate(asked):
            mine = losses[:, i : i + 1]
            beaten = np.all(losses <= mine, axis=2) & np.any(losses < mine, axis=2)
            counts[k] += np.count_nonzero(~beaten.any(axis=1))
        n_draws += len(piece)
    shares: Floats = counts / max(1, n_draws)
    return shares


def _within_reach(values: Floats, deviations: Floats, front: Floats, directions: Sequence[Direction]) -> np.ndarray:
    """Which points could be on the front if each improved by REACH deviations while the front stood still; the front's are among them."""
    signs = np.array([1.0 if direction == "minimize" else -1.0 for direction in directions])
    best, against = values * signs - REACH * deviations, front * signs
    beaten = np.zeros(len(values), dtype=bool)
    for member in against:
        beaten |= np.all(member <= best, axis=1) & np.any(member < best, axis=1)
    return ~beaten


class _SeedNoise:
    """Draws of the means over seeds, jointly for the thresholds of a configuration.

    A draw is a sum of the residuals of all repeated trials with normal weights: its covariance is theirs, pooled, whatever the number of
    thresholds, and no matrix has to be estimated or inverted.
    """

    source: Literal["seeds"] = "seeds"

    def __init__(self, pool: Sequence[FrontMember], objectives: Sequence[str]) -> None:
        self._pool, self._m = pool, len(objectives)
        rows: dict[str, int] = {}
        found: dict[str, list[tuple[int, Floats]]] = {}
        freedom: dict[str, int] = {}
        for member in pool:
            if member.seeds:
                mean = np.array([member.values[name] for name in objectives])
                for one in member.seeds:
                    row = rows.setdefault(one.result.trial_id, len(rows))
                    found.setdefault(member.point.at, []).append((row, np.array([one.values[name] for name in objectives]) - mean))
                freedom[member.point.at] = freedom.get(member.point.at, 0) + member.n_seeds - 1
        self._residuals = {}
        for at, residuals in found.items():
            table = np.zeros((len(rows), self._m))
            for row, residual in residuals:
                table[row] = residual / math.sqrt(freedom[at])
            self._residuals[at] = table
        # At a threshold where nothing was repeated, the noise is that of the others on average.
        self._elsewhere = sum(self._residuals.values(), np.zeros((len(rows), self._m))) / max(1, len(self._residuals))
        self._freedom = max(freedom.values(), default=0)
        self._n_repeated = len({member.result.config_id for member in pool if member.seeds})

    @property
    def known(self) -> bool:
        return self._freedom > 0

    @property
    def note(self) -> str:
        return (
            f"Share of {N_DRAWS} draws in which nothing dominates it. Noise: normal, with the objectives' covariance over the seeds "
            f"of a configuration, pooled over the {self._n_repeated} that have several ({self._freedom} degrees of freedom) and held to be "
            "alike for all, divided by the member's own seeds; the validation examples are taken as given"
        )

    def deviations(self) -> Floats:
        """Of each point's means, shape (n, m)."""
        found: Floats = np.array([np.sqrt((self._of(member) ** 2).sum(axis=0)) for member in self._pool])
        return found

    def draws(self, kept: Sequence[int] | np.ndarray, rng: np.random.Generator) -> Iterator[Floats]:
        groups: dict[str, list[int]] = {}
        for place, i in enumerate(kept):
            groups.setdefault(self._pool[i].result.config_id, []).append(place)
        loads = {key: np.stack([self._of(self._pool[kept[p]]) for p in places], axis=1) for key, places in groups.items()}
        for n in _pieces(len(kept) * self._m):
            piece = np.zeros((n, len(kept), self._m))
            for key, places in groups.items():
                weights = rng.standard_normal((n, len(loads[key])))
                piece[:, places] = np.tensordot(weights, loads[key], axes=1)
            yield piece

    def _of(self, member: FrontMember) -> Floats:
        found: Floats = self._residuals.get(member.point.at, self._elsewhere) / math.sqrt(member.n_seeds)
        return found


class _ExampleNoise:
    """Draws of the scores as means over validation examples, the same examples for all points."""

    source: Literal["examples"] = "examples"

    def __init__(self, pool: Sequence[FrontMember], objectives: Sequence[str]) -> None:
        self._pool, self._m = pool, len(objectives)
        self._column = objectives.index("score") if "score" in objectives else None
        lengths = [len(member.point.example_scores) for member in pool]
        self._n = max(set(lengths), key=lengths.count, default=0)

    @property
    def known(self) -> bool:
        return self._column is not None and any(member.point.score.standard_error > 0 for member in self._pool)

    @property
    def note(self) -> str:
        n = self._n or max(member.point.score.n_examples for member in self._pool)
        return (
            f"Share of {N_DRAWS} draws in which nothing dominates the member. No configuration has a second seed, so training's own noise "
            f"is not known and not counted: only the {n} validation examples are drawn again, the same ones for all points where their "
            "scores are kept, and the density stands still"
        )

    def deviations(self) -> Floats:
        """Of each point's values, shape (n, m); only the score has any."""
        found = np.zeros((len(self._pool), self._m))
        if self._column is not None:
            found[:, self._column] = [member.point.score.standard_error for member in self._pool]
        return found

    def draws(self, kept: Sequence[int] | np.ndarray, rng: np.random.Generator) -> Iterator[Floats]:
        members = [self._pool[i] for i in kept]
        paired = np.array([self._is_paired(member) for member in members], dtype=bool)
        scores = np.array([m.point.example_scores for m, p in zip(members, paired, strict=True) if p], dtype=float).reshape(-1, self._n)
        loads = (scores - scores.mean(axis=1, keepdims=True)).T / math.sqrt(max(1, self._n * (self._n - 1)))
        alone = np.array([m.point.score.standard_error for m, p in zip(members, paired, strict=True) if not p])
        for n in _pieces(len(kept) * self._m + self._n):
            piece = np.zeros((n, len(kept), self._m))
            if self._column is not None:
                piece[:, paired, self._column] = rng.standard_normal((n, self._n)) @ loads
                piece[:, ~paired, self._column] = rng.standard_normal((n, len(alone))) * alone
            yield piece

    def _is_paired(self, member: FrontMember) -> bool:
        """Whether its score is the mean of its examples', as F1 over all of them is not."""
        scores = member.point.example_scores
        return self._n > 1 and len(scores) == self._n and abs(sum(scores) / self._n - member.point.score.value) < 1e-6


def _pieces(width: int) -> Iterator[int]:
    """Numbers of draws that add up to N_DRAWS, none so large that memory counts."""
    size = max(1, min(N_DRAWS, _CHUNK // max(1, width)))
    for begin in range(0, N_DRAWS, size):
        yield min(size, N_DRAWS - begin)
