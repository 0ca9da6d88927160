"""Asynchronous successive halving on several objectives, as a pure decision.

A trial that reaches a rung is compared with those that reached it before. It continues if it is
among the best 1/eta of them, itself included (ASHA, Li et al., arXiv 1810.05934, in the variant
that stops trials and never resumes them). The first `eta - 1` trials at a rung continue, since too
few are there to compare with. `ranking` orders the trials; a trial's rank is that of its best
point. Loads neither ray nor optuna.
"""

import hashlib
from bisect import insort
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from deft_sweeps.config.trial import TrialConfig
from deft_sweeps.findings.baseline import Baselines
from deft_sweeps.findings.front_member import FrontMember, candidates, directions_of, values_of
from deft_sweeps.findings.limit_check import excess, judgeable, keeps
from deft_sweeps.objective import Constraint
from deft_sweeps.result import Rung, TrainingAtRung
from deft_sweeps.specification.search_settings import Halving
from deft_sweeps.stopping.ranking import order, order_of_owners
from deft_sweeps.study.baseline_tracker import BaselinesSoFar

N_PEERS = 256
"""Maximum number of trials that one is compared with. Of more, those with the lowest digests of
their names are used: a sample that does not depend on the order in which they came."""


@dataclass(slots=True)
class Reached:
    """The measurements at one rung.

    Attributes:
        baselines: those that limits refer to, as measured at this rung.
        peers: digest and points of trials that reached the rung, at most N_PEERS, in the order of
            their digests.
    """

    baselines: BaselinesSoFar
    peers: list[tuple[str, tuple[FrontMember, ...]]] = field(default_factory=list)


class HalvingRule:
    """Decides at rungs which trials continue; the same trials give the same decisions.

    Args:
        halving: settings.
        objectives: names of metrics, in the sweep's order.
        limits: points that break a limit rank behind all that keep them. A limit that cannot be
            judged at a rung is left out. `surely` is ignored, since a rung keeps no scores of
            single examples.
    """

    def __init__(
        self, halving: Halving, objectives: Sequence[str], limits: Sequence[Constraint] = ()
    ) -> None:
        self._halving, self._objectives = halving, tuple(objectives)
        self._limits = tuple(replace(limit, surely=False) for limit in limits)
        self._reached: dict[int, Reached] = {}
        self._verdicts: dict[tuple[str, int], bool] = {}

    def record(self, config: TrialConfig, seed: int, rung: Rung, verdict: bool) -> None:
        """Adds a rung with a verdict that was given before."""
        number = self._number(config, rung)
        if number is not None and (config.trial_id(seed), number) not in self._verdicts:
            self._verdicts[config.trial_id(seed), number] = verdict
            self._enter(number, self._points(config, seed, rung), config.trial_id(seed))

    def may_continue(
        self, config: TrialConfig, seed: int, rung: Rung, *, whole: bool = False
    ) -> bool:
        """Whether the trial continues past `rung`; the answer to a second call is the same.

        A `whole` trial always continues, and others are compared with it. A trial that lacks an
        objective continues without a comparison: its result will say what is missing.
        """
        number, trial_id = self._number(config, rung), config.trial_id(seed)
        if number is None:
            return True
        verdict = self._verdicts.get((trial_id, number))
        if verdict is None:
            points = self._points(config, seed, rung)
            self._enter(number, points, trial_id)
            verdict = whole or not points or self._is_among_the_best(number, points, trial_id)
            self._verdicts[trial_id, number] = verdict
        return verdict

    def _number(self, config: TrialConfig, rung: Rung) -> int | None:
        """Index of the rung, from 0; None if nothing is decided there."""
        rungs = self._halving.at(config.training.steps)[:-1]
        return rungs.index(rung.step) if rung.step in rungs else None

    def _points(self, config: TrialConfig, seed: int, rung: Rung) -> tuple[FrontMember, ...]:
        # Front, baselines and limits mean at a rung what they mean at the end, except for `surely`.
        return candidates(
            [TrainingAtRung(config=config, seed=seed, points=rung.points)], self._objectives
        )

    def _enter(self, number: int, points: tuple[FrontMember, ...], trial_id: str) -> None:
        here = self._reached.setdefault(number, Reached(BaselinesSoFar(self._limits)))
        if not points:
            return
        here.baselines.take(points[0].result)
        insort(here.peers, (_digest(trial_id), points), key=lambda peer: peer[0])
        del here.peers[N_PEERS:]

    def _is_among_the_best(
        self, number: int, points: tuple[FrontMember, ...], trial_id: str
    ) -> bool:
        here = self._reached[number]
        peers = [theirs for digest, theirs in here.peers if digest != _digest(trial_id)]
        n_places = (len(peers) + 1) // self._halving.eta
        if len(peers) + 1 < self._halving.eta:
            return True
        members = [member for owned in (*peers, points) for member in owned]
        owners = [owner for owner, owned in enumerate((*peers, points)) for _ in owned]
        ranked = order(
            values_of(members, self._objectives),
            directions_of(self._objectives),
            self._halving.rank,
            violations(members, self._limits, here.baselines.best),
        )
        return len(peers) in order_of_owners(ranked, owners)[:n_places]


def violations(
    members: Sequence[FrontMember], limits: Sequence[Constraint], baselines: Baselines
) -> np.ndarray:
    """How far each point is outside the limits, shape (n,), >= 0.

    Each limit adds at most 1: its excesses are divided by the largest one among the points. A limit
    without its baseline adds nothing, and neither does a limit on a metric that the point lacks,
    such as a cost, which is measured at a trial's end.
    """
    total = np.zeros(len(members))
    for limit in limits:
        if judgeable(limit, baselines):
            keeps_limit = [
                limit.metric not in m.values or keeps(m, limit, baselines) for m in members
            ]
            over = np.array(
                [
                    0.0 if fine else excess(m, limit, baselines)
                    for m, fine in zip(members, keeps_limit, strict=True)
                ]
            )
            total += over / max(over.max(initial=0.0), np.finfo(float).tiny)
    return total


def _digest(trial_id: str) -> str:
    # The name itself would put the seeds of one configuration side by side.
    return hashlib.sha256(trial_id.encode()).hexdigest()
